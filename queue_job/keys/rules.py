# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Keys of jobs: an order, or a limit, among the jobs of one key inside a channel.

===================  ===========================================================
sequence_key         the jobs of a key run one after the other, in the order of the
                     channel (priority, creation, id). One that waits for its next
                     attempt blocks those behind it, one that has failed blocks all
concurrency_key      at most `concurrency_limit` jobs of a key run at a time
===================  ===========================================================

A key is stored in the column `gate`, with its kind in front, and its limit in
`gate_limit`; these columns have kept their first names. A job that has to wait for
others of its key is *blocked*: pending, but marked as `scheduled`, so that no claim
sees it. It is *admitted* when it may run.

============  ==============================================================
`gate_state`  meaning
============  ==============================================================
new           something has changed: `admission` is to decide about the key
waiting       pending and blocked: others of its key are before it
later         pending and blocked: its date has not come; then it is new again
open          admitted: an ordinary job, pending or in flight
(empty)       not pending, and nothing is to be decided
============  ==============================================================

"new" also stands on jobs that are not pending: one that has ended, or went back behind
its parents, leaves its place to others. It is written in the transaction of the change
itself, here or by the trigger of `sql/gates.sql`, so no crash can lose it.

This module imports nothing of Odoo. Which jobs run is decided in `admission`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from ..core import option_values
from ..core.states import IN_FLIGHT, PENDING

SEQUENCE = "sequence"
CONCURRENCY = "concurrency"

STATES = NEW, WAITING, LATER, OPEN = ("new", "waiting", "later", "open")

#: Jobs of one key that may run at a time, at most.
MOST = 1000
#: Characters of a key: it is part of an index.
LONGEST_KEY = 250


class JobKey(NamedTuple):
    """What the caller has asked for; the key may be a function of the job."""

    kind: str
    key: Any
    limit: int  # 0: one after the other, in order

    @classmethod
    def of(
        cls,
        sequence_key: Any = None,
        concurrency_key: Any = None,
        concurrency_limit: Any = None,
    ) -> JobKey | None:
        """Return the key which the options of a call name, None for none.

        :param sequence_key: text, or function of the job
        :param concurrency_key: text, or function of the job
        :param concurrency_limit: jobs that run at a time, from 1 to `MOST`
        :raise ValueError: the options exclude each other, or one is not usable
        """
        if sequence_key and concurrency_key:
            raise ValueError(
                f"sequence_key={sequence_key!r} and concurrency_key={concurrency_key!r}"
                " exclude each other: jobs in sequence run one at a time. Give one of"
                " them."
            )
        if concurrency_limit is not None and not concurrency_key:
            raise ValueError(
                f"concurrency_limit={concurrency_limit!r} is the limit of a"
                " concurrency_key: give that as well."
            )
        if sequence_key:
            return cls(SEQUENCE, option_values.key("sequence_key", sequence_key), 0)
        if concurrency_key:
            key = option_values.key("concurrency_key", concurrency_key)
            return cls(CONCURRENCY, key, option_values.limit(concurrency_limit, MOST))
        return None

    def text(self, job: Any) -> str | None:
        """Return what is stored; None when the function of the job gives no key.

        :param job: the `Job`, for which a function is asked
        :raise ValueError: the key is no text, or too long
        """
        name = f"{self.kind}_key"
        key = self.key(job) if callable(self.key) else self.key
        key = option_values.text(name, option_values.number_as_text(key))
        if key and len(key) > LONGEST_KEY:
            raise ValueError(
                f"Job option {name}={key!r} is not usable: give a text of"
                f" {LONGEST_KEY} characters at most, say a hash of it."
            )
        return f"{self.kind}:{key}" if key else None


def key_of(text: str | None, kind: str) -> str | None:
    """Return the key in a stored text, if it is of this kind, else None.

    >>> key_of("sequence:order-42", SEQUENCE), key_of("sequence:x", CONCURRENCY)
    ('order-42', None)
    """
    found, _colon, key = (text or "").partition(":")
    return key if found == kind else None


def block(rows: Iterable[dict[str, Any]], now: datetime) -> None:
    """Block new jobs that have a key, and mark one job of each key as new.

    One is enough for a decision about the key, however many jobs come with it.

    :param rows: of jobs to create; `scheduled` and `gate_state` are set
    :param now: naive and in UTC
    """
    marked = set()
    for row in rows:
        if row["gate"] is None or row["state"] != PENDING:
            continue
        key = row["channel"], row["gate"]
        row["scheduled"] = True
        if row["gate_limit"] and row["eta"] and row["eta"] > now:
            row["gate_state"] = LATER
        elif key in marked:
            row["gate_state"] = WAITING
        else:
            row["gate_state"] = NEW
            marked.add(key)


def sequence_of(ended: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return a job of the sequence in which a lease may go on, None for none.

    It may start the next job of a key without more ado if it has ended jobs of that key
    only: those of others would wait for their turn.

    :param ended: rows of the jobs with a key that have ended since the last admission:
        channel, gate and gate_limit

    >>> rows = [{"channel": "a", "gate": f"sequence:{key}", "gate_limit": 0}
    ...         for key in ("x", "x", "y")]
    >>> sequence_of(rows[:2]) == rows[1], sequence_of(rows), sequence_of([])
    (True, None, None)
    """
    rows = list(ended)
    if len({(row["channel"], row["gate"]) for row in rows}) != 1:
        return None
    last = rows[-1]
    return last if last["gate_limit"] == 0 and last["channel"] else None


def consequences(state: str) -> dict[str, Any]:
    """Return the columns that change when a job with a key comes into a state."""
    if state in IN_FLIGHT:
        return {}
    return {"gate_state": NEW, **({"scheduled": True} if state == PENDING else {})}
