# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The kinds of objects that `values` writes with a "_type", and how.

A value of a class in `TAGS` comes back as an equal one of the same class; for those of
subclasses see `tag_of`.
"""

from __future__ import annotations

import base64
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import dateutil.parser
from lxml import etree
from markupsafe import Markup

from odoo import models
from odoo.fields import Domain
from odoo.orm.domains import DomainBool, DomainCondition, DomainNary, DomainNot
from odoo.tools.misc import LastOrderedSet, OrderedSet, frozendict

if TYPE_CHECKING:
    from .values import JobDecoder, JobEncoder

#: Classes that JSON knows; float is one too, but for a few of its values.
PLAIN = frozenset((str, int, bool, type(None)))
#: What a defaultdict may make.
_FACTORIES = {cls.__name__: cls for cls in (bool, dict, float, int, list, set, str)}


class Tag(NamedTuple):
    """One kind of object: its class, and the way to JSON and back.

    `dump(encoder, value)` returns the object without its "_type"; `load(decoder, obj)`
    gets the whole object. `sealed` tags are read in sealed texts only.
    """

    python_type: type
    dump: Callable[[JobEncoder, Any], dict]
    load: Callable[[JobDecoder, dict], Any]
    sealed: bool = True


# -- records ---------------------------------------------------------------------------


def _dump_recordset(encoder: JobEncoder, records) -> dict:
    env, ids = records.env, list(records._ids)
    if not all(ids):
        raise TypeError(
            f"{records!r} is not saved: pass saved records (create(), _origin), or the"
            " values"
        )
    if not env.uid and not env.su:
        raise TypeError(f"{records!r} has no user: use with_user() or sudo()")
    return {
        "model": records._name,
        "ids": ids,
        "uid": env.uid,
        "su": env.su,
        "context": {
            key: value if type(value) in PLAIN else _dump_context(encoder, key, value)
            for key, value in encoder._get_record_context(records).items()
        },
    }


def _dump_context(encoder: JobEncoder, key: str, value: Any) -> Any:
    try:
        return encoder.tagged(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"the key {key!r} of the context: {error}") from error


def _load_recordset(decoder: JobDecoder, obj: dict):
    uid, su, most = obj.get("uid"), obj.get("su"), decoder.rights
    if most is not None and not most.su:
        uid, su = most.uid, False
    env = decoder.env(user=uid, su=su)
    model = env[_present_name(env, obj["model"])]
    if obj.get("context"):
        model = model.with_context(**obj["context"])
    return model.browse(obj["ids"])


def _present_name(env, name: str) -> str:
    """Return the name of a model; that of now if it was renamed."""
    if name in env or "queue.job.function" not in env:
        return name
    return env["queue.job.function"]._renamed_models().get(name, name)


# -- values that are a text ------------------------------------------------------------


def _dump_text(function: Callable[[Any], str]) -> Callable[[JobEncoder, Any], dict]:
    return lambda encoder, value: {"value": function(value)}


def _load_value(function: Callable[[Any], Any]) -> Callable[[JobDecoder, dict], Any]:
    return lambda decoder, obj: function(obj["value"])


def _dump_moment(encoder: JobEncoder, value) -> dict:
    """Dump a datetime, a date or a time."""
    obj = {"value": value.isoformat()}
    if getattr(value, "fold", 0):  # the second 2:30 of a night in autumn
        obj["fold"] = 1
    _name, tag = tag_of(value)
    if type(value) is not tag.python_type and tag.load(None, obj) != value:
        raise TypeError(f"{value!r} is no plain {tag.python_type.__name__}")
    if getattr(value, "tzinfo", None) is not None:
        offset = value.utcoffset()
        if offset is None or offset.microseconds:
            raise TypeError(f"{value!r} has no offset in seconds: pass the zone apart")
    return obj


def _load_moment(parse: Callable[[str], Any]) -> Callable[[JobDecoder, dict], Any]:
    def load(decoder, obj):
        value = parse(obj["value"])
        return value.replace(fold=1) if "fold" in obj else value

    return load


def _parse_datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # other forms of ISO 8601
        return dateutil.parser.isoparse(text)


def _parse_date(text: str) -> date:
    return _parse_datetime(text).date()


def _dump_element(encoder: JobEncoder, node) -> dict:
    text = etree.tostring(node, encoding="unicode", with_tail=False)
    try:
        _parse_element(text)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"{node!r} has no text that can be read: {error}") from error
    return {"value": text}


def _parse_element(text: str):
    parser = etree.XMLParser(resolve_entities=False, huge_tree=True)
    return etree.fromstring(text, parser)


# -- containers ------------------------------------------------------------------------


def _dump_items(encoder: JobEncoder, values) -> dict:
    return {"value": [encoder.tagged(value) for value in values]}


def _dump_pairs(encoder: JobEncoder, values: dict) -> dict:
    tagged = encoder.tagged
    return {"value": [[tagged(key), tagged(item)] for key, item in values.items()]}


def _load_pairs(function: Callable[[dict], Any]) -> Callable[[JobDecoder, dict], Any]:
    return lambda decoder, obj: function(dict(obj["value"]))


def _dump_defaultdict(encoder: JobEncoder, values: defaultdict) -> dict:
    factory = values.default_factory
    if factory is not None and factory not in _FACTORIES.values():
        raise TypeError(f"a defaultdict of {factory!r} cannot be kept: pass dict(...)")
    return {**_dump_pairs(encoder, values), "factory": factory and factory.__name__}


def _load_defaultdict(decoder: JobDecoder, obj: dict) -> defaultdict:
    factory = obj["factory"]
    return defaultdict(factory and _FACTORIES[factory], obj["value"])


def _dump_deque(encoder: JobEncoder, values: deque) -> dict:
    return {**_dump_items(encoder, values), "maxlen": values.maxlen}


def _dump_domain(encoder: JobEncoder, domain: Domain) -> dict:
    return {"value": [encoder.tagged(item) for item in _polish(domain)]}


def _polish(domain: Domain) -> Iterator[str | list]:
    """Yield the items of a domain, with the values of conditions as they are."""
    if isinstance(domain, DomainCondition):
        yield [domain.field_expr, domain.operator, domain.value]
    elif isinstance(domain, DomainNary):
        yield from domain.OPERATOR * (len(domain.children) - 1)
        for child in domain.children:
            yield from _polish(child)
    elif isinstance(domain, DomainNot):
        yield domain.OPERATOR
        yield from _polish(domain.child)
    elif isinstance(domain, DomainBool):
        yield from map(list, domain)
    else:
        raise TypeError(f"{type(domain).__name__} is SQL: pass conditions")


def _load_domain(decoder: JobDecoder, obj: dict) -> Domain:
    # each condition on its own: a list of lists must not hold internal operators
    return Domain(
        [item if isinstance(item, str) else Domain(*item) for item in obj["value"]]
    )


#: "_type" -> Tag
TAGS: dict[str, Tag] = {
    "odoo_recordset": Tag(
        models.BaseModel, _dump_recordset, _load_recordset, sealed=False
    ),
    "datetime_isoformat": Tag(
        datetime, _dump_moment, _load_moment(_parse_datetime), sealed=False
    ),
    "date_isoformat": Tag(date, _dump_moment, _load_value(_parse_date), sealed=False),
    "time_isoformat": Tag(time, _dump_moment, _load_moment(time.fromisoformat)),
    "etree_element": Tag(
        etree._Element, _dump_element, _load_value(_parse_element), sealed=False
    ),
    "python_tuple": Tag(tuple, _dump_items, _load_value(tuple), sealed=False),
    "python_set": Tag(set, _dump_items, _load_value(set), sealed=False),
    "python_bytes": Tag(
        bytes,
        _dump_text(lambda value: base64.b64encode(value).decode()),
        _load_value(base64.b64decode),
        sealed=False,
    ),
    "python_decimal": Tag(Decimal, _dump_text(str), _load_value(Decimal), sealed=False),
    "python_dict": Tag(dict, _dump_pairs, _load_pairs(dict)),
    "python_ordereddict": Tag(OrderedDict, _dump_pairs, _load_pairs(OrderedDict)),
    "python_counter": Tag(Counter, _dump_pairs, _load_pairs(Counter)),
    "python_defaultdict": Tag(defaultdict, _dump_defaultdict, _load_defaultdict),
    "python_frozenset": Tag(frozenset, _dump_items, _load_value(frozenset)),
    "python_deque": Tag(
        deque,
        _dump_deque,
        lambda decoder, obj: deque(obj["value"], obj["maxlen"]),
    ),
    "python_range": Tag(
        range,
        lambda encoder, value: {"value": [value.start, value.stop, value.step]},
        _load_value(lambda bounds: range(*bounds)),
    ),
    "python_bytearray": Tag(
        bytearray,
        _dump_text(lambda value: base64.b64encode(value).decode()),
        _load_value(lambda text: bytearray(base64.b64decode(text))),
    ),
    "python_float": Tag(float, _dump_text(repr), _load_value(float)),
    "python_timedelta": Tag(
        timedelta,
        lambda encoder, value: {
            "value": [value.days, value.seconds, value.microseconds]
        },
        _load_value(lambda parts: timedelta(*parts)),
    ),
    "python_uuid": Tag(UUID, _dump_text(str), _load_value(UUID)),
    "markup": Tag(Markup, _dump_text(str.__str__), _load_value(Markup)),
    "odoo_frozendict": Tag(frozendict, _dump_pairs, _load_pairs(frozendict)),
    "odoo_orderedset": Tag(OrderedSet, _dump_items, _load_value(OrderedSet)),
    "odoo_lastorderedset": Tag(
        LastOrderedSet, _dump_items, _load_value(LastOrderedSet)
    ),
    "odoo_domain": Tag(Domain, _dump_domain, _load_domain),
}
_BY_CLASS = {tag.python_type: (name, tag) for name, tag in TAGS.items()}
#: Classes whose subclasses are stored as well. A class comes before its bases.
_FAMILIES = (models.BaseModel, datetime, date, Domain)


def tag_of(value: Any) -> tuple[str, Tag] | None:
    """Return the name and the tag of a value, None if there is none."""
    found = _BY_CLASS.get(type(value))
    if found is None:
        for family in _FAMILIES:
            if isinstance(value, family):
                return _BY_CLASS[family]
    return found
