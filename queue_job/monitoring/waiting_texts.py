# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is said of a job that waits: a sentence for each reason, and the remedy."""

from odoo.tools.translate import LazyTranslate

from .health_texts import TEXTS as HEALTH_TEXTS

# a table of the module has no environment yet
# pylint: disable=prefer-env-translation
_lt = LazyTranslate(__name__)

#: Said to those who are no managers, instead of what is wrong with the server.
FOR_USERS = "no_job_runs"
OF_SERVER = frozenset(HEALTH_TEXTS) - {"modules"}

#: code of a reason of :mod:`..waiting_reason` -> sentences, with its values.
TEXTS = {
    **HEALTH_TEXTS,
    FOR_USERS: _lt("No job runs at present. Ask your administrator."),
    "parent_gone": _lt(
        "A job that it waits for was cancelled or deleted. It is cancelled in a moment."
    ),
    "parent_failed": _lt(
        "It waits for job %(job)s, which has failed. Requeue that job, cancel it or set"
        " it to done."
    ),
    "parent_running": _lt("It waits for job %(job)s, which is running."),
    "parent_waits": _lt(
        "It waits for job %(job)s, which does not run either: %(because)s"
    ),
    "key_failed": _lt(
        "Job %(job)s of the same key has failed. Requeue that job, cancel it or set it"
        " to done."
    ),
    "key_running": _lt("It waits for job %(job)s of the same key, which is running."),
    "key_waits": _lt(
        "It waits for job %(job)s of the same key, which does not run either:"
        " %(because)s"
    ),
    "key_new": _lt(
        "The job runner has not decided about its key yet. It does so in a moment."
    ),
    "far": _lt(
        "It waits for job %(job)s, which waits for others itself. The line of jobs that"
        " wait for each other is longer than what is looked at."
    ),
    "release": _lt("The jobs that it waited for have ended. It starts in a moment."),
    "enqueued": _lt("A worker has been given the job and starts it in a moment."),
    "enqueued_long": _lt(
        "A worker was given the job %(duration)s ago and has not started it. All"
        " workers are busy, maybe with other databases, or jobs before it take long."
    ),
    "date": _lt("It starts at %(until)s, the date it was given."),
    "retry": _lt(
        'Attempt %(retry)s ended with "%(error)s". The next one starts at %(until)s.'
    ),
    "retry_lost": _lt(
        "Attempt %(retry)s did not end well. The next one starts at %(until)s."
    ),
    "outdated_code": _lt(
        "The server that was to run it does not have its code: modules were updated"
        " since it was started. Restart the server. The job is tried again at"
        " %(until)s."
    ),
    "channel_paused": _lt(
        "Channel %(channel)s is paused. Press Resume in the list of channels."
    ),
    "channel_fixed": _lt(
        "Channel %(channel)s is paused by the configuration of the server (%(source)s)."
        " Remove the pause there and restart the server."
    ),
    "sequential_failed": _lt(
        "Channel %(channel)s is sequential and job %(job)s has failed. Requeue that"
        " job, cancel it or set it to done."
    ),
    "sequential_date": _lt(
        "Channel %(channel)s is sequential and job %(job)s, which is before this one,"
        " waits for its date or its next attempt."
    ),
    "throttle": _lt(
        "Channel %(channel)s waits %(period)s s between two starts. The next job of it"
        " starts at %(until)s."
    ),
    "rate": _lt(
        "Channel %(channel)s starts %(number)s jobs in %(period)s s at most. The next"
        " job of it starts at %(until)s."
    ),
    "full": _lt(
        "Channel %(channel)s is full: %(running)s of %(capacity)s jobs are running. The"
        " job is number %(place)s of %(waiting)s that wait for a slot of it."
    ),
    "full_estimated": _lt(
        "Channel %(channel)s is full: %(running)s of %(capacity)s jobs are running. The"
        " job is number %(place)s of %(waiting)s that wait for a slot of it, and starts"
        " in about %(duration)s."
    ),
    "full_long": _lt(
        "Channel %(channel)s is full: %(running)s of %(capacity)s jobs are running."
        " At least %(before)s jobs before this one wait for a slot of it."
    ),
    "full_crowded": _lt(
        "Channel %(channel)s is full: %(running)s of %(capacity)s jobs are running."
        " Jobs of many channels wait for a slot of it."
    ),
    "full_shared": _lt(
        "Channel %(channel)s is full: %(running)s of %(capacity)s jobs are running in"
        " all databases of the server, %(own)s of them in this one. This database gets"
        " the next slot when it is its turn."
    ),
    "pool_full": _lt(
        "All job workers are busy: they run %(running)s of %(capacity)s jobs at a time,"
        " maybe of other databases. Raise workers in section [queue_job] of the"
        " server's configuration, if that is too few."
    ),
    "threads_full": _lt(
        "All threads of the job workers are busy: they run %(running)s of %(capacity)s"
        " jobs at a time, maybe of other databases. Raise threads in section"
        " [queue_job] of the server's configuration, if that is too few."
    ),
    "total_full": _lt(
        "All databases of the server together run %(running)s of %(capacity)s jobs at"
        " a time (max_capacity in its configuration). This database gets the next slot"
        " when it is its turn."
    ),
    "soon": _lt("Nothing holds it. It starts in a moment."),
    "workers_busy": _lt(
        "Nothing in this database has held it for %(duration)s. The slots of the job"
        " runner are taken, maybe by other databases, or jobs of a higher priority come"
        " first."
    ),
}
