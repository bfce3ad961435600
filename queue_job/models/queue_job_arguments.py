# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The records and arguments of a job for human eyes.

They are read from the stored JSON without decoding it, so that a job whose code or
models are gone can still be looked at. Records become links with their names, as far
as the user may read them; everything else becomes text: an excerpt of it, and the whole
value for whoever asks for it.
"""

import json
from contextlib import suppress

from odoo import api, fields, models

from .queue_job_texts import LONGEST

#: Records of one argument that get a name and a link of their own.
MAX_RECORDS = 20

#: Records of the job itself that the head of its form names.
MAX_SUBJECTS = 5

#: Records that can be listed by their ids; a list of more helps nobody.
MAX_IDS = 1000

#: Characters of the name of a record.
MAX_NAME = 200

#: Characters of a value before somebody asks for all of it.
MAX_TEXT = 500

READ_ALL = "SELECT records, args, kwargs FROM queue_job WHERE id = %s"
READ_RECORDS = "SELECT records FROM queue_job WHERE id = %s"

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
        """Return the arguments of a job: a list of {name, records or text, ...}.

        :raise AccessError: the user is no manager, or may not read the job
        """
        job.ensure_one()
        job._check_may_look_inside()
        return [
            {"name": name, **self._describe_value(value)}
            for name, value in self._values(job)
        ]

    @api.model
    def _whole_text(self, job, name):
        """Return the text of an argument, whole; empty if there is none of the name.

        :raise AccessError: the user is no manager, or may not read the job
        """
        job.ensure_one()
        job._check_may_look_inside()
        values = dict(self._values(job))
        return _text(values[name])[:LONGEST] if name in values else ""

    def _values(self, job):
        """Return [(name, JSON value), ...] of the records and arguments of a job."""
        records, args, kwargs = self._read(job, READ_ALL)
        if args and not isinstance(args, list):  # as it came by SQL
            args = [args]
        if kwargs and not isinstance(kwargs, dict):
            kwargs = {"kwargs": kwargs}
        if kwargs and kwargs.get("_type") in DICT_TAGS:  # a keyword is called so
            kwargs = dict(kwargs["value"])
        own = [("self", records)] if _is_records(records) else []
        numbered = [(f"{number}", value) for number, value in enumerate(args or [], 1)]
        return [*own, *numbered, *(kwargs or {}).items()]

    def _read(self, job, query):
        """Return the JSON data of a row."""
        job.flush_recordset()
        self.env.cr.execute(query, (job.id,))
        return [_parse(value) for value in self.env.cr.fetchone()]

    def _describe_value(self, value):
        if _is_records(value):
            return self._describe_records(value)
        text = _text(value)
        return {
            "kind": "text",
            "text": text[:MAX_TEXT],
            "cut": len(text) > MAX_TEXT,
            "length": len(text),
        }

    @api.model
    def _subject(self, job):
        """Return the records on which a job works, the first few with their names.

        :return: as those of `_describe`; False where there are none
        """
        (records,) = self._read(job, READ_RECORDS)
        if not _is_records(records) or not _ids(records):
            return False
        subject = self._describe_records(records, MAX_SUBJECTS)
        del subject["ids"]
        return subject

    def _describe_records(self, value, longest=MAX_RECORDS):
        model, ids = value.get("model"), _ids(value)
        known = model in self.env and not self.env[model]._abstract
        shown = ids[:longest]
        names = self._names(model, shown) if known else {}
        label = self.env["ir.model"]._get(model).sudo().name if known else model
        return {
            "kind": "records",
            "model": model,
            "label": label,
            "known": known,
            "count": len(ids),
            "ids": ids[:MAX_IDS],
            "records": [
                {"id": id_, "name": names.get(id_), "exists": id_ in names}
                for id_ in shown
            ],
        }

    def _names(self, model, ids):
        """Return {id: display name or None} of the records that exist.

        There is no name where the user may not read the record, nor where the code of
        its model raises an error: the job is shown all the same.
        """
        existing = self.env[model].sudo().browse(ids).exists()
        names = dict.fromkeys(existing.ids)
        with suppress(Exception), self.env.cr.savepoint(flush=False):
            readable = existing.sudo(False)._filtered_access("read")
            for record in readable:
                names[record.id] = (record.display_name or "")[:MAX_NAME]
        return names


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    subject = fields.Json(
        string="For",
        compute="_compute_subject",
        help="The records on which the job works.",
    )

    @api.depends("records")
    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_subject(self):
        arguments = self.env["queue.job.arguments"]
        for job in self:
            job.subject = arguments._subject(job._origin) if job._origin else False

    @api.readonly
    def read_argument(self, argument) -> str:
        """Return an argument of the job as a text, whole; empty if there is none.

        :param argument: name of the keyword, or number of the position, from "1" on
        :raise AccessError: the user is no manager, or may not read the job
        """
        return self.env["queue.job.arguments"]._whole_text(self, str(argument))


def _parse(value):
    """Return the JSON data of a column, which may be a text with JSON inside."""
    with suppress(ValueError):  # then it is shown as it is
        return json.loads(value) if isinstance(value, str) else value
    return value


def _text(value):
    """Return a JSON value as a text for people."""
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, ensure_ascii=False, indent=2)


def _is_records(value):
    return isinstance(value, dict) and value.get("_type") == "odoo_recordset"


def _ids(value):
    """Return the ids of records as they were stored, without what can be none."""
    ids = value.get("ids")
    ids = ids if isinstance(ids, list) else []
    return [id_ for id_ in ids if type(id_) is int and 0 < id_ < 2**31]


def _plain(value):
    """Return the value without tags, for printing."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_records(value):
        return f"{value.get('model')}{tuple(_ids(value))}"
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
