# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""`odoo-bin queue_job drain`; a deployment is tried in `tests/e2e/test_drain.py`."""

import io
import json
from contextlib import redirect_stdout

from ..claim import claims
from ..cli import drain
from ..cli.queue_job import QueueJob
from ..jobrunner.session import queries
from .job_case import JobCase


class TestDrain(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs.search([]).unlink()
        cls.runner = cls.env["queue.job.runner"].create(
            {"uuid": "the runner", "leader": True}
        )
        cls.classPatch(drain, "INTERVAL", 0)

    def drain(self, line=""):
        """Return the exit code, and the lines without the name of the database."""
        options = QueueJob().parser.parse_args(["drain", *line.split()])
        output = io.StringIO()
        with self.enter_registry_test_mode(), redirect_stdout(output):
            code = drain.main([self.env.registry], options)
        self.env.invalidate_all()
        text = output.getvalue()
        return code, text.replace(f"{self.env.cr.dbname}: ", "")

    def claim(self, job):
        self.env.flush_all()
        self.env.cr.execute(
            claims.CLAIM,
            {"ids": job.ids, "leases": [1], "runner": self.runner.uuid},
        )
        return self.env.cr.rowcount

    def obstacle(self):
        self.env.cr.execute(queries.AFFAIRS)
        return self.env.cr.dictfetchone()["obstacle"]

    def test_nothing_is_claimed_any_more(self):
        first, second = self.job(), self.job()
        self.assertEqual(self.drain()[0], 0)
        self.assertEqual(self.obstacle(), "drained")
        self.assertEqual(self.claim(first), 0)
        self.assertEqual(self.drain("--resume"), (0, "resumed: jobs start\n"))
        self.assertNotEqual(self.obstacle(), "drained")
        self.assertEqual(self.claim(second), 1)

    def test_nothing_runs(self):
        self.job()
        code, text = self.drain("--wait 0")
        self.assertEqual(code, 0)
        self.assertEqual(text.splitlines()[1:], ["0 job(s) running"])

    def test_what_still_runs_is_named(self):
        self.job("started", uuid="one", worker_host="host", worker_pid=5)
        self.job("enqueued", uuid="two")
        code, text = self.drain("--wait 0")
        self.assertEqual(code, 1)
        _drained, count, *jobs = text.splitlines()
        self.assertEqual(count, "2 job(s) running")
        self.assertRegex(jobs[0], r"^still started for \d+ s: one root host:5$")
        self.assertRegex(jobs[1], r"^still enqueued for \d+ s: two root \?:\?$")
        data = json.loads(self.drain("--wait 0 --json")[1])
        self.assertEqual([job["uuid"] for job in data[0]["running"]], ["one", "two"])

    def test_without_wait_it_only_says_so(self):
        self.job("started")
        self.assertEqual(self.drain()[0], 0)

    def test_the_pauses_of_channels_stay(self):
        low = self.env.ref("queue_job.channel_low")
        low.paused = True
        self.drain()
        self.assertFalse(self.env.ref("queue_job.channel_root").paused)
        self.drain("--resume")
        self.assertTrue(low.paused)

    def test_it_is_told(self):
        job = self.job()
        self.drain()
        self.env.cr.execute(
            "UPDATE queue_job_runner SET last_seen = now() AT TIME ZONE 'UTC'"
        )
        self.env.invalidate_all()
        reason = self.jobs.waiting_reason(job.uuid)
        self.assertEqual(reason["code"], "drained")
        self.assertIn("queue_job drain --resume", reason["text"])
