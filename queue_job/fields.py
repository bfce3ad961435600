# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the records and the arguments of a job are stored: JSON with tagged objects.

What JSON does not know is written as an object with a "_type"; `TAGS` is the registry
of all of them. An object without "_type", or with one that is not ours, is plain data.
A value of any other class is refused with a TypeError: a job must not change what it
was given.

The JSON text is kept as a *string* inside a jsonb column (that is how databases hold
it since the first versions of the format); a real JSON object is read as well.

Two things JSON does not tell apart remain: the keys of a dictionary become texts, and
the outermost tuple is read as a list (`Job` makes its arguments a tuple again).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import dateutil.parser
from lxml import etree
from psycopg2.extras import Json as PsycopgJson

from odoo import fields, models
from odoo.tools.func import lazy
from odoo.tools.misc import SENTINEL


class Tag(NamedTuple):
    """One kind of object: its class, and the way to JSON and back.

    `dump(encoder, value)` returns the object without its "_type"; `load(decoder, obj)`
    gets the whole object.
    """

    python_type: type | tuple[type, ...]
    dump: Callable[[JobEncoder, Any], dict]
    load: Callable[[JobDecoder, dict], Any]


def _dump_recordset(encoder: JobEncoder, records) -> dict:
    return {
        "model": records._name,
        "ids": records.ids,
        "uid": records.env.uid,
        "su": records.env.su,
        "context": encoder._get_record_context(records),
    }


def _load_recordset(decoder: JobDecoder, obj: dict):
    env = decoder.env(user=obj.get("uid"), su=obj.get("su"))
    model = env[obj["model"]]
    if obj.get("context"):
        model = model.with_context(**obj["context"])
    return model.browse(obj["ids"])


def _dump_text(function: Callable[[Any], str]) -> Callable[[JobEncoder, Any], dict]:
    return lambda encoder, value: {"value": function(value)}


def _load_value(function: Callable[[Any], Any]) -> Callable[[JobDecoder, dict], Any]:
    return lambda decoder, obj: function(obj["value"])


def _dump_items(encoder: JobEncoder, values) -> dict:
    return {"value": [encoder.tagged(value) for value in values]}


#: "_type" -> Tag. A class comes before its bases: a datetime is also a date.
TAGS: dict[str, Tag] = {
    "odoo_recordset": Tag(models.BaseModel, _dump_recordset, _load_recordset),
    "datetime_isoformat": Tag(
        datetime,
        _dump_text(datetime.isoformat),
        _load_value(dateutil.parser.isoparse),
    ),
    "date_isoformat": Tag(
        date,
        _dump_text(date.isoformat),
        _load_value(lambda text: dateutil.parser.isoparse(text).date()),
    ),
    "etree_element": Tag(
        etree._Element,
        _dump_text(lambda node: etree.tostring(node, encoding="unicode")),
        _load_value(etree.fromstring),
    ),
    "python_tuple": Tag(tuple, _dump_items, _load_value(tuple)),
    "python_set": Tag(set, _dump_items, _load_value(set)),
    "python_bytes": Tag(
        bytes,
        _dump_text(lambda value: base64.b64encode(value).decode()),
        _load_value(base64.b64decode),
    ),
    "python_decimal": Tag(Decimal, _dump_text(str), _load_value(Decimal)),
}


class JobEncoder(json.JSONEncoder):
    """Encode the arguments of a job; refuse what would not come back unchanged."""

    def _get_record_context(self, obj) -> dict:
        """Return the part of the context which is stored with a recordset."""
        return obj._job_prepare_context_before_enqueue()

    def default(self, obj):
        """Return the tagged object of a value JSON does not know."""
        if isinstance(obj, lazy):
            return self.tagged(obj._value)
        for name, tag in TAGS.items():
            if isinstance(obj, tag.python_type):
                return {"_type": name, **tag.dump(self, obj)}
        return super().default(obj)

    def iterencode(self, o, _one_shot=False):
        """Encode `o`, after the tuples inside of it (JSON takes them for lists)."""
        if isinstance(o, tuple):
            o = [self.tagged(value) for value in o]
        else:
            o = self.tagged(o)
        return super().iterencode(o, _one_shot)

    def tagged(self, value):
        """Return `value` with all tuples replaced by their tagged objects."""
        if isinstance(value, tuple):
            return self.default(value)
        if isinstance(value, list):
            return [self.tagged(item) for item in value]
        if isinstance(value, dict):
            return {key: self.tagged(item) for key, item in value.items()}
        return value


class JobDecoder(json.JSONDecoder):
    """Decode what `JobEncoder` wrote; recordsets get the environment `env`."""

    def __init__(self, *args, **kwargs):
        self.env = kwargs.pop("env")
        super().__init__(*args, object_hook=self.object_hook, **kwargs)

    def object_hook(self, obj: dict):
        """Return the value of a tagged object, or the object as it is."""
        tag = TAGS.get(obj["_type"]) if "_type" in obj else None
        if tag is None or not ("value" in obj or "model" in obj):
            return obj
        return tag.load(self, obj)


_ENCODER = JobEncoder()


def encode(value) -> str:
    """Return the JSON text of a value."""
    return _ENCODER.encode(value)


def decode(value, env):
    """Return the value of what a JobSerialized column holds, None when it is empty.

    :param value: JSON text, or the object of a column which holds real JSON
    """
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    if text == "[]":
        return []
    if text == "{}":
        return {}
    return json.loads(text, cls=JobDecoder, env=env)


def rebind_to_cr(value, cr):
    """Return `value` with every recordset in it bound to the cursor `cr`.

    Containers are always rebuilt: what the method does to them stays with it.
    """
    if isinstance(value, models.BaseModel):
        return value if value.env.cr is cr else value.with_env(value.env(cr=cr))
    if isinstance(value, dict):
        return {key: rebind_to_cr(item, cr) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(rebind_to_cr(item, cr) for item in value))
    if isinstance(value, list | tuple | set):
        return type(value)(rebind_to_cr(item, cr) for item in value)
    return value


class JobSerialized(fields.Json):
    """Values of a job as JSON: dict, list, tuple or a recordset (`base_type`).

    The cache holds the JSON text or None; each read decodes it into fresh objects.
    """

    type = "job_serialized"
    _column_type = ("jsonb", "jsonb")
    base_type: type | None = None

    #: base type -> what an empty value is read as
    _empty_values = {
        dict: lambda env: {},
        list: lambda env: [],
        tuple: lambda env: [],
        models.BaseModel: lambda env: env(su=False)["base"],
    }

    def __init__(self, string=SENTINEL, base_type=SENTINEL, **kwargs):
        super().__init__(string=string, base_type=base_type, **kwargs)

    def _setup_attrs__(self, model_class, name):  # pylint: disable=missing-return
        super()._setup_attrs__(model_class, name)
        if self.base_type not in self._empty_values:
            raise ValueError(
                f"{self.base_type} is not a supported base type of the field "
                f"{model_class._name}.{name}"
            )

    def convert_to_cache(self, value, record, validate=True):
        if isinstance(value, (self.base_type, dict, list, tuple)):
            return encode(value)
        return value or None

    def convert_to_record(self, value, record):
        try:
            decoded = decode(value, record.env)
        except ValueError:  # what came by SQL must not keep the others from being read
            decoded = None
        if decoded is None:
            return self._empty_values[self.base_type](record.env)
        return decoded

    def convert_to_column(self, value, record, values=None, validate=True):
        return PsycopgJson(self.convert_to_cache(value, record, validate))

    def convert_to_export(self, value, record):
        return encode(value) if value else ""
