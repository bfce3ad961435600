# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Events of jobs, for other tools: listeners are called when a job changes its state.

    from odoo.addons.queue_job.events import listen

    @listen("failed", "dead")
    def page_somebody(event):
        pager.send(f"{event.database}: job {event.uuid} {event.name}: {event.message}")

==========  =======================================================================
enqueued    it is new, or was requeued; once its transaction is committed
started     a worker begins an attempt
done        its work is committed
retried     the attempt ended otherwise, and another one will follow
failed      it has failed for good
cancelled   by a user, by its expiry, or with a job that it depends on
dead        the worker of an attempt died; "retried" or "failed" is told as well
==========  =======================================================================

A listener is called in the process where it happens, after the commit ("started":
before the method). "dead" is mostly told by the runner: its listeners belong into a
server-wide module. What a listener raises is logged, and goes no further. It should be
quick, for the worker waits for it, and write with a cursor of its own.

Without listeners an event costs the look at an empty dictionary.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import texts

_logger = logging.getLogger(__name__)

ENQUEUED, STARTED, DONE, RETRIED = "enqueued", "started", "done", "retried"
FAILED, CANCELLED, DEAD = "failed", "cancelled", "dead"
NAMES = (ENQUEUED, STARTED, DONE, RETRIED, FAILED, CANCELLED, DEAD)

READ_JOBS = """
SELECT uuid, channel_method_name, channel, coalesce(retry, 0),
       coalesce(exc_message, result, '')
  FROM queue_job WHERE id = ANY(%s) ORDER BY id
"""


@dataclass(frozen=True)
class JobEvent:
    """What happened to a job."""

    name: str
    database: str
    uuid: str
    #: "<res.partner>.write"
    function: str
    channel: str
    #: Attempts so far, the present one included.
    attempt: int
    #: Why: of a failure, a retry or a cancellation.
    message: str = ""


Listener = Callable[[JobEvent], object]

_WITH_REASON = frozenset((RETRIED, FAILED, CANCELLED, DEAD))

_listeners: dict[str, tuple[Listener, ...]] = {}


def listen(*names: str) -> Callable[[Listener], Listener]:
    """Return a decorator: the function is called at each of these events.

    :param names: of `NAMES`
    :raise ValueError: there is no such event, or none was given
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown or not names:
        given = ", ".join(unknown) or "none"
        raise ValueError(f"Give events among {', '.join(NAMES)}; not {given}.")

    def register(listener: Listener) -> Listener:
        for name in names:
            others = _listeners.get(name, ())
            _listeners[name] = (*(o for o in others if o != listener), listener)
        return listener

    return register


def forget(listener: Listener) -> None:
    """Call the function no more.

    :param listener: that was given to `listen`; nothing happens if it was not
    """
    for name, known in list(_listeners.items()):
        left = tuple(other for other in known if other != listener)
        if left:
            _listeners[name] = left
        else:
            del _listeners[name]


def tell(event: JobEvent) -> None:
    """Call the listeners of an event now."""
    for listener in _listeners.get(event.name, ()):
        try:
            listener(event)
        except Exception:
            _logger.exception(
                "%s: a listener of %s raised an error about job %s",
                event.database,
                event.name,
                event.uuid,
            )


# -- what the stages of a job call ----------------------------------------------------


def tell_now(name: str, job: Any) -> None:
    """Tell an event of a job."""
    if name in _listeners:
        tell(_event_of(name, job))


def tell_after_commit(name: str, jobs: Iterable[Any]) -> None:
    """Tell an event of jobs when their transaction is committed."""
    if name in _listeners:
        for job in jobs:
            _at_commit(job.env.cr, [_event_of(name, job)])


def tell_ids_after_commit(cr: Any, name: str, ids: Iterable[int]) -> None:
    """Tell an event of rows when the transaction is committed.

    :param cr: cursor of Odoo
    :param name: of the event
    :param ids: of jobs
    """
    if name in _listeners:
        _at_commit(cr, _events_of_rows(cr, name, ids, cr.dbname))


def tell_ids(
    cr: Any, name: str, ids: Iterable[int], database: str, message: str = ""
) -> None:
    """Tell an event of rows whose change is committed already.

    :param cr: any cursor on the database
    :param name: of the event
    :param ids: of jobs
    :param database: its name
    :param message: in place of the one in the row
    """
    if name in _listeners:
        for event in _events_of_rows(cr, name, ids, database, message):
            tell(event)


def _at_commit(cr: Any, events: list[JobEvent]) -> None:
    for event in events:
        cr.postcommit.add(lambda event=event: tell(event))


def _event_of(name: str, job: Any) -> JobEvent:
    return JobEvent(
        name,
        job.env.cr.dbname,
        job.uuid,
        job.job_function_name,
        job.channel,
        job.retry + (name == STARTED),
        _reason(job) if name in _WITH_REASON else "",
    )


def _reason(job: Any) -> str:
    for value in (job.exc_message, job.result):
        if not texts.is_empty(value):
            return texts.storable(value, texts.EXC_MESSAGE) or ""
    return ""


def _events_of_rows(
    cr: Any, name: str, ids: Iterable[int], database: str, message: str = ""
) -> list[JobEvent]:
    cr.execute(READ_JOBS, [list(ids)])
    return [
        JobEvent(
            name,
            database,
            uuid,
            function or "",
            channel or "",
            attempt,
            message or (reason if name in _WITH_REASON else ""),
        )
        for uuid, function, channel, attempt, reason in cr.fetchall()
    ]
