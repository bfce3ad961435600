# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The end of a job is told: to its options, and to its user over the bus.

With ``with_delay(notify=True)``, or ``"done"`` or ``"failed"`` for one end only, a
message ``queue_job.state`` is sent when the job has ended: the web client shows a toast
with a link, and other code may subscribe as well. The same message, without a toast
(`notify` is false), tells the web client that waits for a job (`wait_action`). It is
sent to the job's own user, after the commit that ends the job, and holds neither
arguments nor traceback.
"""

from ..core import options
from ..sessions import job_session

#: Type of the bus message: {"uuid", "id", "name", "state", "notify"}.
MESSAGE_TYPE = "queue_job.state"


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
    user = job.env["res.users"].sudo().browse(job.user_id).exists()
    if not user:
        return
    user._bus_send(
        MESSAGE_TYPE,
        {
            "uuid": job.uuid,
            "id": job.id,
            "name": job.description,
            "state": job.state,
            "notify": wished,
        },
    )
