# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job may do, by what it does it to. See :mod:`.table` for the words."""

from __future__ import annotations

from collections.abc import Iterator

from .table import (
    ALLOW,
    CANCEL,
    CANCELLED,
    CLASSIC,
    ENDED,
    FAILOVER,
    FORBIDDEN,
    KILLED,
    LAST,
    MAX_RETRIES,
    MIDDLE,
    PLAIN,
    PREFORK,
    TIMED_OUT,
    TIMEOUT,
    Behaviour,
    Right,
    cancelled,
    done,
    exhausted,
    failed,
)

#: A hook, a silence of the database: longer than two looks of the runner.
PAUSE = 2.5

BAD_QUERY = r"odoo\.sql_db: bad query"
RAISED = "raised by the method"
FREE = (PLAIN, ALLOW)  # modes in which a job may commit
FEW = (MIDDLE, CLASSIC)  # positions, for what takes long


def all_behaviours() -> Iterator[Behaviour]:
    yield from returns()
    yield from commits()
    yield from raises()
    yield from hooks()
    yield from failures_of_failing()
    yield from cursors()
    yield from sessions()
    yield from caches()
    yield from processes()
    yield from deaths()
    yield from own_rows()
    yield from sleeps()


# -- ends ------------------------------------------------------------------------------


def returns() -> Iterator[Behaviour]:
    yield Behaviour("one_effect", done(), "work")
    odd = ("nothing", "object", "class", "records", "huge", "nul", "surrogate", "bytes")
    for what in (*odd, "nan", "nested", "endless"):
        # it says that the result has no JSON
        right = done(log=("cannot be kept as data",))
        yield Behaviour(f"return_{what}", right, "return", {"what": what})
    for what in ("generator", "coroutine"):
        right = failed("TypeError", what, log=("never awaited",))
        yield Behaviour(f"return_{what}", right, "return", {"what": what})


def raises() -> Iterator[Behaviour]:
    plain = (
        *("ValueError", "UserError", "ValidationError", "AccessError"),
        *("FailedJobError", "OperationalError", "InterfaceError", "IntegrityError"),
        *("OwnBaseException", "SystemExit", "KeyboardInterrupt", "GeneratorExit"),
        *("StopIteration", "MemoryError", "CancelledError"),
    )
    for what in plain:
        yield _raise(what, failed(what, RAISED, shows="_do_raise"))
    yield _raise("RetryableJobError", exhausted(RAISED))
    yield _raise("SerializationFailure", exhausted("by the method"))
    yield Behaviour("conflict", exhausted("conflict", log=(BAD_QUERY,)))
    yield Behaviour("exit", failed("SystemExit", RAISED))
    yield Behaviour("recurse", failed("RecursionError", "recursion"))
    yield from odd_errors()
    yield from odd_delays()


def odd_errors() -> Iterator[Behaviour]:
    for what in ("nul", "surrogate", "bytes"):
        yield _raise(what, failed("ValueError", "by the method"))
    for what in ("nothing", "many"):
        yield _raise(what, failed("ValueError"))
    huge = _raise("huge", failed("ValueError", RAISED))
    yield huge.only(modes=(PLAIN,), positions=FEW)  # so is the log
    yield _raise("mute", failed("Mute"))
    yield _raise("unprintable", failed("Unprintable"))
    yield _raise("odd_name", failed("Odd", RAISED))


def odd_delays() -> Iterator[Behaviour]:
    """Clamped, or left to the retry pattern; each time with a line in the log."""
    log = (r"a delay of|is no number of seconds",)
    last = failed("FailedJobError", "reached: again", starts=MAX_RETRIES, log=log)
    for what in ("endless", "negative", "text", "nan", "pair", "infinite"):
        later = Right("pending", (), starts=(1, 2), log=log)
        yield _raise(what, (later, last))


def _raise(what: str, right) -> Behaviour:
    return Behaviour(f"raise_{what}", right, "raise", {"what": what})


# -- hooks -----------------------------------------------------------------------------


