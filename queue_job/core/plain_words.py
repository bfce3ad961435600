# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people without rights on jobs are told of a job: its phase, error and link.

They are told neither arguments nor tracebacks, and of errors only what was written for
people to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .states import CANCELLED, DONE, ENQUEUED, FAILED, STARTED, WAIT_DEPENDENCIES

_PHASE_OF = {
    WAIT_DEPENDENCIES: "after_others",
    ENQUEUED: "next",
    STARTED: "running",
    DONE: "done",
    CANCELLED: "cancelled",
    FAILED: "failed",
}

#: The exceptions whose messages are for people. Those of Odoo come to them as dialogs.
FOR_PEOPLE = frozenset(
    {
        *(
            f"odoo.exceptions.{name}"
            for name in ("UserError", "ValidationError", "AccessError", "MissingError")
        ),
        "odoo.exceptions.RedirectWarning",
        *(
            f"odoo.addons.queue_job.exception.{name}"
            for name in ("FailedJobError", "JobError", "JobTimeout")
        ),
        "odoo.addons.queue_job.exception.RetryableJobError",
    }
)

#: Characters of an error, or of a result, in a list of jobs.
LONGEST = 300

_WEB = ("http://", "https://")


def phase(state: str, eta: datetime | None, retry: int, now: datetime) -> str:
    """Return the phase of a job, as people see it.

    :param eta: the moment before which it must not begin, in UTC
    :param retry: attempts that it has had
    :param now: in UTC
    """
    if state in _PHASE_OF:
        return _PHASE_OF[state]
    if eta and eta > now:
        return "again" if retry else "scheduled"
    return "waiting"


def readable_error(exc_name: str | None, message: str | None) -> str | None:
    """Return the message of an error if it was written for people, else None.

    :param exc_name: of the exception, with its module
    """
    if not message or exc_name not in FOR_PEOPLE:
        return None
    return shortened(message)


def shortened(text: str) -> str:
    """Return a text that fits into a list.

    >>> len(shortened("word " * 100))
    300
    """
    text = text.strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def link_of(action: Any) -> str | None:
    """Return the address to which an action leads, if any browser may follow it.

    :param action: what a job has returned
    """
    if not isinstance(action, Mapping) or action.get("type") != "ir.actions.act_url":
        return None
    url = action.get("url")
    if not isinstance(url, str):
        return None
    # "//host" and "/\\host" lead elsewhere, without saying so
    is_local = url.startswith("/") and not url.startswith(("//", "/\\"))
    return url if is_local or url.lower().startswith(_WEB) else None
