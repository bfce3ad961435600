# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the end-to-end tests delay: methods that leave a trace of who ran when.

``delay`` is what a remote client calls, for ``with_delay`` itself returns an object
that does not travel over RPC.
"""

import gc
import os
import signal
import time
from datetime import datetime, timezone

from odoo import api, fields, models

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.exception import RetryableJobError


class TestQueueJobProbe(models.Model):
    _name = "test.queue.job.probe"
    _description = "Trace of a job for the end-to-end tests"

    tag = fields.Char()
    pid = fields.Integer()
    user_id = fields.Many2one("res.users")
    # to the microsecond, which a Datetime field does not keep
    date_start = fields.Float(digits=(20, 6))
    date_end = fields.Float(digits=(20, 6))
    # the job that left its mark: a second one is an error of the database
    mark = fields.Char()

    _mark_uniq = models.Constraint("UNIQUE (mark)", "A job has left its mark twice.")

    # -- for remote clients ---------------------------------------------------------

    @api.model
    def delay(self, method, args=(), options=None) -> str:
        """Delay ``method`` of this model; return the uuid of the job.

        :param options: of the job; `meant_for` is the id of a partner
        """
        options = dict(options or {})
        if "meant_for" in options:
            options["meant_for"] = self.env["res.partner"].browse(options["meant_for"])
        return getattr(self.with_delay(**options), method)(*args).uuid

    @api.model
    def delay_many(self, count, method, args=(), options=None) -> list[str]:
        """Delay ``method`` ``count`` times in one transaction; return the uuids."""
        return [self.delay(method, args, options) for _i in range(count)]

    @api.model
    def delay_marks(self, count, path, shortest, longest, options=None) -> list[str]:
        """Delay ``leave_mark`` with lengths of all kinds; return the uuids."""
        step = (longest - shortest) / 10
        lengths = [shortest + step * (number * 7 % 11) for number in range(count)]
        return [self.delay("leave_mark", (path, each), options) for each in lengths]

    @api.model
    def delay_mark_graphs(
        self, count, path, seconds, max_retries=None
    ) -> list[list[str]]:
        """Delay graphs of two jobs and one that waits for both: their uuids."""
        graphs = []
        for _number in range(count):
            first, second, last = (
                self.delayable(max_retries=max_retries).leave_mark(path, seconds)
                for _job in range(3)
            )
            group(first, second).on_done(last).delay()
            jobs = (first, second, last)
            graphs.append([each._generated_job.uuid for each in jobs])
        return graphs

    @api.model
    def delay_chain(self, count, method) -> list[str]:
        """Delay ``method`` with a number, one job after the other: their uuids."""
        links = [
            getattr(self.delayable(), method)(str(number)) for number in range(count)
        ]
        chain(*links).delay()
        return [link._generated_job.uuid for link in links]

    @api.model
    def delay_line(self, calls) -> list[str]:
        """Delay calls, (method, arguments, options), each after the one before."""
        links = [
            getattr(self.delayable(**options), method)(*args)
            for method, args, options in calls
        ]
        chain(*links).delay()
        return [link._generated_job.uuid for link in links]

    @api.model
    def delay_on(self, model, ids, method, args=()) -> str:
        """Delay ``method`` of any records; return the uuid of the job."""
        return getattr(self.env[model].browse(ids).with_delay(), method)(*args).uuid

    # -- the jobs -------------------------------------------------------------------

    def record_run(self, tag="", seconds=0) -> int:
        """Take ``seconds`` and leave a trace."""
        start = self._now()
        if seconds:
            time.sleep(seconds)
        return self._trace(tag, start).id

    def record_frozen(self) -> None:
        """Leave a trace that tells how many objects no garbage collection looks at."""
        self._trace(str(gc.get_freeze_count()), self._now())

    def leave_mark(self, path, seconds=0) -> None:
        """Take ``seconds``, leave one row, and tell the file at ``path``, from which
        no rollback takes a line back."""
        uuid = self.env.context["job_uuid"]
        self._tell(path, "start", uuid)
        try:
            time.sleep(seconds)
            self.create({"tag": "mark", "mark": uuid}).flush_recordset()
        finally:
            self._tell(path, "end", uuid)

    def write_and_sleep(self, tag="", seconds=0) -> None:
        """Leave a trace at once, and take ``seconds`` to come to an end."""
        self._trace(tag, self._now()).flush_recordset()
        time.sleep(seconds)

    def write_and_spin(self, path, seconds) -> None:
        """Leave a trace, then compute without a word to the database."""
        uuid = self.env.context["job_uuid"]
        self._trace("spin", self._now()).flush_recordset()
        self._tell(path, "start", uuid)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
        self._tell(path, "end", uuid)

    def survive_everything(self, path, seconds) -> None:
        """Go on whatever is raised."""
        self._tell(path, "start", self.env.context["job_uuid"])
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                time.sleep(0.1)
            except BaseException:
                continue

    def die(self) -> None:
        """Take the worker down, as the kernel's out-of-memory killer does."""
        os.kill(os.getpid(), signal.SIGKILL)

    def rewrite(self, tag, path, seconds) -> None:
        """Read a trace, and change it after a while: a conflict, if somebody else has
        changed it meanwhile."""
        trace = self.search([("tag", "=", tag)])
        before = trace.pid
        self._tell(path, "start", self.env.context["job_uuid"])
        time.sleep(seconds)
        trace.pid = before + 1

    def write_and_fail(self, tag="") -> None:
        """Leave a trace that must not stay."""
        self._trace(tag, self._now()).flush_recordset()
        raise ValueError(f"The probe {tag} fails as it was told")

    def fail_until_attempt(self, attempt, tag="", seconds=0) -> int:
        """Be retried until the given attempt, then leave a trace."""
        job = self.env["queue.job"].sudo()
        uuid = self.env.context.get("job_uuid")
        past = job.search([("uuid", "=", uuid)]).retry
        if past + 1 < attempt:
            raise RetryableJobError("Not yet", seconds=seconds)
        return self.record_run(tag)

    def ask_again(self, seconds) -> None:
        """Be retried, without a statement."""
        raise RetryableJobError("Not yet", seconds=seconds)

    @staticmethod
    def _tell(path, event, uuid):
        line = f"{event} {uuid} {os.getpid()} {time.monotonic():.6f}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def _trace(self, tag, start):
        return self.create(
            {
                "tag": tag,
                "pid": os.getpid(),
                "user_id": self.env.uid,
                "date_start": start,
                "date_end": self._now(),
            }
        )

    @staticmethod
    def _now():
        return datetime.now(timezone.utc).timestamp()
