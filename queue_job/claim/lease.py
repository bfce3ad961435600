# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The lease: what the runner asks a worker to do, and the proof that it asks.

A lease is one HTTP request that holds one slot of a channel and its ancestors. It names
a job that the runner has claimed. The worker runs it and goes on with the next jobs
until the ``seconds`` or the ``starts`` of the lease are over: those of the channel and
of the channels that are interchangeable with it, which are ruled by the same limits, so
that the slot could have been theirs as well.

Only the runner of the same database may grant one: the body is signed with a key
derived from the database's own secret, and carries the moment of its issue. A
replayed request starts nothing, because the claim of its first job is used up.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ..core.retry import Cause

PATH = "/queue_job/lease"

#: Where a worker runs one job that is enqueued, as the runner of old asked for.
CLASSIC_PATH = "/queue_job/runjob"

SIGNATURE_HEADER = "X-Queue-Job-Signature"

#: A lease lasts about this long, in seconds: what an urgent job may have to wait.
LEASE_SECONDS = 0.25

#: How long it may last while it keeps no other channel waiting, and no channel is
#: paused or changed.
LONGEST_SECONDS = 2.5

#: A request older than this, in seconds, is refused. Requests wait in the server's
#: accept queue while all workers are busy, so it is generous.
MAX_AGE_SECONDS = 300

#: Kinds of leases, as they are sent.
RUN = "run"
FINALIZE = "bury"

#: Bytes; a lease with thousands of channels is shorter.
MAX_BODY = 4 * 1024 * 1024

#: The key of the answer in which a worker tells the runner why it refuses a lease.
REFUSAL = "refused"


class LeaseRefused(Exception):
    """The request may not have jobs run.

    :param reason: why, for the log
    :param is_signed: it comes from the runner of this database, which may know why
    """

    def __init__(self, reason: str, *, is_signed: bool = False):
        super().__init__(reason)
        self.is_signed = is_signed


@dataclass(frozen=True)
class Lease:
    """One slot for a while.

    :param id: number of the lease, also written on the rows it claims
    :param database: name of the database
    :param job_id: row id of the job that was claimed for it
    :param claim_token: the fencing token of that claim
    :param channel: channel of the job
    :param channels: the channel and those that are interchangeable with it, from which
        the worker fetches more jobs
    :param seconds: how long the worker may go on starting jobs, or settling dead ones
    :param longest: how long it may last while no other channel has jobs to run
    :param starts: how many jobs the worker may start, this one included; 0 for no limit
    :param in_order: the channel is sequential: the worker starts one job after the
        other, each of which is the first of the channel when it starts
    :param kind: `RUN`, or `FINALIZE` for dead jobs whose failures must be settled: this
        one, and those that the runner has claimed for the lease with it
    :param cause: of a `FINALIZE`: why the job ends (a cause of :mod:`..core.retry`)
    :param issued: Unix time of the issue
    :param runner: uuid of the leadership that granted it; once another runner leads,
        the lease claims no further jobs, because its slot is not counted any more
    """

    id: int
    database: str
    job_id: int
    claim_token: int
    channel: str | None
    channels: list[str] = field(default_factory=list)
    seconds: float = LEASE_SECONDS
    longest: float = LEASE_SECONDS
    starts: int = 0
    in_order: bool = False
    kind: str = RUN
    cause: str | None = None
    issued: float = 0.0
    runner: str | None = None

    def encode(self) -> bytes:
        """The body of the request."""
        return json.dumps(asdict(self)).encode()


def derive_key(database_secret: str | None) -> bytes | None:
    """The signing key of a database.

    :param database_secret: its system parameter ``database.secret``
    :return: None without a secret, or everybody could sign
    """
    if not database_secret:
        return None
    return hmac.digest(database_secret.encode(), b"queue_job lease 1", hashlib.sha256)


def sign(key: bytes, body: bytes) -> str:
    """The signature of a request body, in hexadecimal digits.

    :param key: of the database
    :param body: the encoded lease
    """
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def open_lease(
    key: bytes | None, body: bytes, signature: str | None, database: str, now: float
) -> Lease:
    """Check a request and return its lease.

    :param key: of the database, None if it has none
    :param body: of the request
    :param signature: the header of the request, None without one
    :param database: name of the database that was asked
    :param now: Unix time
    :raise LeaseRefused: unsigned, forged, malformed, stale, or of another database
    """
    if not signature:
        raise LeaseRefused("the request is not signed")
    if key is None:
        raise LeaseRefused("the database has no secret (parameter database.secret)")
    if not equal(sign(key, body), signature):
        raise LeaseRefused("the signature does not match")
    lease = _decode(body)
    if lease.database != database:
        raise LeaseRefused(
            f"it was granted for database {lease.database!r}", is_signed=True
        )
    age = now - lease.issued
    if not abs(age) <= MAX_AGE_SECONDS:
        raise LeaseRefused(
            f"it is {age:.0f} seconds old (do the clocks agree?)", is_signed=True
        )
    return lease


def equal(expected: str, given: str) -> bool:
    """Whether a secret text was given; the time it takes doesn't tell how much of it.

    :param expected: the secret
    :param given: any characters, also those that no encoding knows
    """
    first, second = (
        text.encode("utf-8", "surrogatepass") for text in (expected, given)
    )
    return hmac.compare_digest(first, second)


def _decode(body: bytes) -> Lease:
    try:
        lease = Lease(**json.loads(body))
        for name, value in vars(lease).items():
            if not _CHECKS[Lease.__annotations__[name]](value):
                raise ValueError(f"{name} is {value!r}")
    except (ValueError, TypeError, RecursionError) as error:
        raise LeaseRefused(f"the body is malformed: {error}", is_signed=True) from error
    if (lease.kind, lease.cause) not in _KINDS:
        reason = f"the body is malformed: a {lease.kind!r} because of {lease.cause!r}"
        raise LeaseRefused(reason, is_signed=True)
    return lease


def _is_text(value: Any) -> bool:
    """Whether PostgreSQL takes it for a text."""
    if not isinstance(value, str) or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _is_number(value: Any) -> bool:
    """Whether one can calculate with it; JSON also knows integers of any size."""
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def _is_integer(value: Any) -> bool:
    """Whether it fits into a column of the table."""
    return type(value) is int and -(2**31) <= value < 2**31


#: What a lease may ask for: (kind, cause).
_KINDS = {(RUN, None), *((FINALIZE, cause.value) for cause in Cause)}

#: Type of a field of :class:`Lease` -> whether a value is one.
_CHECKS: dict[Any, Callable[[Any], bool]] = {
    int: _is_integer,
    float: _is_number,
    bool: lambda value: isinstance(value, bool),
    str: _is_text,
    str | None: lambda value: value is None or _is_text(value),
    list[str]: lambda value: isinstance(value, list) and all(map(_is_text, value)),
}
