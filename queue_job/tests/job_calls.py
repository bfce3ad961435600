# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Trapped calls, and their comparison with what a test expects.

An expected value counts as equal if it is what the call was given, or what the stored
job has: `properties={"priority": 1}` and `{"priority": "high"}` are both true of a call
with `priority="high"`, and `{"channel": "root"}` of one whose channel is that of its
job function.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from odoo import fields

from odoo.addons.queue_job.core import option_values
from odoo.addons.queue_job.core.options import EXTRAS, KEPT, PROPERTIES
from odoo.addons.queue_job.fields import encode
from odoo.addons.queue_job.storage.job_call import translated

from .matching import describe, matches

#: Moments which are that close are the same: each was worked out at another time.
SAME_MOMENT = timedelta(seconds=1)
_KEPT = {option.name for option in KEPT}
_KEYS = ("identity_key", "sequence_key", "concurrency_key")
_MOMENTS = ("eta", "countdown", "expires")
#: Belongs to the call, not to the job.
_NOT_STORED = {"allow_nested"}


class JobCall(NamedTuple):
    """One enqueued call: bound method, arguments, properties of the job."""

    method: Any
    args: tuple
    kwargs: dict
    properties: dict

    def __eq__(self, other):
        if not isinstance(other, JobCall):
            return NotImplemented
        return (
            self.method.__self__ == other.method.__self__
            and self.method.__func__ == other.method.__func__
            and self.args == other.args
            and self.kwargs == other.kwargs
            and self.properties == other.properties
        )

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __str__(self):
        options = ", ".join(f"{key}={value}" for key, value in self.properties.items())
        return (
            f"<{self.method.__self__}>.{self.method.__name__}"
            f"({self._described_arguments()}) with properties ({options})"
        )

    def _described_arguments(self):
        positional = (
            [describe(value) for value in self.args]
            if isinstance(self.args, list | tuple)
            else [f"*{describe(self.args)}"]
        )
        keywords = [f"{key}={describe(value)}" for key, value in _items(self.kwargs)]
        return ", ".join(positional + keywords)

    def is_shaped_like(self, expected):
        """Tell whether this call has what the expected one, maybe loosely, asks."""
        return (
            self.method.__self__ == expected.method.__self__
            and self.method.__func__ == expected.method.__func__
            and self._has_arguments(expected)
            and all(
                self._has_property(name, value)
                for name, value in expected.properties.items()
            )
        )

    def _has_arguments(self, expected):
        return matches(expected.args, self.args) and matches(
            expected.kwargs, self.kwargs
        )

    def _has_property(self, name, value):
        # An identity key is often a function, which is not a predicate here.
        return name in self.properties and (
            self.properties[name] == value
            or (name != "identity_key" and matches(value, self.properties[name]))
        )

    def restricted_to(self, property_names):
        """Return the call with these properties only, in the order of the call.

        :param property_names: those to keep
        """
        properties = {k: v for k, v in self.properties.items() if k in property_names}
        return self._replace(properties=properties)


class TrappedCall(JobCall):
    """A call whose job is known, which therefore compares as it is stored, too."""

    #: The `Job` which it would be.
    job: Any = None

    def _has_arguments(self, expected):
        return super()._has_arguments(expected) or (
            _is_argument_of(expected.args, self.job.args)
            and _is_argument_of(expected.kwargs, self.job.kwargs)
        )

    def _has_property(self, name, value):
        return super()._has_property(name, value) or self._has_stored(name, value)

    def _has_stored(self, name, value):
        if name not in PROPERTIES + EXTRAS or name in _NOT_STORED:
            return False
        stored = stored_property(self.job, name)
        if callable(value) and name not in _KEYS:
            # A predicate is asked about what was given, unless that was nothing.
            return self.properties.get(name) is None and matches(value, stored)
        if value is None or stored is None:
            return False
        return _is_same(name, _as_stored(self.job, name, value), stored)

    def restricted_to(self, property_names):
        """Return the call with these properties only, in the order of the call.

        What was not given is shown as the job has it.
        """
        properties = {
            name: stored_property(self.job, name) if given is None else given
            for name, given in self.properties.items()
            if name in property_names
        }
        return JobCall(self.method, self.args, self.kwargs, properties)


class JobCalls(list):
    """Calls in the order they were made; prints one per line."""

    def __repr__(self):
        return "\n".join(f" * {call}" for call in self) or " (none)"


def _items(expected):
    """Return the pairs of a dict; a matcher stands for itself as ``**matcher``."""
    return expected.items() if isinstance(expected, dict) else [("**", expected)]


def _is_argument_of(expected, stored) -> bool:
    """Tell whether arguments are those of the job, once they are stored as well."""
    if matches(expected, stored):
        return True
    try:
        return encode(expected) == encode(stored)
    except (TypeError, ValueError):
        return False  # a shape, or what no job could have


# -- properties ----------------------------------------------------------------------


def stored_property(job: Any, name: str) -> Any:
    """Return a property as the row of a job has it, None where it has none."""
    if name in _KEPT:
        return job.options.get(name)
    return getattr(job, "eta" if name == "countdown" else name, None)


def _as_stored(job, name, value):
    """Return what would be stored of a value, the value itself if nothing could."""
    try:
        if name in _MOMENTS:
            return option_values.eta(value, lambda: job.date_created)
        if name in _KEYS:
            made = value(job) if callable(value) else value
            return option_values.number_as_text(made)
        if name == "description":
            return translated(value, job.recordset)
        check = getattr(option_values, name, None)
        return check(value) if check else value
    except (TypeError, ValueError):
        return value


def _is_same(name, expected, stored) -> bool:
    if name not in _MOMENTS:
        return expected == stored
    moments = [fields.Datetime.to_datetime(value) for value in (expected, stored)]
    if not all(isinstance(moment, datetime) for moment in moments):
        return False
    return abs(moments[0] - moments[1]) <= SAME_MOMENT
