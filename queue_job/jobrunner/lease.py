# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The lease: what the runner asks a worker to do, and the proof that it asks.

A lease is one HTTP request that holds one slot of a channel and its ancestors. It names
a job that the runner has claimed; the worker runs it and, unless the lease is
``exclusive``, goes on with the next jobs until ``seconds`` are over: those of the
channel and of its fellows, the channels which are ruled by the same limits, so that the
slot could have been theirs as well.

Only the runner of the same database may grant one: the body is signed with a key
derived from the database's own secret, and carries the moment of its issue. A
replayed request starts nothing, because the claim of its first job is used up.
"""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field

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

RUN = "run"
BURY = "bury"


class LeaseRefused(Exception):
    """The request doesn't prove that it comes from the runner of this database."""


@dataclass(frozen=True)
class Lease:
    """One slot for a while.

    :param id: number of the lease, also written on the rows it claims
    :param database: name of the database
    :param job_id: row id of the job that was claimed for it
    :param claim_token: the fencing token of that claim
    :param channel: channel of the job
    :param channels: the channel and its fellows, from which the worker tops up
    :param seconds: how long the worker may go on starting jobs
    :param longest: how long it may last while no other channel has jobs to run
    :param exclusive: run this one job only
    :param kind: ``run``, or ``bury`` for a dead job whose failure must be settled
    :param cause: for ``bury``: why the job ends (a cause of :mod:`..retry`)
    :param issued: Unix time of the issue
    :param runner: uuid of the leadership that granted it; once another runner leads,
        the lease takes no further jobs, for nobody counts it any more
    """

    id: int
    database: str
    job_id: int
    claim_token: int
    channel: str | None
    channels: list[str] = field(default_factory=list)
    seconds: float = LEASE_SECONDS
    longest: float = LEASE_SECONDS
    exclusive: bool = False
    kind: str = RUN
    cause: str | None = None
    issued: float = 0.0
    runner: str | None = None

    def encode(self) -> bytes:
        """The body of the request."""
        return json.dumps(asdict(self)).encode()


def derive_key(database_secret: str) -> bytes:
    """The signing key of a database, from its ``database.secret`` parameter."""
    return hmac.digest(database_secret.encode(), b"queue_job lease 1", hashlib.sha256)


def sign(key: bytes, body: bytes) -> str:
    """The signature of a request body, in hexadecimal digits."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def open_lease(
    key: bytes, body: bytes, signature: str | None, database: str, now: float
) -> Lease:
    """Check a request and return its lease.

    :raise LeaseRefused: unsigned, forged, malformed, stale, or of another database
    """
    if not signature:
        raise LeaseRefused("the request is not signed")
    if not hmac.compare_digest(sign(key, body), signature):
        raise LeaseRefused("the signature does not match")
    try:
        lease = Lease(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise LeaseRefused(f"the body is malformed: {error}") from error
    if lease.database != database:
        raise LeaseRefused(f"it was granted for database {lease.database!r}")
    if abs(now - lease.issued) > MAX_AGE_SECONDS:
        raise LeaseRefused(f"it is {now - lease.issued:.0f} seconds old")
    return lease
