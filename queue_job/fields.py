# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The field for records and arguments of a job; `values` has its format."""

from __future__ import annotations

import json
from typing import Any

from psycopg2.extras import Json as PsycopgJson

from odoo import fields, models
from odoo.tools.misc import SENTINEL

from .core.values import (
    JobDecoder,
    JobEncoder,
    Rights,
    decode,
    decode_arguments,
    encode,
    rebind,
    rebind_to_cr,
)

__all__ = [
    "JobDecoder",
    "JobEncoder",
    "JobSerialized",
    "decode",
    "decode_arguments",
    "encode",
    "rebind_to_cr",
]


class _Token(str):
    """A value of the context that no request can make: compared by identity.

    As a text it may be in the context of an action which is sent to the client.
    """

    __slots__ = ()


#: In the context as `queue_job_read_as`: the records of a job that are read from its
#: fields get the environment of the reader, not that of the job.
AS_READER = _Token("reader")


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

    def convert_to_cache(
        self, value: Any, record: models.BaseModel, validate: bool = True
    ) -> str | None:
        """Return the JSON text of a value; a text is taken for JSON.

        :raise TypeError: a value in it would not come back as it is
        """
        if isinstance(value, dict):
            value = _with_text_keys(value)
        if isinstance(value, (self.base_type, dict, list, tuple)):
            return encode(value)
        if validate and isinstance(value, str):
            value = value.rstrip()  # only what `encode` has written has a seal
        return value or None

    def convert_to_record(self, value: str | None, record: models.BaseModel) -> Any:
        """Return fresh objects for a JSON text.

        In a job, odd text and records of a model that is gone are read as nothing, so
        that a list with that job can be read.

        :raise ValueError: the text is no JSON, in a model of another addon
        :raise KeyError: the model of records is gone, in a model of another addon
        """
        env = record.env
        rights = None
        if self.base_type is not models.BaseModel:
            rights = Rights(env.uid, su=False)
        try:
            decoded = decode(value, env, rights)
        except (ValueError, KeyError):
            if self.model_name != "queue.job":
                raise
            decoded = None
        if decoded is None:
            return self._empty_values[self.base_type](env)
        if env.context.get("queue_job_read_as") is AS_READER:
            return rebind(decoded, lambda records: records.with_env(env))
        return decoded

    def convert_to_column(
        self,
        value: Any,
        record: models.BaseModel,
        values: dict[str, Any] | None = None,
        validate: bool = True,
    ) -> PsycopgJson:
        """Return what is written to the column: the JSON text as a JSON string."""
        if validate or isinstance(value, str):
            value = self.convert_to_cache(value, record, validate)
        elif value is not None:
            value = json.dumps(value)  # a real JSON object, read from the column
        return PsycopgJson(value)

    def convert_to_export(self, value: Any, record: models.BaseModel) -> str:
        """Return the JSON text, "" for nothing."""
        return encode(value) if value else ""


def _with_text_keys(values: dict) -> dict:
    """Return a dictionary with the keys as JSON writes them.

    :raise ValueError: two of them become one
    """
    if all(isinstance(key, str) for key in values):
        return values
    texts = {next(iter(json.loads(json.dumps({key: 0})))): key for key in values}
    if len(texts) < len(values):
        raise ValueError(f"Two keys are the same text in JSON: {values!r}")
    return {text: values[key] for text, key in texts.items()}
