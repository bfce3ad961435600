# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The end of a job is told: to its options, and to its user.

With ``with_delay(notify=True)``, or ``"done"`` or ``"failed"`` for one end only, a
message ``queue_job.state`` is sent over the bus when the job has ended: the web client
shows a toast with a link, and other code may subscribe as well. The same message,
without a toast (`notify` is false), tells the web client that waits for a job
(`wait_action`). It is sent to the job's own user, after the commit that ends the job,
and holds neither arguments nor traceback. With `meant_for` it is sent to those for whom
the job is, in place of its user.

The bus reaches only who is there, and has a websocket. So the end is also kept as a row
of `queue.job.notice`, until somebody was told.
"""

from ..core import options, plain_words, texts
from ..core.states import FAILED
from ..sessions import job_session

#: Type of the bus message: {"uuid", "id", "name", "state", "notify", "notice"}.
MESSAGE_TYPE = "queue_job.state"

#: The scheduled action which tells those who are away.
CRON = "queue_job.ir_cron_tell_the_absent"

#: Seconds in which a client of the user can tell it.
PATIENCE = 120

KEEP = """
INSERT INTO queue_job_notice (partner_id, uuid, name, state, error, awaited, date)
VALUES (%(partner_id)s, %(uuid)s, %(name)s, %(state)s, %(error)s, %(awaited)s,
        clock_timestamp() AT TIME ZONE 'UTC')
RETURNING id
"""

# The same of jobs that somebody has cancelled or set to done, who needs not be told.
KEEP_CHANGED = """
INSERT INTO queue_job_notice (partner_id, uuid, name, state, awaited, date)
SELECT told.partner_id, job.uuid, job.name, job.state, NOT told.wished,
       clock_timestamp() AT TIME ZONE 'UTC'
  FROM queue_job job
  LEFT JOIN res_users users
    ON users.id = job.user_id AND users.active AND users.id > 1
   AND users.id IS DISTINCT FROM %(public_id)s
  LEFT JOIN res_partner meant
    ON meant.id = CASE WHEN job.options ->> 'meant_for' ~ '^[0-9]{1,9}$'
                       THEN (job.options ->> 'meant_for')::int END,
       LATERAL (SELECT coalesce(meant.id, users.partner_id) AS partner_id,
                       coalesce(job.options ->> 'notify', '') IN ('true', job.state)
                       AS wished) AS told
 WHERE job.id = ANY(%(ids)s) AND told.partner_id <> %(partner_id)s
   AND (told.wished OR job.options ->> 'awaited' = 'true')
"""

FORGET = """
DELETE FROM queue_job_notice notice
 USING queue_job job
 WHERE job.uuid = notice.uuid AND job.id = ANY(%(ids)s)
"""

# The action goes on by itself while there is something to tell.
WAKE_UP = """
INSERT INTO ir_cron_trigger
       (cron_id, call_at, create_uid, create_date, write_uid, write_date)
SELECT cron.id, at.moment, 1, at.now, 1, at.now
  FROM ir_cron cron,
       (SELECT now, now + %(seconds)s * interval '1 s' AS moment
          FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS now) AS clock) AS at
 WHERE cron.id = %(cron_id)s
   AND NOT EXISTS (
    SELECT FROM ir_cron_trigger
     WHERE cron_id = cron.id AND call_at BETWEEN at.now AND at.moment)
"""


def announce_end(job) -> None:
    """Tell the job's options, and its user if the job asks for it.

    Nothing is sent on rollback.

    :param job: a job that has ended
    """
    if not job.options:
        return
    job_session.send_kept(job.env.cr)
    options.tell_ended(job)
    wish = job.options.get("notify")
    wished = bool(wish) and wish in (True, job.state)
    if not wished and not job.options.get("awaited"):
        return
    listener, partner = _told(job)
    if not listener:
        return
    listener._bus_send(
        MESSAGE_TYPE,
        {
            "uuid": job.uuid,
            "id": job.id,
            "name": job.description,
            "state": job.state,
            "notify": wished,
            "notice": _keep(job, partner, wished=wished),
        },
    )


def _told(job):
    """Return who hears of the end over the bus, and the partner who is told it."""
    meant_for = job.options.get("meant_for")
    if meant_for:
        partner = job.env["res.partner"].sudo().browse(meant_for).exists()
        return partner, partner
    user = job.env["res.users"].sudo().browse(job.user_id).exists()
    # nobody is OdooBot, and a visitor of a website is anybody
    is_somebody = user.active and not user._is_superuser() and not user._is_public()
    return user, user.partner_id if is_somebody else user.partner_id.browse()


def _keep(job, partner, *, wished):
    """Keep the end until it was told; return the id of the notice, False without."""
    if not partner:
        return False
    cr = job.env.cr
    values = {
        "partner_id": partner.id,
        "uuid": job.uuid,
        "name": job.description,
        "state": job.state,
        "error": _error(job) if job.state == FAILED else None,
        "awaited": not wished,
    }
    cr.execute(KEEP, values)
    (notice_id,) = cr.fetchone()
    _wake_up(job.env)
    return notice_id


def forget(jobs) -> None:
    """Forget the notices of jobs that run again: their ends are none.

    :param jobs: records of `queue.job`
    """
    jobs.env.cr.execute(FORGET, {"ids": jobs.ids})


def keep_changed(jobs) -> None:
    """Keep the ends of jobs which the user has just cancelled or set to done.

    Those who want to hear of them hear it with the number of their open jobs.

    :param jobs: records of `queue.job`
    """
    if not any(jobs.mapped("options")):
        return
    jobs.flush_recordset()
    env = jobs.env
    public_id = env["ir.model.data"]._xmlid_to_res_id("base.public_user")
    values = {"ids": jobs.ids, "partner_id": env.user.partner_id.id}
    env.cr.execute(KEEP_CHANGED, {**values, "public_id": public_id or None})
    if env.cr.rowcount:
        _wake_up(env)


def _wake_up(env):
    cron_id = env["ir.model.data"]._xmlid_to_res_id(CRON)
    env.cr.execute(WAKE_UP, {"cron_id": cron_id or 0, "seconds": PATIENCE})


def _error(job):
    message = texts.storable(job.exc_message, texts.EXC_MESSAGE)
    return plain_words.readable_error(job.exc_name, message)
