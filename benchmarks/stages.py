# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The stages of a job in a lease, and the functions of the addon that are them.

What runs inside of a stage and is a stage itself is not counted twice. `lower` says
what it would take to make a stage cost less.
"""

from typing import NamedTuple


class Stage(NamedTuple):
    """`functions` are `module:name` or `module:Class.name`, below `queue_job`."""

    title: str
    functions: tuple[str, ...]
    lower: str


STAGES = (
    Stage(
        "claim: the next batch, returns",
        (
            "worker.control_session:ControlSession.fetch_batch",
            "worker.control_session:ControlSession.start_next",
            "worker.control_session:ControlSession.start_next_of_key",
            "worker.control_session:ControlSession.start_in_order",
            "worker.batch:Batch._start",
            "worker.batch:Batch.next_start",
            "worker.line:Line.next_start",
            "worker.line:Line.take",
        ),
        "one statement for 50 jobs already; larger batches keep jobs from others",
    ),
    Stage(
        "start: a statement of its own",
        ("worker.control_session:ControlSession.start",),
        "only where it can't go with the COMMIT before: fewer such cases",
    ),
    Stage(
        "row: unpack what the start returned",
        ("worker.batch:read_started", "worker.control_session:read_started"),
        "fewer columns, or decode them when they are read",
    ),
    Stage(
        "signals: caches that others have changed",
        ("worker.lease_run:LeaseRun._follow_signals",),
        "they come with the start; nothing left but a comparison",
    ),
    Stage(
        "environment: cursor and Environment of the job",
        ("worker.lease_run:LeaseRun._new_env",),
        "a Transaction per job is the isolation; one Environment less",
    ),
    Stage(
        "load: Job, records, arguments",
        ("worker.lease_run:load_whole",),
        "decode arguments without the general decoder where they are plain",
    ),
    Stage(
        "attempt: contexts, guards, judgement",
        (
            "worker.attempt:alone",
            "worker.attempt:run",
            "worker.attempt:perform",
        ),
        "one guard object in place of nested context managers",
    ),
    Stage(
        "method: the call, and what it does",
        ("job:Job.perform",),
        "the job's own; for a write, Odoo's ORM",
    ),
    Stage(
        "flush: the ORM writes what the method has changed",
        ("odoo.api:Environment.flush_all",),
        "the job's own; a clean flush is a microsecond",
    ),
    Stage(
        "done: state, dates, result",
        ("job:Job.set_done", "job:Job.store", "worker.attempt:announce_end"),
        "write the statement's values without the generic store",
    ),
    Stage(
        "commit: hooks and Odoo's part of it",
        ("sessions.transactions:Guard.commit_work",),
        "Odoo's own flush, hooks and signals: its floor is 7 us",
    ),
    Stage(
        "message: done; COMMIT; start of the next",
        ("sessions.job_cursor:JobConnection._send_last",),
        "psycopg2 and the kernel: binary parameters, or several jobs per message",
    ),
    Stage(
        "process: its state put back",
        ("worker.process_state:ProcessState.restore",),
        "system calls of each item: fewer items, or look only where code was loaded",
    ),
    Stage(
        "end: the session and caches for the next job",
        ("worker.lease_run:LeaseRun._end_job",),
        "skip what the job can't have touched",
    ),
    Stage(
        "release: children and keys",
        (
            "worker.lease_run:LeaseRun._release_children",
            "worker.lease_run:LeaseRun._admit",
        ),
        "once for a batch instead of for each job",
    ),
    Stage(
        "bookkeeping: outcome, events, the loop",
        (
            "worker.lease_run:LeaseRun.run",
            "worker.lease_run:LeaseRun._attempt",
            "worker.lease_run:LeaseRun._perform",
            "storage.caches:tell_started",
        ),
        "a report without function names; they are the same for all jobs of a kind",
    ),
)
