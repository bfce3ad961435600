# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The records and arguments of a job for human eyes.

They are read from the stored JSON without decoding it, so that a job whose code or
models are gone can still be looked at. Records become links with their names, as far
as the user may read them; everything else becomes text.
"""

import json
from contextlib import suppress

from odoo import api, models
from odoo.exceptions import AccessError

#: Records of one argument that get a name and a link of their own.
MAX_RECORDS = 20

#: Longer values are cut; who needs more reads the database.
MAX_TEXT = 20000

SIMPLE_TAGS = {
    "datetime_isoformat",
    "date_isoformat",
    "etree_element",
    "time_isoformat",
    "python_decimal",
    "python_bytes",
    "python_bytearray",
    "python_float",
    "python_uuid",
    "markup",
}
LIST_TAGS = {
    "python_tuple",
    "python_set",
    "python_frozenset",
    "python_deque",
    "python_range",
    "python_timedelta",
    "odoo_orderedset",
    "odoo_lastorderedset",
    "odoo_domain",
}
DICT_TAGS = {
    "python_dict",
    "python_ordereddict",
    "python_counter",
    "python_defaultdict",
    "odoo_frozendict",
}


class QueueJobArguments(models.AbstractModel):
    _name = "queue.job.arguments"
    _description = "Job Arguments"

    @api.model
    def _describe(self, job):
        """Return the arguments of a job: a list of {name, records or text, ...}."""
        job.ensure_one()
        job.flush_recordset()
        self.env.cr.execute(
            "SELECT records, args, kwargs FROM queue_job WHERE id = %s", (job.id,)
        )
        records, args, kwargs = (_parse(value) for value in self.env.cr.fetchone())
        described = []
        if _is_records(records):
            described.append({"name": "self", **self._describe_value(records)})
        if args and not isinstance(args, list):  # as it came by SQL
            args = [args]
        if kwargs and not isinstance(kwargs, dict):
            kwargs = {"kwargs": kwargs}
        for position, value in enumerate(args or [], start=1):
            described.append({"name": f"{position}", **self._describe_value(value)})
        if kwargs and kwargs.get("_type") in DICT_TAGS:  # a keyword is called so
            kwargs = dict(kwargs["value"])
        for name, value in (kwargs or {}).items():
            described.append({"name": name, **self._describe_value(value)})
        return described

    def _describe_value(self, value):
        if _is_records(value):
            return self._describe_records(value)
        plain = _plain(value)
        if isinstance(plain, str):
            text = plain
        else:
            text = json.dumps(plain, ensure_ascii=False, indent=2)
        return {"kind": "text", "text": text[:MAX_TEXT], "cut": len(text) > MAX_TEXT}

    def _describe_records(self, value):
        model, ids = value["model"], value.get("ids") or []
        known = model in self.env
        shown = ids[:MAX_RECORDS]
        names = self._names(model, shown) if known else {}
        label = self.env["ir.model"]._get(model).sudo().name if known else model
        return {
            "kind": "records",
            "model": model,
            "label": label,
            "known": known,
            "ids": ids,
            "records": [
                {"id": id_, "name": names.get(id_), "exists": id_ in names}
                for id_ in shown
            ],
        }

    def _names(self, model, ids):
        """Return {id: display name or None} of the records that exist.

        There is no name where the user may not read the record.
        """
        existing = self.env[model].sudo().browse(ids).exists()
        names = dict.fromkeys(existing.ids)
        with suppress(AccessError):  # the whole model may be out of reach
            readable = existing.sudo(False)._filtered_access("read")
            names.update({record.id: record.display_name for record in readable})
        return names


def _parse(value):
    """Return the JSON data of a column, which may be a text with JSON inside."""
    with suppress(ValueError):  # then it is shown as it is
        return json.loads(value) if isinstance(value, str) else value
    return value


def _is_records(value):
    return isinstance(value, dict) and value.get("_type") == "odoo_recordset"


def _plain(value):
    """Return the value without tags, for printing."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_records(value):
        return f"{value['model']}{tuple(value.get('ids') or ())}"
    tag = value.get("_type")
    if tag in SIMPLE_TAGS:
        return value.get("value")
    if tag in LIST_TAGS:
        return _plain(value.get("value"))
    if tag in DICT_TAGS and isinstance(value.get("value"), list):
        return _plain_pairs(value["value"])
    return {key: _plain(item) for key, item in value.items()}


def _plain_pairs(pairs):
    """Return a dictionary; the pairs, if its keys become the same text."""
    pairs = [(_plain(key), _plain(item)) for key, item in pairs]
    plain = {_key_text(key): item for key, item in pairs}
    return plain if len(plain) == len(pairs) else pairs


def _key_text(key):
    return key if isinstance(key, str) else json.dumps(key, ensure_ascii=False)