def hooks() -> Iterator[Behaviour]:
    errors = ("ValueError", "RetryableJobError", "SerializationFailure")
    for what in (*errors, "OperationalError", "InterfaceError", "SystemExit"):
        right = done(log=("hook",), lines=1)
        yield _hook("postcommit", what, right)
    yield _hook("postcommit", "nul", done(log=("hook",), lines=1))
    for what in ("ValueError", "SystemExit", "OperationalError", "nul"):
        yield _hook("precommit", what, failed(_name(what), "by the method"))
    yield _hook("precommit", "SerializationFailure", exhausted("by the method"))
    yield _hook("precommit", "RetryableJobError", exhausted(RAISED))
    right = exhausted("conflict", log=(BAD_QUERY,))
    yield Behaviour("conflict_in_precommit", right)
    deferred = failed("", "slot_uniq", log=(BAD_QUERY,))
    yield Behaviour("violate_deferred", deferred)
    own = failed("ValueError", "the job's own error", log=("hook",))
    for hook in ("prerollback", "postrollback"):
        for what in ("ValueError", "SystemExit", "OperationalError"):
            yield _hook(hook, what, own, fail=True)
    # whether the job goes on after a commit whose hook fails is the job's affair
    either = (done("work", log=("hook",)), failed("ValueError", RAISED, "work"))
    at_once = _hook("postcommit", "ValueError", either, commit=True)
    yield at_once.only(name="raise_in_postcommit_at_once", forbid=FORBIDDEN)


def _name(what: str) -> str:
    return "ValueError" if what == "nul" else what


def _hook(hook: str, what: str, right, **arguments) -> Behaviour:
    arguments = {"hook": hook, "what": what, **arguments}
    return Behaviour(f"raise_in_{hook}_{what}", right, "raise_in_hook", arguments)


def failures_of_failing() -> Iterator[Behaviour]:
    own = ("ValueError", "the job's own error")
    log = ("on_fail",)
    told, untold = failed(*own, "on_fail", log=log), failed(*own, log=log)
    for then, right in {
        "work": told,
        "raise": untold,
        "exit": untold,
        "commit": told,
        "rollback": (told, untold),
        "close": (told, untold),
    }.items():
        name = f"fail_and_on_fail_{then}"
        yield Behaviour(name, right, "fail", {"then": then}, on_fail=True)


# -- transactions ----------------------------------------------------------------------


def commits() -> Iterator[Behaviour]:
    both, second = done("first", "second"), done("second")
    yield Behaviour("commit", both, forbid=FORBIDDEN)
    by_argument = {"with_partner": True}
    name = "commit_by_argument"
    yield Behaviour(name, both, arguments=by_argument, forbid=FORBIDDEN)
    yield Behaviour("commit_by_sql", both)  # nobody guards that
    late = failed("ValueError", "after the commit", "first")
    raising = {"fail": True}
    yield Behaviour("commit_then_raise", late, "commit", raising, forbid=FORBIDDEN)
    pausing = {"seconds": PAUSE}
    for name, arguments in {
        "commit_then_pause": pausing,
        "commit_then_only_pause": {**pausing, "again": False},
    }.items():
        right = both if "again" not in arguments else done("first")
        paused = Behaviour(name, right, "commit", arguments, forbid=FORBIDDEN)
        yield paused.only(lasts=PAUSE)
    yield Behaviour("roll_back", second)
    yield Behaviour("roll_back_only", Right(effects=()), "roll_back", {"again": False})
    name = "roll_back_then_pause"
    yield Behaviour(name, second, "roll_back", pausing, lasts=PAUSE)
    once = {**pausing, "at_once": False}
    yield Behaviour("hook_pauses", done("first"), "hook_sleeps", once, lasts=PAUSE)
    twice = {**pausing, "at_once": True}
    name = "hook_pauses_at_once"
    paused = Behaviour(name, both, "hook_sleeps", twice, forbid=FORBIDDEN)
    yield paused.only(lasts=PAUSE)
    yield Behaviour("savepoint_released", both)
    yield Behaviour("savepoint_undone", second)
    yield Behaviour("savepoint_open", both)
    aborted = failed("InFailedSqlTransaction", "aborted", log=(BAD_QUERY,))
    yield Behaviour("transaction_broken", aborted)


