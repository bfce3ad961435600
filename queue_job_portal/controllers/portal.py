# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""My jobs in the portal: `queue.job.mine` as pages.

All that these pages show and do goes through the public methods of that model, as the
user: what a customer cannot reach there cannot be reached here.
"""

from odoo import fields, http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from odoo.addons.portal.controllers.portal import CustomerPortal

#: Jobs of one page.
PAGE = 20

#: state of a job -> the colour of its badge
COLOURS = {
    "started": "warning",
    "done": "success",
    "failed": "danger",
    "cancelled": "light",
}


class PortalJobs(CustomerPortal):
    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "queue_job_count" in counters:  # whether there are any
            values["queue_job_count"] = len(self._mine().get_jobs(limit=1))
        return values

    @http.route("/my/jobs", type="http", auth="user", website=True)
    def my_jobs(self, before=None, refused=None, **_kwargs):
        """Show a page of the user's jobs, the newest first.

        :param before: only older ones than the job of this id
        :param refused: what the user tried was refused
        """
        values = self._prepare_portal_layout_values()
        values.update(self._jobs_values(before), refused=bool(refused))
        return request.render("queue_job_portal.my_jobs", values)

    @http.route("/my/jobs/rows", type="http", auth="user", website=True)
    def my_jobs_rows(self, before=None, **_kwargs):
        """Answer with the jobs alone, for a page that keeps up with them."""
        return request.render(
            "queue_job_portal.my_jobs_rows", self._jobs_values(before)
        )

    @http.route(
        "/my/jobs/<string:uuid>/<any(cancel, retry):change>",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def change_my_job(self, uuid, change, **_kwargs):
        """Cancel one of the user's jobs, or run it again.

        :param uuid: of the job
        :param change: the method of `queue.job.mine`
        """
        methods = {"cancel": self._mine().cancel, "retry": self._mine().retry}
        try:
            methods[change](uuid)
        except (AccessError, UserError):  # it has changed since the page was shown
            return request.redirect("/my/jobs?refused=1")
        return request.redirect("/my/jobs")

    def _mine(self):
        return request.env["queue.job.mine"]

    def _jobs_values(self, before):
        """Return what the templates show; the user is told the ends of these jobs."""
        before = int(before) if str(before or "").isdecimal() else None
        jobs = self._mine().get_jobs(before=before, limit=PAGE)
        news = self._mine().get_news()
        shown = {job["uuid"] for job in jobs}
        told = [each["id"] for each in news["notices"] if each["uuid"] in shown]
        if told:
            self._mine().claim_notices(ids=told)
        for job in jobs:
            job["moment"] = fields.Datetime.to_datetime(job["moment"])
        return {
            "page_name": "queue_jobs",
            "jobs": jobs,
            "before": before,
            "older": jobs[-1]["id"] if len(jobs) == PAGE else None,
            "open_jobs": news["open"],
            "colours": COLOURS,
        }
