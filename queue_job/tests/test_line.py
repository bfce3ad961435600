# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A lease that works in a line: each COMMIT starts the next job of it."""

from functools import wraps
from unittest.mock import patch

import psycopg2

from odoo.tests import tagged

from ..exception import RetryableJobError
from ..sessions.job_cursor import JobConnection
from ..worker.control_session import ControlSession
from .lease_case import CHANNEL, LEASE, RUNNER, LeaseCase

KINDS = {
    "a sequential channel": {"channel": CHANNEL},
    "a key": {"channel": CHANNEL, "sequence_key": "k"},
}


def for_each_kind(test):
    """Let a test run once for each kind of line."""

    @wraps(test)
    def run(self):
        for kind in KINDS:
            with self.subTest(kind):
                self.execute("DELETE FROM queue_job WHERE channel = %s", CHANNEL)
                self.ran.clear()
                self.connections.clear()
                test(self, kind)

    return run


class LineCase(LeaseCase):
    def serve_kind(self, kind, count, **options):
        job_id = self.delay(count, **KINDS[kind])
        return self.serve(job_id, in_order=kind != "a key", **options)


@tagged("post_install", "-at_install")
class TestLine(LineCase):
    @for_each_kind
    def test_each_commit_starts_the_next(self, kind):
        starts = []

        def note(control, start, lock=None):
            starts.append(start)
            return start_one(control, start, lock)

        start_one = ControlSession._start_one
        with patch.object(ControlSession, "_start_one", note):
            report = self.serve_kind(kind, 5)
        self.assertEqual(self.ran, [0, 1, 2, 3, 4])
        self.assertEqual(len(report["outcomes"]), 5)
        self.assertEqual(self.states(), ["done"] * 5)
        self.assertLessEqual(len(starts), 1)  # after the key, of other jobs

    @for_each_kind
    def test_a_failure_stops_the_line(self, kind):
        def fail(env, number):
            if number == 2:
                raise ValueError("It broke")

        self.work = fail
        with self.assertLogs("odoo.addons.queue_job", "ERROR"):
            self.serve_kind(kind, 5)
        self.assertEqual(self.ran, [0, 1, 2])
        expected = ["done", "done", "failed", "pending", "pending"]
        self.assertEqual(self.states(), expected)

    @for_each_kind
    def test_a_postponed_job_stops_the_line(self, kind):
        def postpone(env, number):
            if number == 1:
                raise RetryableJobError("Later", seconds=60)

        self.work = postpone
        self.serve_kind(kind, 4)
        self.assertEqual(self.ran, [0, 1])
        self.assertEqual(self.states(), ["done", *["pending"] * 3])

    @for_each_kind
    def test_a_more_urgent_one_comes_while_one_runs(self, kind):
        def enqueue(env, number):
            if number == 0:
                urgent = {**self.kind, "priority": 1}
                with self.registry.cursor() as cr:
                    partner = env(cr=cr)["res.partner"].browse(1)
                    partner.with_delay(**urgent).work_of_a_test(9)

        self.work = enqueue
        self.kind = KINDS[kind]
        self.serve_kind(kind, 3)
        self.assertEqual(self.ran, [0, 9, 1, 2])

    def test_a_child_comes_before_what_is_behind_it(self):
        """It is released once its parent is done; nothing starts along with that."""
        with self.registry.cursor() as cr:
            partner = self.partner(cr)
            parent, child = (
                partner.delayable(channel=CHANNEL).work_of_a_test(number)
                for number in range(2)
            )
            parent.on_done(child)
            parent.delay()
            partner.with_delay(channel=CHANNEL).work_of_a_test(2)
        self.serve(self.delay(0), in_order=True)
        self.assertEqual(self.ran, [0, 1, 2])

    @for_each_kind
    def test_the_lease_starts_no_more_than_it_may(self, kind):
        self.serve_kind(kind, 5, starts=2)
        self.assertEqual(self.ran, [0, 1])
        self.assertEqual(self.states(), ["done"] * 2 + ["pending"] * 3)

    @for_each_kind
    def test_nothing_is_started_once_the_time_is_over(self, kind):
        self.serve_kind(kind, 3, seconds=0.0, longest=0.0)
        self.assertEqual(self.states(), ["done", "pending", "pending"])

    @for_each_kind
    def test_who_leads_no_more_starts_nothing(self, kind):
        def fail_over(env, number):
            self.execute("UPDATE queue_job_runner SET leader = false")

        self.work = fail_over
        self.execute(
            "UPDATE queue_job_runner SET leader = true WHERE uuid = %s", RUNNER
        )
        self.serve_kind(kind, 3)
        self.assertEqual(self.states(), ["done", "pending", "pending"])

    @for_each_kind
    def test_a_session_that_something_is_left_in(self, kind):
        def leave(env, number):
            env.cr.execute("SET statement_timeout = '1ms'")

        self.work = leave
        self.serve_kind(kind, 3)
        self.assertEqual(self.ran, [0, 1, 2])
        self.assertEqual(self.states(), ["done"] * 3)
        self.assertGreaterEqual(len(self.connections), 3)

    @for_each_kind
    def test_a_job_that_commits_itself(self, kind):
        self.work = lambda env, number: env.cr.commit()
        self.serve_kind(kind, 3)
        self.assertEqual(self.ran, [0, 1, 2])
        self.assertEqual(self.states(), ["done"] * 3)

    @for_each_kind
    def test_a_job_that_changes_caches(self, kind):
        """The next one has to see what others have changed meanwhile."""
        self.work = lambda env, number: env.registry.clear_cache()
        self.serve_kind(kind, 3)
        self.assertEqual(self.states(), ["done"] * 3)
        self.assertFalse(any(jobs.started for jobs in self.connections))


