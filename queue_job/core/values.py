# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the records and the arguments of a job are stored: JSON with tagged objects.

What JSON does not know is written as an object with a "_type"; `tags` has all of them.
A dictionary that JSON would change is tagged as well: one whose keys are not all texts,
and one that has a "_type" itself, so that data from outside never becomes an object. A
value of any other class is refused with a TypeError: a job gets what it was given.
These come back as something equal: the outermost tuple as a list (`Job` makes its
arguments a tuple again), members of `Command` as their numbers, `lazy` as its value,
texts out of lxml as texts, an aware datetime with its offset as zone, an instance of a
subclass of datetime or date as a datetime or date.

The JSON text is kept as a *string* inside a jsonb column (that is how databases hold
it since the first versions of the format); a real JSON object is read as well. So a
text may hold what jsonb does not, as NUL or half of a surrogate pair.

Until dictionaries were tagged, data from outside could look like a tag. So `encode`
seals a text that holds records, or tags that are newer than that, by a line feed at its
end. In a text without seal the newer tags are plain data, and records have at most the
rights of `Rights`.
"""

from __future__ import annotations

import io
import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, MappingView
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any, NamedTuple

from lxml import etree

from odoo import models
from odoo.api import Environment
from odoo.fields import Command
from odoo.orm.identifiers import NewId
from odoo.sql_db import BaseCursor
from odoo.tools.func import lazy
from odoo.tools.misc import OrderedSet, frozendict
from odoo.tools.translate import LazyGettext

from .tags import PLAIN, TAGS, tag_of

#: Containers in containers; deeper ones could be stored, and then not be loaded.
MAX_DEPTH = 100
#: The end of a text in which each tag was written by the encoder.
SEAL = "\n"

_TEXT = frozenset((str,))
#: Classes of which a plain value is made that is equal.
_EQUALS = {Command: int, etree._ElementUnicodeResult: str}


class Rights(NamedTuple):
    """The most that a record in a text without seal may have."""

    uid: int | None
    su: bool


#: Classes of values that are refused -> what to pass instead. See `_instead`.
_REMEDIES = (
    (Enum, "the value of the member"),
    (LazyGettext, "str(...), its translation"),
    (NewId, "the values of the record, which is not saved"),
    (PurePath, "str(...)"),
    (memoryview, "bytes(...)"),
    (io.IOBase, "what is in the file"),
    (Iterator, "list(...)"),
    (MappingView, "list(...)"),
    (etree._Element, "its text"),
)
_BASES = (str, int, float, bytes, bytearray, tuple, list, set, frozenset, Mapping)


# -- to JSON and back ------------------------------------------------------------------


class JobEncoder(json.JSONEncoder):
    """Encode the arguments of a job; refuse what would not come back unchanged."""

    _depth = 0
    #: Whether what was written may only be read in a text with `SEAL`.
    needs_seal = False

    def _get_record_context(self, obj) -> dict:
        """Return the part of the context which is stored with a recordset."""
        return obj._job_prepare_context_before_enqueue()

    def default(self, obj: Any) -> Any:
        """Return the tagged object of a value JSON does not know.

        :raise TypeError: it would not come back as it is
        """
        found = tag_of(obj)
        if found is not None:
            name, tag = found
            if tag.sealed or name == "odoo_recordset":
                self.needs_seal = True
            return {"_type": name, **tag.dump(self, obj)}
        kind = type(obj)
        if kind is lazy:
            return self.tagged(obj._value)
        if kind in _EQUALS:
            return _EQUALS[kind](obj)
        instead = _instead(obj)
        if instead:
            raise TypeError(
                f"{kind.__name__} does not come back as it is: pass {instead}"
            )
        return super().default(obj)

    def encode(self, o: Any) -> str:
        """Return the JSON text of `o`; a text of a class of its own is no text."""
        return "".join(self.iterencode(o, _one_shot=True))

    def iterencode(self, o: Any, _one_shot: bool = False) -> Iterator[str]:
        """Encode `o`, after all in it that JSON would change.

        :raise TypeError: a value in it would not come back as it is
        :raise ValueError: it holds itself, or is nested too deep
        """
        return super().iterencode(self.outermost(o), _one_shot)

    def outermost(self, value: Any) -> Any:
        """Return a value as JSON knows it; a tuple is a list.

        :raise TypeError: a value in it would not come back as it is
        :raise ValueError: it holds itself, or is nested too deep
        """
        self._depth = -1 if type(value) is dict else 0  # keyword arguments are no level
        if type(value) is tuple:
            return [self.tagged(item) for item in value]
        return self.tagged(value)

    def tagged(self, value: Any) -> Any:
        """Return `value` as JSON knows it, what it does not know as tagged objects.

        :raise TypeError: a value in it would not come back as it is
        :raise ValueError: it holds itself, or is nested too deep
        """
        kind = type(value)
        if kind in PLAIN or (kind is float and isfinite(value)):
            return value
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(
                f"it holds itself, or is nested more than {MAX_DEPTH} levels deep"
            )
        if kind is list:
            value = [
                item if type(item) in PLAIN else self.tagged(item) for item in value
            ]
        elif kind is dict and "_type" not in value and _has_text_keys(value):
            value = {
                key: item if type(item) in PLAIN else self.tagged(item)
                for key, item in value.items()
            }
        else:
            value = self.default(value)
        self._depth -= 1
        return value


def _has_text_keys(value: dict) -> bool:
    return _TEXT.issuperset(map(type, value))


def _instead(value) -> str | None:
    """Return what to pass instead of a value that is refused, None if unknown."""
    for cls, instead in _REMEDIES:
        if isinstance(value, cls):
            return instead
    for base in _BASES:
        if isinstance(value, base):
            return "dict(...)" if base is Mapping else f"{base.__name__}(...)"
    return None


class JobDecoder(json.JSONDecoder):
    """Decode what `JobEncoder` wrote; recordsets get the environment `env`.

    :param sealed: False for a text that may hold data which looks like tags
    :param rights: the most that its records get, None for what their tags say
    """

    def __init__(self, *args, env, sealed=True, rights: Rights | None = None, **kwargs):
        self.env = env
        self.sealed = sealed
        self.rights = rights
        super().__init__(*args, object_hook=self.object_hook, **kwargs)

    def object_hook(self, obj: dict[str, Any]) -> Any:
        """Return the value of a tagged object, or the object as it is."""
        if "_type" not in obj:
            return obj
        name = obj["_type"]
        tag = TAGS.get(name) if isinstance(name, str) else None
        if tag is None or not ("value" in obj or "model" in obj):
            return obj
        if tag.sealed and not self.sealed:
            return obj
        return tag.load(self, obj)


_JSON = json.JSONEncoder(check_circular=False)


def encode(value: Any) -> str:
    """Return the JSON text of a value.

    :raise TypeError: a value in it would not come back as it is
    :raise ValueError: it holds itself, or is nested too deep
    """
    encoder = JobEncoder.__new__(JobEncoder)  # which leaves no more for JSON to do
    text = _JSON.encode(encoder.outermost(value))
    return text + SEAL if encoder.needs_seal else text


def decode(value: Any, env: Environment, rights: Rights | None = None) -> Any:
    """Return the value of what a JobSerialized column holds, None when it is empty.

    :param value: JSON text, or the object of a column which holds real JSON
    :param env: the environment of records, but for their user and context
    :param rights: the most that records get if the text has no seal
    :raise ValueError: the text is no JSON
    :raise KeyError: the model of records is gone
    """
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    if text == "[]":
        return []
    if text == "{}":
        return {}
    if text.endswith(SEAL):
        return json.loads(text, cls=JobDecoder, env=env)
    return json.loads(text, cls=JobDecoder, env=env, sealed=False, rights=rights)


def decode_arguments(row: dict[str, Any], column: str, env: Environment) -> Any:
    """Return the arguments of a job; records in them have no more rights than its own.

    :param row: values of the columns `records`, `args` and `kwargs`
    :param column: `args` or `kwargs`
    :param env: the environment of records, but for their user and context
    :raise ValueError: the text is no JSON
    :raise KeyError: the model of records is gone
    """
    value = row.get(column)
    sealed = isinstance(value, str) and value.endswith(SEAL)
    if sealed or "odoo_recordset" not in str(value):
        return decode(value, env)
    return decode(value, env, _rights_of(row.get("records")))


def _rights_of(records) -> Rights | None:
    """Return the rights of the records of a job; it may have none."""
    obj = json.loads(records) if isinstance(records, str) else records
    if not isinstance(obj, dict):
        return None
    return Rights(obj.get("uid"), bool(obj.get("su")))


def rebind_to_cr(value: Any, cr: BaseCursor) -> Any:
    """Return `value` with every recordset in it bound to the cursor `cr`.

    Containers are always rebuilt: what the method does to them stays with it.
    """

    def bind(records):
        return records if records.env.cr is cr else records.with_env(records.env(cr=cr))

    return rebind(value, bind)


def rebind(value: Any, bind: Callable[[models.BaseModel], Any]) -> Any:
    """Return `value` with `bind(records)` for every recordset in it."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if isinstance(value, models.BaseModel):
        return bind(value)
    if isinstance(value, dict):
        items = {
            key if type(key) is str else rebind(key, bind): rebind(item, bind)
            for key, item in value.items()
        }
        return items if kind is dict else _dict_like(value, items)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*(rebind(item, bind) for item in value))
    if isinstance(value, deque):
        return deque((rebind(item, bind) for item in value), value.maxlen)
    if isinstance(value, list | tuple | set | frozenset | OrderedSet):
        return kind(rebind(item, bind) for item in value)
    return value


def _dict_like(value: dict, items: dict) -> dict:
    """Return a dictionary of the class of `value` with these items."""
    if isinstance(value, defaultdict):
        return defaultdict(value.default_factory, items)
    if type(value) in (OrderedDict, Counter, frozendict):
        return type(value)(items)
    return items
