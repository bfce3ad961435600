# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Messages of jobs, written by one statement: of a failure, and notes on many jobs.

The methods of `mail.thread` would take as long as several jobs to do the same. They are
needed where the message notifies somebody by itself, and where another addon has
something to add (:func:`..storage.orm_bypass.allows_chatter`).
"""

from functools import lru_cache

from markupsafe import escape

from odoo.tools import SQL
from odoo.tools.mail import generate_tracking_message_id, html_sanitize

from ..sessions import prepared_statements
from ..storage import orm_bypass

SUBTYPE = "queue_job.mt_job_failed"

#: Where a digest notifies nobody of a failure.
NO_NOTE = "SELECT FALSE"

# Who follows the job already keeps the choice of what to hear of. The company is that
# of the job, else that of the author.
FOLLOW_AND_POST = """
WITH recipients AS ({recipients}
), followed AS (
    INSERT INTO mail_followers (res_model, res_id, partner_id)
    SELECT DISTINCT 'queue.job', %(job_id)s::int, partner_id FROM recipients
        ON CONFLICT DO NOTHING
 RETURNING id, partner_id
), subscribed AS (
    INSERT INTO mail_followers_mail_message_subtype_rel
           (mail_followers_id, mail_message_subtype_id)
    SELECT id, unnest(CASE WHEN (SELECT bool_and(share) FROM recipients
                                  WHERE partner_id = followed.partner_id)
                           THEN %(outside_subtypes)s::int[] ELSE %(subtypes)s::int[]
                      END)
      FROM followed
), posted AS (
    INSERT INTO mail_message
           (model, res_id, message_type, subtype_id, body, author_id, message_id,
            record_company_id, record_alias_domain_id, email_add_signature, date,
            create_uid, create_date, write_uid, write_date)
    SELECT 'queue.job', %(job_id)s::int, 'notification', %(subtype_id)s::int,
           %(body)s::text, author.partner_id, %(message_id)s::varchar,
           company.id, company.alias_domain_id, TRUE, date_trunc('second', now.moment),
           author.id, now.moment, author.id, now.moment
      FROM (SELECT now() AT TIME ZONE 'UTC' AS moment) AS now,
           res_users author LEFT JOIN res_company company
           ON company.id = coalesce(%(company_id)s::int, author.company_id)
     WHERE author.id = %(uid)s::int AND %(body)s::text IS NOT NULL
)
{note}
"""

COPY_NOTE = """
INSERT INTO mail_message (res_id, %s)
SELECT noted.job_id, %s
  FROM unnest(%s::int[]) AS noted (job_id), mail_message WHERE mail_message.id = %s"""


def follow_and_post(job, recipients: str, message: str | None, note: str) -> bool:
    """Let users follow a failed job, and post on it without notifying anybody.

    :param job: record of `queue.job`
    :param recipients: a query of the users: `partner_id`, and `share` for who is no
        employee
    :param message: plain text, or Markup; nothing is posted if it is empty
    :param note: the statement that keeps the failure of `job_ids` for a digest, see
        `queue.job.failure`; or `NO_NOTE`
    :return: what the note returns
    """
    env = job.env
    default, _internal, external = env["mail.message.subtype"].default_subtypes(
        job._name
    )
    values = {
        "job_id": job.id,
        "job_ids": job.ids,
        "subtypes": default.ids,
        "outside_subtypes": external.ids,
        "subtype_id": env["ir.model.data"]._xmlid_to_res_id(SUBTYPE),
        "body": _as_body(str(escape(message))) if message else None,
        "message_id": generate_tracking_message_id(f"{job.id}-{job._name}"),
        "company_id": job.company_id.id or None,
        "uid": env.uid,
    }
    env.flush_all()
    query = FOLLOW_AND_POST.format(recipients=recipients, note=note)
    prepared_statements.execute(env.cr, query, values)
    row = env.cr.fetchone()  # none if the job was deleted
    job.invalidate_recordset(flush=False)
    return bool(row and row[0])


def note(jobs, body: str) -> None:
    """Leave the same note on jobs, without notifying anybody.

    The ORM writes the first one; the others are copies of it.

    :param jobs: records of `queue.job`, as superuser
    :param body: Markup
    """
    copied = jobs[1:] if orm_bypass.allows_chatter(jobs.env) else jobs.browse()
    written = jobs - copied
    messages = written._message_log_batch({job.id: body for job in written})
    if copied:
        messages.flush_recordset()
        names = [
            SQL.identifier(name)
            for name, field in messages._fields.items()
            if field.store and field.column_type and name not in ("id", "res_id")
        ]
        columns = SQL(", ").join(names)
        jobs.env.cr.execute(SQL(COPY_NOTE, columns, columns, copied.ids, messages.id))
        copied.invalidate_recordset(["message_ids"], flush=False)


@lru_cache(maxsize=64)
def _as_body(html: str) -> str:
    """The column of the message's body, cleaned as the ORM does it."""
    return html_sanitize(html, sanitize_attributes=True, sanitize_style=True)