def cursors() -> Iterator[Behaviour]:
    yield Behaviour("close_cursor", failed("", "[Cc]ursor|closed"))
    right = done(log=("Cursor not closed explicitly",))
    yield Behaviour("open_cursors", right, servers=(PREFORK,))
    right = done("own", "work")
    yield Behaviour("own_cursor", right, arguments={"fail": False})
    right = failed("ValueError", "another cursor", "own")
    yield Behaviour("own_cursor_then_raise", right, "own_cursor", {"fail": True})


def sessions() -> Iterator[Behaviour]:
    harmless = (
        *("temp_table", "temp_sequence", "statement_timeout", "advisory_lock"),
        *("listen", "hold_cursor", "prepared", "custom_setting", "time_zone"),
        "isolation",
    )
    for what in harmless:
        yield from _left(what, done())
    # which the job's own end may run into: then it fails, and says why
    for what, says in {
        "search_path": "queue_job",
        "read_only_characteristics": "read-only",
        "read_only_default": "read-only",
        "role": "permission denied|read",
        "date_style": "date",
        "tiny_statement_timeout": "timeout",
        "lock_timeout": "timeout",
    }.items():
        yield from _left(what, done(), says)


def _left(what: str, right: Right, says: str = "") -> Iterator[Behaviour]:
    """Uncommitted and committed, by two jobs in a row."""
    log = (BAD_QUERY,)
    undone = failed("", says, log=log)
    rights = (right, undone) if says else right
    arguments = {"what": what}
    yield Behaviour(f"leave_{what}", rights, "leave", arguments, times=2)
    if says:  # the commit itself may run into it, or the end
        rights = (right, undone, failed("", says, "work", log=log))
    arguments = {"what": what, "commit": True}
    name = f"leave_{what}_committed"
    committed = Behaviour(name, rights, "leave", arguments, times=2)
    yield committed.only(modes=FREE)


def caches() -> Iterator[Behaviour]:
    new, old = done(parameter="new"), failed("ValueError", "change of a parameter")
    yield Behaviour("set_parameter", new, key="parameter")
    raising = {"fail": True}
    name = "set_parameter_then_raise"
    yield Behaviour(name, old, "set_parameter", raising, key="parameter")
    yield Behaviour("parameter_set_elsewhere", new, key="parameter")
    yield Behaviour("clear_caches", done())
    yield Behaviour("clear_all_caches", done())
    few = {"modes": (PLAIN,), "positions": (MIDDLE,)}  # each server reloads
    yield Behaviour("signal_registry", done()).only(**few)
    name = "registry_signalled_elsewhere"
    yield Behaviour(name, new, key="parameter").only(**few)


# -- processes -------------------------------------------------------------------------


def processes() -> Iterator[Behaviour]:
    process = (
        *("directory", "umask", "alarm", "locale", "warnings", "recursion", "gc"),
        *("timeout", "environ", "working_directory_gone"),
    )
    for what in process:
        arguments = {"what": what}
        # in a threaded server they are those of the neighbours as well
        name = f"leave_{what}"
        left = Behaviour(name, done(), "leave_in_process", arguments)
        yield left.only(servers=(PREFORK,), wild=True)
    for what in ("user", "database", "context", "decimal", "request"):
        yield Behaviour(f"leave_{what}", done(), "leave_in_thread", {"what": what})
    yield Behaviour("leave_thread", done(), arguments={"seconds": 1})


def deaths() -> Iterator[Behaviour]:
    dead = failed("JobFoundDead", "dead", starts=MAX_RETRIES, dies=True)
    harmful = {
        "wild": True,
        "servers": (PREFORK,),
        "positions": (MIDDLE, LAST, CLASSIC),
    }
    for how in ("exit", "kill", "segfault"):
        died = Behaviour(f"die_by_{how}", dead, "die", {"how": how})
        yield died.only(**harmful)
    for first in ("parent", "child"):
        right = done(starts=(1, 2), dies=True)
        forked = Behaviour(f"fork_{first}_first", right, "fork", {"first": first})
        yield forked.only(**harmful)


# -- the queue -------------------------------------------------------------------------


