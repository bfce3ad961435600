# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tell the user of a job about its end, over the bus.

Who delays with ``with_delay(notify=True)``, or ``"done"`` or ``"failed"`` for one end
only, hears ``queue_job.state`` when the job has ended: the web client shows a toast
with a link, and other code may listen as well. Who waits for a job (`wait_action`)
hears of its end in the same way, without a toast (`notify` is false). It is sent to
the job's own user, after the commit that ends the job, and holds neither arguments nor
traceback.
"""

#: Type of the bus message: {"uuid", "id", "name", "state", "notify"}.
MESSAGE_TYPE = "queue_job.state"


def announce_end(job) -> None:
    """Send the message, if the job's caller wished it; nothing is sent on rollback."""
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
