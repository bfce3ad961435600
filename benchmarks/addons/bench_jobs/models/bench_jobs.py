# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Methods to delay, and the log in which they say when they started.

The log is written by the database's own clock (`clock_timestamp()`), which the
benchmark reads from outside: no figure comes from the queue that is measured.
"""

import time

from odoo import fields, models

from odoo.addons.queue_job.exception import RetryableJobError


class BenchJobs(models.Model):
    _name = "bench.jobs"
    _description = "Benchmark Methods"

    name = fields.Char()
    value = fields.Integer()

    def noop(self):
        """Do nothing at all."""

    def write_one(self):
        """Write one record, the way a typical small job does."""
        self.write({"value": self.value + 1})

    def sleep_50ms(self):
        """Wait as a job does which talks to another server."""
        time.sleep(0.05)

    def mixed(self, milliseconds):
        """Wait as long as the caller says."""
        time.sleep(milliseconds / 1000)

    def fail(self):
        """Fail, as a job does whose data are wrong."""
        raise ValueError("The data of this job are wrong")

    def retry_later(self):
        """Ask for another attempt, long after the benchmark."""
        raise RetryableJobError("The other server is away", seconds=36_000)

    def stamp(self, token):
        """Write down when the job started."""
        self.env.cr.execute(
            """
            INSERT INTO bench_log (token, at)
            VALUES (%s, extract(epoch FROM clock_timestamp()))
            """,
            (token,),
        )


class BenchLog(models.Model):
    _name = "bench.log"
    _description = "Benchmark Start Times"
    _log_access = False

    token = fields.Char()
    at = fields.Float(digits=(20, 6))
