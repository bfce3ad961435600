# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The end of an attempt that went wrong: in its own session, or in another one."""

from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import config

from ..core.retry import Cause, Fail, Retry
from ..exception import JobFenced
from ..job import Job
from ..sessions.job_session import JobSession
from ..settle import chatter, settlement

LEASE = 1_000_000_007
FAILURE = {"exc_name": "ValueError", "exc_message": "It broke", "exc_info": "Trace"}
FAIL = Cause.EXCEPTION, Fail("ValueError", "It broke"), FAILURE
RETRY = Cause.RETRYABLE, Retry(3600, 1, "Not yet"), None

LEFT = """
SELECT job.state, job.exc_name,
       (SELECT array_agg(attempt.outcome) FROM queue_job_attempt attempt
         WHERE attempt.job_id = job.id),
       (SELECT count(*) FROM mail_message message
         WHERE message.model = 'queue.job' AND message.res_id = job.id)
  FROM queue_job job WHERE job.id = %s
"""
FAILED = ("failed", "ValueError", ["failed"], 1)
RETRIED = ("pending", None, ["postponed"], 0)


@tagged("post_install", "-at_install")
class TestSettlement(BaseCase):
    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        self.startPatcher(patch.dict(config.options, test_enable=False))
        self.session = JobSession(self.registry, LEASE)
        self.addCleanup(self.session.close)
        self.addCleanup(self.session.end_job)
        # it would wake up a scheduled action after the commit
        self.startPatcher(patch.object(self.registry["queue.job.failure"], "_wake_up"))
        self.other_sessions = 0
        self.cursor = self.registry.cursor
        self.startPatcher(patch.object(self.registry, "cursor", self.count_session))

    def count_session(self, *args, **kwargs):
        self.other_sessions += 1
        return self.cursor(*args, **kwargs)

    def started(self):
        """A started job, loaded in the session of the lease."""
        with self.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            uuid = env["res.partner"].browse(1).with_delay().exists().uuid
            env.flush_all()
            cr.execute(
                "UPDATE queue_job SET state = 'started', claim_token = 5, lease_id = %s"
                " WHERE uuid = %s RETURNING id",
                [LEASE, uuid],
            )
            (self.job_id,) = cr.fetchone()
        self.addCleanup(self.execute, "DELETE FROM queue_job WHERE id = %s")
        self.addCleanup(
            self.execute,
            "DELETE FROM mail_message WHERE model = 'queue.job' AND res_id = %s",
        )
        self.addCleanup(
            self.execute,
            "DELETE FROM mail_followers WHERE res_model = 'queue.job' AND res_id = %s",
        )
        job = Job.load(api.Environment(self.session.open(), SUPERUSER_ID, {}), uuid)
        job.retry = 1
        self.session.cr.rollback()
        self.other_sessions = 0
        return job

    def execute(self, query):
        with self.cursor() as cr:
            cr.execute(query, [self.job_id])
            return cr.fetchone() if cr.description else None

    def test_in_the_session_of_the_attempt(self):
        for end, left in ((FAIL, FAILED), (RETRY, RETRIED)):
            with self.subTest(left=left):
                self.assertEqual(settlement.settle(self.started(), *end), end[1])
                self.assertEqual(self.execute(LEFT), left)
                self.assertEqual(self.other_sessions, 0)

    def test_it_starts_the_next_job(self):
        for end, left in ((FAIL, FAILED), (RETRY, RETRIED)):
            with self.subTest(left=left):
                job = self.started()
                self.session.start_next_by(lambda: [("SELECT 'the next'", [])])
                settlement.settle(job, *end)
                self.assertEqual(self.execute(LEFT), left)
                self.assertEqual(self.session.take_started(), [("the next",)])

    def test_another_session_where_that_is_spoilt(self):
        spoilt = {
            "left something": "CREATE TEMP TABLE queue_job_attempt (id int)",
            "under way": None,
        }
        for name, query in spoilt.items():
            with self.subTest(name):
                job = self.started()
                job.env.cr.execute(query or "SELECT 1")
                if query:
                    job.env.cr.commit()
                self.assertEqual(settlement.settle(job, *FAIL), FAIL[1])
                self.assertEqual(self.execute(LEFT), FAILED)
                self.assertTrue(self.other_sessions)
                self.session.end_job()

    def test_an_error_there_is_met_by_another_session(self):
        job = self.started()
        results = [OSError("The table is full"), False]
        with patch.object(chatter, "follow_and_post", side_effect=results):
            self.assertEqual(settlement.settle(job, *FAIL), FAIL[1])
        self.assertEqual(self.execute(LEFT), (*FAILED[:3], 0))
        self.assertTrue(self.other_sessions)

    def test_an_end_stands_whose_answer_was_lost(self):
        """The statement after COMMIT fails: the end is not written twice."""
        for end, left in ((FAIL, FAILED), (RETRY, RETRIED)):
            with self.subTest(left=left):
                job = self.started()
                self.session.start_next_by(lambda: [("SELECT no_such_function()", [])])
                self.assertEqual(settlement.settle(job, *end), end[1])
                self.assertEqual(self.execute(LEFT), left)
                self.assertTrue(self.other_sessions)

    def test_it_is_fenced(self):
        job = self.started()
        self.execute("UPDATE queue_job SET claim_token = 6 WHERE id = %s")
        with self.assertRaises(JobFenced):
            settlement.settle(job, *FAIL)
        self.assertEqual(self.execute(LEFT), ("started", None, None, 0))