def own_rows() -> Iterator[Behaviour]:
    yield Behaviour("write_priority", done(), "write_own", {"values": {"priority": 5}})
    changed = failed("", "own row")
    for state in ("done", "pending", "failed"):
        arguments = {"values": {"state": state}}
        yield Behaviour(f"write_state_{state}", changed, "write_own", arguments)
    for what in ("pending", "token", "deleted"):
        name = f"write_{what}_by_sql"
        yield Behaviour(name, changed, "write_own_by_sql", {"what": what})
    yield Behaviour("unlink_own", changed)
    stopped = (cancelled(), cancelled("work"))
    arguments = {"method": "button_cancelled"}
    yield Behaviour("cancel_own", stopped, "change_own", arguments)
    arguments = {"method": "requeue"}
    yield Behaviour("requeue_own", (done(), changed), "change_own", arguments)
    right = exhausted("serialize", log=(BAD_QUERY,))
    yield Behaviour("row_taken_elsewhere", right)
    told = failed("", ".")
    yield Behaviour("unlink_user", (done(), told), owner="user")
    yield Behaviour("archive_user", (done(), told), owner="user")
    told = failed("", ".", log=(BAD_QUERY,))
    yield Behaviour("unlink_company", (done(), told), owner="company")
    right = done("work", "child", "child")
    yield Behaviour("enqueue", right, key="channel")
    right = done("work", "child")
    key = {"identity_key": "{key}"}
    yield Behaviour("enqueue_twin", right, "enqueue", key, key="channel", options=key)


# -- time ------------------------------------------------------------------------------


def sleeps() -> Iterator[Behaviour]:
    yield from ways_to_sleep()
    yield from commits_around_sleep()


def ways_to_sleep() -> Iterator[Behaviour]:
    whole = done("early", "late")
    again = done("early", "late", starts=2, dies=True)
    stopped = {CANCEL: CANCELLED}
    survived = {KILLED: again, ENDED: again, FAILOVER: whole}

    def at(place: str) -> dict:
        """A time-out whose traceback shows the place."""
        return {TIMEOUT: failed("JobTimeout", "1 second", shows=place)}

    for name, place in {
        "sleep": "time.sleep",
        "sleep_in_sql": "pg_sleep",
        "sleep_in_savepoint": "time.sleep",
        "compute": "_do_compute",
        "sleep_and_tidy_up": "time.sleep",
    }.items():
        interrupted = {**at(place), **stopped}
        if name.startswith("sleep_in") or name == "sleep":
            interrupted |= survived
        yield _sleeper(name, whole, interrupted)
    in_c = _sleeper("compute_in_c", whole, {**at("pbkdf2"), **stopped})
    yield in_c.only(modes=(PLAIN,))
    for what in ("Exception", "BaseException"):
        deaf = {TIMEOUT: TIMED_OUT, CANCEL: CANCELLED}
        name = f"sleep_deaf_to_{what}"
        yield _sleeper(name, whole, deaf, does="sleep_deaf", arguments={"what": what})
    outlived = {TIMEOUT: failed("JobTimeout", "1 second"), CANCEL: CANCELLED}
    name = "run_process"
    yield _sleeper(name, done("work"), outlived, servers=(PREFORK,))


def commits_around_sleep() -> Iterator[Behaviour]:
    whole = done("early", "late")
    never = {TIMEOUT: TIMED_OUT, CANCEL: CANCELLED}
    name = "sleep_and_commit"
    yield _sleeper(name, whole, never, forbid=FORBIDDEN)
    arguments = {"with_partner": True}
    other = _sleeper(name, whole, never, forbid=FORBIDDEN, arguments=arguments)
    yield other.only(name="sleep_and_commit_by_argument", does=name)
    before = {
        TIMEOUT: failed("JobTimeout", "1 second", "early"),
        CANCEL: cancelled("early"),
        FAILOVER: whole,
    }
    yield _sleeper("commit_and_sleep", whole, before, forbid=FORBIDDEN)
    rolled = {**never, FAILOVER: whole}
    yield _sleeper("roll_back_and_sleep", whole, rolled)


def _sleeper(name: str, right: Right, interrupted, **values) -> Behaviour:
    return Behaviour(
        name, right, interrupted=interrupted, lasts=2.0, positions=FEW, **values
    )
