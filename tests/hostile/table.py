# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The table: what a hostile job does, and the right outcome.

A *behaviour* is a method ``_do_<does>`` of ``test.queue.job.hostile`` with arguments.
It has one right outcome for all modes, or others where it may commit or must not, and
one for each interruption. :mod:`.cells` multiplies them out. The behaviours themselves
are in :mod:`.behaviours`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

PREFORK, THREADED = "prefork", "threaded"
#: A prefork server whose jobs run in a threaded job worker.
THREADS = "threads"
SERVERS = (PREFORK, THREADED)

FIRST, MIDDLE, LAST, CLASSIC = "lease_first", "lease_middle", "lease_last", "classic"
POSITIONS = (FIRST, MIDDLE, LAST, CLASSIC)

PLAIN, ALLOW, FORBID = "plain", "allow_commit", "forbid_commit"
MODES = (PLAIN, ALLOW, FORBID)

NONE = "none"
TIMEOUT, CANCEL = "timeout", "cancel"
KILLED, ENDED, FAILOVER = "worker_killed", "session_ended", "failover"

#: What a job may leave behind in its process: the documentation says so.
DOCUMENTED = frozenset({"environ"})

#: Attempts that a hostile job has.
MAX_RETRIES = 3


@dataclass(frozen=True)
class Right:
    """A right outcome.

    :param state: of the job
    :param effects: those that are committed, each once
    :param starts: how often the method has begun, or (least, most)
    :param name: pattern of ``exc_name``
    :param says: pattern of the message, or of the result of a cancelled job
    :param shows: pattern of the traceback
    :param log: patterns of alarming records that it causes
    :param lines: how many of its alarming records name the job; None: any number
    :param parameter: what the next job reads
    :param dies: a worker that dies under it is no error of the queue
    """

    state: str = "done"
    effects: tuple[str, ...] = ("work",)
    starts: int | tuple[int, int] = 1
    name: str = ""
    says: str = ""
    shows: str = ""
    log: tuple[str, ...] = ()
    lines: int | None = None
    parameter: str = "old"
    dies: bool = False

    @property
    def fewest(self) -> int:
        return self.starts if isinstance(self.starts, int) else self.starts[0]

    @property
    def most(self) -> int:
        return self.starts if isinstance(self.starts, int) else self.starts[1]


Rights = Right | tuple[Right, ...]


def done(*effects: str, **values: Any) -> Right:
    return Right(effects=effects or ("work",), **values)


def failed(name: str = "", says: str = "", *effects: str, **values: Any) -> Right:
    log = (r"job \S+ failed", *values.pop("log", ()))
    return Right("failed", effects, name=name, says=says, log=log, **values)


def exhausted(says: str, *effects: str, **values: Any) -> Right:
    """After the last attempt allowed."""
    return failed(
        "FailedJobError",
        rf"Max. retries \({MAX_RETRIES}\) reached: .*{says}",
        *effects,
        starts=MAX_RETRIES,
        **values,
    )


def cancelled(*effects: str, **values: Any) -> Right:
    return Right("cancelled", effects, says="Cancelled", **values)


FORBIDDEN = failed("RuntimeError", "Commit is forbidden")
TIMED_OUT = failed("JobTimeout", "1 second")
CANCELLED = cancelled()


@dataclass(frozen=True)
class Behaviour:
    """What a job does.

    :param name: part of the ids of its cells
    :param right: the right outcome, or several that are equally right
    :param does: the method, by default like the name
    :param arguments: of the method
    :param allow: the right outcome with ``allow_commit``, if it is another one
    :param forbid: the same with ``forbid_commit``
    :param interrupted: the right outcome of each interruption that makes sense
    :param lasts: seconds that it takes (argument ``seconds``); longer if somebody is to
        interrupt it
    :param key: the name of an argument that is the system parameter of its cell
    :param options: of ``with_delay``
    :param owner: "user" or "company": the job has one of its own
    :param times: so many jobs in a row do it
    :param on_fail: its job function has a method for failures
    :param wild: it harms its process: it has its own phase
    """

    name: str
    right: Rights
    does: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    allow: Rights | None = None
    forbid: Rights | None = None
    interrupted: Mapping[str, Rights] = field(default_factory=dict)
    lasts: float = 0
    key: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    times: int = 1
    on_fail: bool = False
    wild: bool = False
    modes: tuple[str, ...] = MODES
    servers: tuple[str, ...] = SERVERS
    positions: tuple[str, ...] = POSITIONS

    def rights(self, mode: str, interruption: str) -> tuple[Right, ...]:
        """The outcomes that are right in a cell."""
        if interruption == NONE:
            right = {ALLOW: self.allow, FORBID: self.forbid}.get(mode) or self.right
        else:
            right = self.interrupted[interruption]
        return right if isinstance(right, tuple) else (right,)

    def only(self, **values: Any) -> Behaviour:
        """The same with other limits."""
        return replace(self, **values)