@tagged("post_install", "-at_install")
class TestNotBegun(LineCase):
    """A job that a COMMIT has started goes back, if it can't be begun."""

    def interrupted(self, kind, error):
        """Serve a lease whose first COMMIT is executed, and then raises."""
        send = JobConnection.send

        def interrupt(jobs, cursor, statements):
            send(jobs, cursor, statements)
            if jobs.start_was_sent and self.ran == [0]:
                raise error

        with (
            patch.object(JobConnection, "send", interrupt),
            self.assertLogs("odoo.addons.queue_job", "WARNING"),
        ):
            return self.serve_kind(kind, 3)

    @for_each_kind
    def test_the_answer_is_lost(self, kind):
        """It is given back, and runs once: as the next one, from a new start."""
        self.interrupted(kind, MemoryError())
        self.assertEqual(self.ran, [0, 1, 2])
        self.assertEqual(self.states(), ["done"] * 3)

    @for_each_kind
    def test_the_session_is_lost_after_the_commit(self, kind):
        """Where the lease goes on with no other job, all the rest waits again."""
        end = JobConnection.commit_last

        def lose(jobs, cr):
            end(jobs, cr)
            self.execute("SELECT pg_terminate_backend(%s)", cr._cnx.get_backend_pid())
            cr._cnx.close()

        with patch.object(JobConnection, "commit_last", lose):
            self.serve_kind(kind, 3)
        self.assertEqual(self.ran, [0])
        self.assertEqual(self.states(), ["done", "pending", "pending"])

    @for_each_kind
    def test_the_connection_breaks_with_the_answer(self, kind):
        broken = psycopg2.OperationalError("server closed the connection")
        send = JobConnection.send

        def lose(jobs, cursor, statements):
            send(jobs, cursor, statements)
            if jobs.start_was_sent and self.ran == [0]:
                jobs.connection.close()
                raise broken

        with (
            patch.object(JobConnection, "send", lose),
            self.assertLogs("odoo.addons.queue_job", "WARNING"),
        ):
            self.serve_kind(kind, 3)
        self.assertEqual(self.ran, [0])
        self.assertEqual(self.states(), ["done", "pending", "pending"])

    def test_what_was_begun_is_left_alone(self):
        first, second = self.delay(2, channel=CHANNEL), None
        self.execute(
            "UPDATE queue_job SET state = 'started', lease_id = %s, claim_token = 1"
            " WHERE channel = %s",
            LEASE,
            CHANNEL,
        )
        (second,) = self.execute(
            "SELECT id FROM queue_job WHERE channel = %s AND id <> %s", CHANNEL, first
        )[0]
        with self.registry.cursor() as cr:
            ControlSession(cr, LEASE).return_not_begun([(first, 1), (second, 7)])
        self.assertEqual(self.states(), ["started", "pending"])
