# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the end-to-end tests delay to see progress, loops and their interruption."""

import time

from odoo import models


class TestQueueJobProbe(models.Model):
    _inherit = "test.queue.job.probe"

    def report_often(self, seconds) -> int:
        """Report about a thousand times a second; return how often."""
        jobs = self.env["queue.job"]
        end = time.monotonic() + seconds
        count = 0
        while (left := end - time.monotonic()) > 0:
            count += 1
            percent = 100 * (1 - left / seconds)
            jobs.report_progress(f"Report {count}", percent)
            time.sleep(0.001)
        jobs.report_progress(f"The last of {count}", 100)
        self._trace("reported", self._now())
        return count

    def work_hard(self, seconds, report) -> int:
        """Return how many pieces of work, of a millisecond or so, were done."""
        jobs = self.env["queue.job"]
        end = time.monotonic() + seconds
        count = 0
        while time.monotonic() < end:
            count += 1
            sum(range(40_000))
            if report:
                jobs.report_progress(f"Piece {count}", count, 0, 1_000_000)
        return count

    def walk(self, count, pause, resume_key=None) -> dict:
        """Leave a trace for each of `count` items, and take a while for it."""
        for number in self.job_iter(range(count), resume_key=resume_key):
            self._trace(f"item {number}", self._now())
            time.sleep(pause)
        return {"type": "ir.actions.act_url", "url": "/odoo", "target": "self"}

    def walk_until_timeout(self, count, pause, margin) -> None:
        """The same, as far as the time allows."""
        for number in self.job_until_timeout(range(count), margin=margin):
            self._trace(f"item {number}", self._now())
            time.sleep(pause)
