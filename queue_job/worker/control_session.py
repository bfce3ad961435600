# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The control session of a worker: it claims, starts, returns and releases jobs.

It is a cursor in autocommit mode, beside the session in which the jobs work: each
statement of :mod:`..claim.claims` is a READ COMMITTED transaction of its own, which
can't meet a serialization error and holds no lock while a job runs.
"""

import os
import socket
from functools import cache

from odoo.orm.registry import _CACHES_BY_KEY

from ..claim import claims
from ..core import events
from ..keys import admission
from ..sessions import prepared_statements
from ..sessions.job_cursor import Statement
from ..sessions.prepared_statements import SETTLE_DOWN_LOCALLY
from ..storage import dependencies, row_mapper

#: How the processes of Odoo tell each other of changed caches: a row in one of these
#: tables; in the order of `registry.cache_sequences`.
_TABLES = [f"orm_signaling_{name}" for name in ("registry", *_CACHES_BY_KEY)]

#: What is read of a job that is started: its row, and the last of these rows, because
#: the worker has to know it by then. The number that was given out last costs less to
#: read than the one that was committed last. It is the higher one while a row isn't
#: committed yet, and after a rollback or a crash.
_ROW_AND_NUMBERS = {
    exact: ", ".join(
        [
            row_mapper.packed_list("j."),
            f"ARRAY[{', '.join(map(number.format, _TABLES))}]",
        ]
    )
    for exact, number in (
        (False, "pg_sequence_last_value('{}_id_seq')"),
        (True, "(SELECT max(id) FROM {})"),
    )
}

_START = {
    exact: claims.START.format(columns=columns)
    for exact, columns in _ROW_AND_NUMBERS.items()
}

#: How many jobs a batch may have; there is a statement for each.
BATCH_SIZES = (1, 2, 5, 10, 20, 50)

#: Among so many channels, each may hold all jobs of the next batches.
FEW_CHANNELS = 8


@cache
def _next(channels: int, limit: int) -> str:
    """What a lease of so many channels takes next, as a part of a statement."""
    if channels == 1:
        return claims.NEXT_OF_ONE.format(limit=limit)
    depth = 3 * limit if channels <= FEW_CHANNELS else limit
    return claims.NEXT_OF_SEVERAL.format(limit=limit, depth=depth, window=4 * limit)


@cache
def _claim_batch(channels: int, limit: int) -> str:
    return claims.CLAIM_BATCH.format(next=_next(channels, limit))


@cache
def _start_next(channels: int, exact: bool) -> str:
    return claims.START_NEXT.format(
        next=_next(channels, 1), columns=_ROW_AND_NUMBERS[exact], admitted=""
    )


_START_IN_ORDER = {
    exact: claims.START_NEXT.format(
        next=claims.NEXT_IN_ORDER, columns=columns, admitted=""
    )
    for exact, columns in _ROW_AND_NUMBERS.items()
}
_START_OF_KEY = {
    exact: claims.START_NEXT.format(
        next=admission.NEXT_OF_KEY, columns=columns, admitted=admission.ADMITTED
    )
    for exact, columns in _ROW_AND_NUMBERS.items()
}


def _served(channels: list[str]) -> str | list[str]:
    return channels[0] if len(channels) == 1 else channels


def _lock_of(ended: dict) -> Statement:
    return admission.TRY_KEY, [ended["channel"], ended["gate"]]


class ControlSession:
    """Writes the claims, starts and releases of one lease.

    :param cr: cursor in autocommit mode, see
        :func:`~..sessions.transactions.autocommit`
    :param lease_id: the lease for which jobs are claimed
    :param runner: the leadership that granted the lease
    """

    def __init__(self, cr, lease_id: int, runner: str | None = None):
        self.cr = cr
        self.lease_id = lease_id
        self.runner = runner
        #: Signals are read as they were committed.
        self.exact = False
        self._not_notified: set[int] = set()  # released, and the runner not notified
        self._pid = os.getpid()
        self._host = socket.gethostname()

    def start(self, job_id: int, token: int) -> dict | None:
        """Start a claimed job.

        :param job_id: id of its row
        :param token: token of the claim
        :return: its row, see :func:`read_started`; None if the claim doesn't hold
        """
        prepared_statements.execute(self.cr, *self.start_statement(job_id, token))
        return read_started(self.cr.fetchone())

    def start_statement(self, job_id: int, token: int) -> Statement:
        """The statement that starts a claimed job.

        :param job_id: id of its row
        :param token: token of the claim
        """
        return _START[self.exact], [self._pid, self._host, job_id, token]

    def start_next(self, channels: list[str]) -> dict | None:
        """Claim and start the next job of some channels, by one statement.

        :param channels: the channels that the lease serves
        :return: its row, see :func:`read_started`; None if there is no job
        """
        query = _start_next(len(channels), self.exact)
        return self._start_one(self._claiming(query, _served(channels), self.runner))

    def start_in_order(self, channel: str, last: int) -> dict | None:
        """Claim and start the next job of a sequential channel, by one statement.

        :param channel: the channel, whose only slot the lease holds
        :param last: id of the job that the lease has run last
        :return: its row, see :func:`read_started`; None if no job may start there
        """
        return self._start_one(self._in_order(channel, last))

    def start_next_of_key(self, ended: dict, channels: list[str]) -> dict | None:
        """Claim and start the next job of a sequence, by one message.

        :param ended: row of a job of that key which has ended: channel and gate
        :param channels: the channels that the lease serves
        :return: its row, see :func:`read_started`; None if it may not start, or isn't
            the next job of the lease
        """
        return self._start_one(self._of_key(ended, channels), _lock_of(ended))

    def in_order_statements(self, channel: str, last: int) -> list[Statement]:
        """The same as :meth:`start_in_order`, for the end of another message.

        :param channel: the channel, whose only slot the lease holds
        :param last: id of the job that the lease has run last
        """
        return [SETTLE_DOWN_LOCALLY, self._in_order(channel, last)]

    def of_key_statements(self, ended: dict, channels: list[str]) -> list[Statement]:
        """The same as :meth:`start_next_of_key`, for the end of another message.

        :param ended: row of a job of that key which has ended: channel and gate
        :param channels: the channels that the lease serves
        """
        return [SETTLE_DOWN_LOCALLY, _lock_of(ended), self._of_key(ended, channels)]

    def _in_order(self, channel: str, last: int) -> Statement:
        query = _START_IN_ORDER[self.exact]
        return self._claiming(query, channel, last, self.runner)

    def _of_key(self, ended: dict, channels: list[str]) -> Statement:
        key = ended["channel"], ended["gate"]
        return self._claiming(_START_OF_KEY[self.exact], *key, self.runner, channels)

    def _claiming(self, query: str, *params) -> Statement:
        return query, [*params, self._pid, self._host, self.lease_id]

    def _start_one(self, start: Statement, lock: Statement | None = None):
        """Claim and start one job, under the lock of a key if one is given."""
        query, params = prepared_statements.prepare(self.cr, *start)
        if lock:
            query, params = f"{lock[0]}; {query}", [*lock[1], *params]
        self.cr.execute(query, params)
        values = read_started(self.cr.fetchone())
        if values or not lock:  # after a key there are other jobs to claim
            self.notify_others([values["id"]] if values else [])
        return values

    def others_wait(self, channels: list[str], issued: float) -> bool:
        """Whether another channel has jobs that could run, or channels have changed.

        :param channels: the channels that the lease serves
        :param issued: Unix time of the lease's issue
        """
        self.cr.execute(claims.OTHERS_WAIT, {"channels": channels, "issued": issued})
        return self.cr.fetchone()[0]

    def fetch_batch(self, channels: list[str], limit: int) -> list[tuple[int, int]]:
        """Claim the next jobs of some channels, one of `BATCH_SIZES`.

        :param channels: the channels that the lease serves
        :param limit: how many jobs, at most
        :return: [(id, claim token)] in their order
        """
        size = max(number for number in BATCH_SIZES if number <= limit)
        params = [_served(channels), self.runner, self.lease_id]
        prepared_statements.execute(self.cr, _claim_batch(len(channels), size), params)
        claimed = self.cr.fetchall()
        self.notify_others([job_id for job_id, _token in claimed])
        return claimed

    def state_of(self, job_id: int) -> tuple[str | None, int | None]:
        """State and claim token of a job that could not be started.

        :param job_id: id of its row
        :return: (None, None) if it is gone
        """
        self.cr.execute(claims.WHY_NOT_STARTED, {"id": job_id})
        return self.cr.fetchone() or (None, None)

    def return_unstarted(self) -> None:
        """Give back what was claimed for the lease and not started."""
        self.cr.execute(claims.RETURN_UNSTARTED, {"leases": [self.lease_id]})

    def return_started(self, job_id: int, token: int) -> None:
        """Give back a job that was started and that nobody has begun to run.

        :param job_id: id of the job
        :param token: of the claim for this lease
        """
        claim = {"id": job_id, "token": token}
        self.cr.execute(claims.RETURN_STARTED, claim)

    def return_not_begun(self, begun: list[tuple[int, int]]) -> None:
        """Give back what the lease has started and nobody has begun to run.

        :param begun: (id, claim token) of the jobs that it has begun
        """
        ids, tokens = zip(*begun, strict=True) if begun else ((), ())
        self.cr.execute(
            claims.RETURN_NOT_BEGUN,
            {"lease": self.lease_id, "ids": [*ids], "tokens": [*tokens]},
        )

    def release_children(self, job_ids: list[int]) -> list[int]:
        """Release the children of jobs that have ended, where all parents allow it.

        The runner is notified of them later, unless the lease claims them next.

        :param job_ids: ids of the jobs that have ended
        :return: the ids of the children that were released or cancelled
        """
        rows_written = dependencies.released_rows(
            self.cr, job_ids, statement=dependencies.RELEASE_SILENTLY
        )
        self._not_notified |= {
            id_ for id_, state, _ in rows_written if state == "pending"
        }
        to_cancel = [
            id_ for id_, state, _result in rows_written if state == "cancelled"
        ]
        if to_cancel:
            events.tell_ids(self.cr, events.CANCELLED, to_cancel, self.cr.dbname)
        return [id_ for id_, _state, _result in rows_written]

    def notify_others(self, claimed: list[int]) -> None:
        """Notify the runner of released jobs, but for one that the lease has claimed.

        :param claimed: ids of the jobs that the lease has just claimed
        """
        if len(self._not_notified) > 1 or self._not_notified.difference(claimed):
            self.cr.execute(claims.NOTIFY)
        self._not_notified.clear()

    def admit_after(self, ended: list[dict]) -> None:
        """Admit the jobs that wait for the place of these jobs, which have a key.

        The lease goes on with the next job of the channel; for more than one, the
        runner has to find workers.

        :param ended: rows of the jobs that have ended: id, channel and gate
        """
        keys = [(row["channel"], row["gate"]) for row in ended]
        changed = admission.admit(self.cr, keys, [row["id"] for row in ended])
        if sum(state == "open" for _id, state in changed) > 1:
            self.cr.execute(claims.NOTIFY)


def read_started(row: tuple | None) -> dict | None:
    """The values of a job's row as its start returned it.

    :param row: what the statement returned; None if the job didn't start
    :return: the columns of the row, and `signals`: the numbers of the last signals of
        changed caches; None if the job didn't start
    """
    return row and {**row_mapper.unpack(row[:-1]), "signals": row[-1]}
