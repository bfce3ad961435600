# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that do what no job should do, for ``tests/hostile``.

A job function, `_plain` and so on, stands for the settings it runs with; what it does
is a behaviour, a method `_do_<behaviour>` of this model, spread over the files
`hostile_*.py`. An effect is a row of this model which names the job; if an effect is
committed twice, there are two rows. Starts and ends are told to a file, from which no
rollback takes a line back (``tests/harness/journal.py``).
"""

import os
import threading
import time

from odoo import api, fields, models
from odoo.exceptions import AccessError


class TestQueueJobHostile(models.Model):
    _name = "test.queue.job.hostile"
    _inherit = [
        "test.queue.job.hostile.neighbour",
        "test.queue.job.hostile.transaction",
        "test.queue.job.hostile.elsewhere",
        "test.queue.job.hostile.error",
        "test.queue.job.hostile.process",
        "test.queue.job.hostile.sleep",
        "test.queue.job.hostile.row",
    ]
    _description = "Effect of a hostile job"

    job_uuid = fields.Char(index=True)
    name = fields.Char()
    details = fields.Json()
    slot = fields.Integer()

    _slot_uniq = models.Constraint(
        "UNIQUE (slot) DEFERRABLE INITIALLY DEFERRED", "A slot is taken twice."
    )

    # -- for the test --------------------------------------------------------------

    @api.model
    def enqueue(self, cells, path) -> list[list[str]]:
        """Enqueue the jobs of cells, all in one transaction.

        :param cells: dicts: channel and jobs, which are dicts: function, behaviour,
            arguments, options, and owner if one is made for it, "user" or "company"
        :param path: the journal
        :return: for each cell the uuids of its jobs
        """
        if not self.env.user.has_group("base.group_system"):
            raise AccessError(self.env._("Only administrators enqueue hostile jobs."))
        return [self._enqueue_cell(cell, path) for cell in cells]

    def _enqueue_cell(self, cell, path):
        partner, channel = self.env.user.partner_id, cell["channel"]
        uuids = []
        for job in cell["jobs"]:
            records = self._owned_by(job.get("owner"), channel)
            delayed = records.with_delay(channel=channel, **job["options"])
            call = path, job["behaviour"], job["arguments"], partner
            uuids.append(getattr(delayed, job["function"])(*call).uuid)
        return uuids

    def _owned_by(self, owner, name):
        """These records as seen by a user of their own, or in such a company."""
        if owner == "user":
            user = self.env["res.users"].create({"name": name, "login": name})
            return self.with_user(user)
        if owner == "company":
            company = self.env["res.company"].create({"name": name})
            return self.with_context(company_id=company.id)
        return self

    # -- the job functions ---------------------------------------------------------

    def _plain(self, *call):
        return self._run(*call)

    def _allow_commit(self, *call):
        return self._run(*call)

    def _forbid_commit(self, *call):
        return self._run(*call)

    def _plain_on_fail(self, *call):
        return self._run(*call)

    def _allow_commit_on_fail(self, *call):
        return self._run(*call)

    def _forbid_commit_on_fail(self, *call):
        return self._run(*call)

    def _run(self, path, behaviour, arguments, partner):
        job = self.with_context(journal=path, partner_id=partner.id)
        job._tell("start")
        try:
            method = getattr(job, f"_do_{behaviour}")
            if arguments.pop("with_partner", False):
                return method(partner=partner, **arguments)
            return method(**arguments)
        finally:
            job._tell("end")

    # -- traces --------------------------------------------------------------------

    def _work(self, name="work", **values):
        """Leave an effect."""
        uuid = values.pop("job_uuid", None) or self.env.context.get("job_uuid")
        effect = {"job_uuid": uuid, "name": name, **values}
        self.sudo().create(effect).flush_recordset()

    def _tell(self, event):
        """Tell the journal; a `beat` says that the job is still at it."""
        uuid, path = self.env.context["job_uuid"], self.env.context["journal"]
        who = f"{os.getpid()} {time.monotonic():.6f} {threading.get_ident()}"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, f"{event} {uuid} {who}\n".encode())
        finally:
            os.close(descriptor)

    def _own_job(self):
        """The record of the job that runs."""
        jobs = self.env["queue.job"].sudo()
        return jobs.search([("uuid", "=", self.env.context["job_uuid"])])
