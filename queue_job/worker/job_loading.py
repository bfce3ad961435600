# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Load a started job whole, or fail it.

A model, a method or an argument may have been removed or renamed since the job was
enqueued. Such a job fails once, and says so: it could not be loaded the next time
either.
"""

from __future__ import annotations

import logging

from ..core import errors, events, options, texts
from ..core.states import FAILED, PENDING
from ..job import Job
from ..storage import caches
from ..storage.odd_rows import DATES_PUT_RIGHT
from . import outdated_code

_logger = logging.getLogger(__name__)

FAIL = f"""
UPDATE queue_job j
   SET {DATES_PUT_RIGHT},
       state = 'failed', exc_name = %(exc_name)s, exc_message = %(exc_message)s,
       exc_info = %(exc_info)s, lease_id = NULL, identity_slot = NULL
 WHERE id = %(id)s AND claim_token = %(token)s AND state = 'started'
"""

#: What the statement writes.
COLUMNS = (
    "state",
    "exc_name",
    "exc_message",
    "exc_info",
    "lease_id",
    "identity_slot",
)


def load_whole(env, values: dict) -> Job:
    """The job of a row, with its records, its method and its arguments.

    :param env: in which it is to be performed
    :param values: its row, see :func:`.control_session.read_started`
    :raise Exception: the model, the method or a model among the arguments is gone
    :raise ValueError: the row holds a date that is none for Python
    """
    if values.get("odd"):
        raise ValueError(f"Odd value in the row of the job: {', '.join(values['odd'])}")
    job = Job._from_row(env, values)
    _decoded = job.func, job.args, job.kwargs  # when they are first read
    options.refusal(job)  # a value that it looks at may be none
    return job


def give_up(
    env, outside_cr, values: dict, error: Exception, *, may_wait: bool = True
) -> str:
    """Settle a started job that can't be loaded, and commit that.

    :param env: in which it could not be loaded
    :param outside_cr: cursor in autocommit mode
    :param values: its row
    :param error: why it can't be loaded
    :param may_wait: whether it may wait for a process that has its code; not one whose
        attempt is over: it may have been cancelled, or have no attempt left
    :return: the state in which it is now
    """
    model = values["model_name"] or ""
    newer = ""
    if may_wait:
        newer = outdated_code.what_is_newer(env.registry, outside_cr, model, error)
    if newer:
        outdated_code.put_back(env, outside_cr, values, newer)
        return PENDING
    fail_unloadable(env, outside_cr, values, error)
    return FAILED


def fail_unloadable(env, outside_cr, values: dict, error: Exception) -> None:
    """Fail a started job that can't be loaded, and commit that.

    :param env: in which it could not be loaded
    :param outside_cr: cursor in autocommit mode, for when the failure can't be told
    :param values: its row
    :param error: why it can't be loaded
    """
    reason = errors.exception_text(error)
    message = texts.cut(f"The job can't be loaded: {reason}", texts.EXC_MESSAGE)
    _logger.error("%s: job %s failed: %s", env.cr.dbname, values["uuid"], message)
    failure = {
        "id": values["id"],
        "token": values["claim_token"],
        "exc_name": errors.exception_name(error),
        "exc_message": message,
        "exc_info": f"{message}\nIts model, its method or a model among its"
        " arguments was removed or renamed since it was enqueued. If it was renamed,"
        " name it in former_names of the job function of now, and requeue the job.",
    }
    try:
        _fail_and_tell(env, failure)
    except Exception:  # else it would be found dead, and not load again
        _logger.exception("the failure of job %s was not told", values["uuid"])
        env.cr.rollback()  # which holds the row
        outside_cr.execute(FAIL, failure)


def _fail_and_tell(env, failure: dict) -> None:
    env.cr.rollback()
    env.cr.execute(FAIL, failure)
    record = env["queue.job"].browse(failure["id"])
    caches.written(env, record.ids, COLUMNS)
    record._message_post_on_failure()
    events.tell_ids_after_commit(env.cr, events.FAILED, record.ids)
    env.cr.commit()
