# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a lease claims next, of one channel and of several."""

import time
from unittest.mock import patch

from odoo.tests import TransactionCase

from ..claim import claims
from ..keys import admission
from ..worker.control_session import ControlSession

LEASE = 7
RUNNER = "the leader"


CHANNELS = ["root.a", "root.b"]


class ControlSessionCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Ada"})
        cls.env["queue.job.runner"].create({"uuid": RUNNER, "leader": True})
        # whatever the database holds is none of this test's business
        cls.env.cr.execute("DELETE FROM queue_job WHERE state = 'pending'")

    def setUp(self):
        super().setUp()
        self.control = ControlSession(self.env.cr, LEASE, RUNNER)

    def delay(self, channel, **options):
        job = self.partner.with_delay(channel=channel, **options).write({"ref": "1"})
        return job.db_record().id

    def fetch_batch(self, channels, limit):
        return [job_id for job_id, _token in self.control.fetch_batch(channels, limit)]


class TestControlSession(ControlSessionCase):
    def test_one_channel_in_its_order(self):
        last, first = self.delay("root.a"), self.delay("root.a", priority=1)
        self.delay("root.b", priority=0)
        self.assertEqual(self.fetch_batch(["root.a"], 5), [first, last])
        self.assertEqual(self.fetch_batch(["root.a"], 5), [])

    def test_several_channels_are_one_queue(self):
        third = self.delay("root.b")
        second = self.delay("root.a", priority=5)
        first = self.delay("root.c", priority=1)
        self.delay("root.d", priority=0)
        channels = ["root.a", "root.b", "root.c"]
        self.assertEqual(self.fetch_batch(channels, 2), [first, second])
        self.assertEqual(self.fetch_batch(channels, 2), [third])

    def test_many_in_one_of_several_channels(self):
        jobs = [self.delay("root.b") for _number in range(12)]
        self.assertEqual(
            self.fetch_batch(["root.a", "root.b", "root.c"], 12), jobs[:10]
        )

    def test_what_is_not_due_is_left_alone(self):
        self.delay("root.a", eta=60)
        self.assertEqual(self.fetch_batch(["root.a"], 5), [])
        self.assertEqual(self.fetch_batch(["root.a", "root.b"], 5), [])

    def test_who_leads_no_more_takes_nothing(self):
        self.delay("root.a")
        control = ControlSession(self.env.cr, LEASE, "the one before")
        for channels in (["root.a"], ["root.a", "root.b"]):
            self.assertEqual(control.fetch_batch(channels, 5), [])
            self.assertIsNone(control.start_next(channels))

    def test_claimed_and_started_at_once(self):
        second, first = self.delay("root.a"), self.delay("root.b", priority=1)
        for job_id in (first, second):
            values = self.control.start_next(["root.a", "root.b"])
            self.assertEqual(values["id"], job_id)
            self.assertEqual(values["state"], "started")
            self.assertEqual(values["lease_id"], LEASE)
        self.assertIsNone(self.control.start_next(["root.a", "root.b"]))

    def test_a_started_row_is_a_loaded_row(self):
        job = self.partner.with_delay(channel="root.a", eta=-1).write({"ref": "1"})
        values = self.control.start_next(["root.a"])
        loaded = type(job).load(self.env, job.uuid)
        again = type(job)._from_row(self.env, values)
        for name in ("uuid", "args", "kwargs", "eta", "date_created", "date_started"):
            self.assertEqual(getattr(again, name), getattr(loaded, name), name)
        self.assertEqual(again.recordset, self.partner)

    def test_who_else_waits(self):
        now = time.time() + 60  # whatever channels were changed by other tests
        for channel in ("root.a", "root.c"):
            self.delay(channel)
        for served, waits in (
            (["root.a"], True),
            (["root.b"], True),
            (["root.c"], True),
            (["root.a", "root.c"], False),
            (["root.c", "root.a", "root.b"], False),
        ):
            with self.subTest(served=served):
                self.assertEqual(self.control.others_wait(served, now), waits)

    def test_a_changed_channel_ends_the_lease(self):
        issued = time.time() - 5
        self.env.cr.execute("UPDATE queue_job_channel SET write_date = '2020-01-01'")
        self.assertFalse(self.control.others_wait(["root.a"], issued))
        self.env.cr.execute(
            "UPDATE queue_job_channel SET write_date = now() AT TIME ZONE 'UTC'"
        )
        self.assertTrue(self.control.others_wait(["root.a"], issued))


class TestInOrder(ControlSessionCase):
    """The next job of a sequential channel, or none."""

    def start(self, last=0, control=None):
        values = (control or self.control).start_in_order("root.a", last)
        return values and values["id"]

    def write(self, job_id, **values):
        self.env["queue.job"].browse(job_id).write(values)
        self.env.flush_all()

    def test_the_first_of_the_channel(self):
        last, first = self.delay("root.a"), self.delay("root.a", priority=1)
        self.delay("root.b", priority=0)
        self.assertEqual(
            [self.start(), self.start(), self.start()], [first, last, None]
        )

    def test_one_that_has_come_since(self):
        jobs = [self.delay("root.a") for _number in range(2)]
        self.assertEqual(self.start(), jobs[0])
        urgent = self.delay("root.a", priority=1)
        self.assertEqual([self.start(), self.start()], [urgent, jobs[1]])

    def test_one_before_it_waits_for_its_date(self):
        first = self.delay("root.a", eta=60)
        second = self.delay("root.a")
        self.assertIsNone(self.start())
        self.write(first, priority=20)
        self.assertEqual(self.start(), second)
        self.assertIsNone(self.start())

    def test_a_date_that_plain_sql_has_written(self):
        first = self.delay("root.a")
        self.delay("root.a")
        self.env.cr.execute(
            "UPDATE queue_job SET eta = now() + interval '1 day' WHERE id = %s", [first]
        )
        self.assertIsNone(self.start())

    def test_a_failed_job_of_the_channel(self):
        failed, other, _next = (self.delay("root.a") for _number in range(3))
        self.write(failed, state="failed")
        self.assertIsNone(self.start())
        self.write(failed, channel="root.c")
        self.assertEqual(self.start(), other)

    def test_the_last_one_has_no_end(self):
        first, second = (self.delay("root.a") for _number in range(2))
        self.assertEqual(self.start(), first)
        self.assertIsNone(self.start(last=first))
        self.write(first, state="done")
        self.assertEqual(self.start(last=first), second)

    def test_who_leads_no_more(self):
        self.delay("root.a")
        old = ControlSession(self.env.cr, LEASE, "the one before")
        self.assertIsNone(self.start(control=old))

    def test_what_is_blocked_by_its_key_holds_up_nobody(self):
        first = self.delay("root.a", sequence_key="k")
        self.delay("root.a", sequence_key="k")
        self.env.flush_all()
        admission.admit(self.env.cr, [("root.a", "sequence:k")], [first])
        third = self.delay("root.a")
        self.assertEqual([self.start(), self.start()], [first, third])


class TestNextOfKey(ControlSessionCase):
    """The next job of a sequence, started by the lease that has ended the last one."""

    ENDED = {"channel": "root.a", "gate": "sequence:k"}

    def setUp(self):
        super().setUp()
        self.jobs = [self.keyed() for _number in range(3)]

    def keyed(self, **options):
        return self.delay("root.a", sequence_key="k", **options)

    def start(self, channels=("root.a",), control=None):
        control = control or self.control
        values = control.start_next_of_key(self.ENDED, list(channels))
        return values and values["id"]

    def write(self, job_id, **values):
        self.env["queue.job"].browse(job_id).write(values)
        self.env.flush_all()

    def test_one_after_the_other(self):
        for job_id in self.jobs:
            self.assertEqual(self.start(), job_id)
            self.assertIsNone(self.start(), "one of the key is in flight")
            self.write(job_id, state="done")
        self.assertIsNone(self.start())

    def test_it_is_admitted(self):
        self.start()
        self.env.cr.execute(
            "SELECT state, gate_state, scheduled, lease_id FROM queue_job"
            " WHERE id = %s",
            self.jobs[:1],
        )
        self.assertEqual(self.env.cr.fetchone(), ("started", "open", False, LEASE))

    def test_one_that_was_admitted_meanwhile(self):
        admission.admit(self.env.cr, [("root.a", "sequence:k")], self.jobs[:1])
        self.assertEqual(self.start(), self.jobs[0])

    def test_a_more_urgent_one_has_come_after_that(self):
        """The admitted one goes back first: that is for the admission."""
        admission.admit(self.env.cr, [("root.a", "sequence:k")], self.jobs[:1])
        self.keyed(priority=1)
        self.env.flush_all()
        self.assertIsNone(self.start())

    def test_it_waits_for_its_date(self):
        self.keyed(priority=1, eta=60)
        self.assertIsNone(self.start())

    def test_a_failure_stops_the_sequence(self):
        self.write(self.jobs[1], state="failed")
        self.assertIsNone(self.start())

    def test_other_jobs_that_the_lease_could_take_are_before_it(self):
        other = self.delay("root.b", priority=1)
        self.assertIsNone(self.start(CHANNELS))
        self.assertEqual(self.start(), self.jobs[0], "the lease doesn't serve root.b")
        self.write(self.jobs[0], state="done")
        self.write(other, priority=11)
        self.assertEqual(self.start(CHANNELS), self.jobs[1])

    def test_somebody_else_decides_about_the_key(self):
        with self.registry.cursor() as other:
            other.execute(
                "SELECT pg_advisory_xact_lock(%s, hashtext(%s))",
                [admission.KEY_LOCK, "root.a sequence:k"],
            )
            self.assertIsNone(self.start())
        self.assertEqual(self.start(), self.jobs[0])

    def test_who_leads_no_more(self):
        old = ControlSession(self.env.cr, LEASE, "the one before")
        self.assertIsNone(self.start(control=old))


class TestRelease(ControlSessionCase):
    """The runner is notified of released jobs, but for one that the lease claims."""

    def release(self, *children, **options):
        """Let a parent end for which so many children wait."""
        parent = self.partner.delayable(channel="root.z").write({"ref": "1"})
        jobs = [
            self.partner.delayable(channel=channel, **options).write({"ref": "2"})
            for channel in children
        ]
        parent.on_done(*jobs)
        parent.delay()
        record = parent._generated_job.db_record()
        record.state = "done"
        self.env.flush_all()
        self.control.release_children(record.ids)

    def notifications(self, take):
        with patch.object(self.env.cr, "execute", wraps=self.env.cr.execute) as execute:
            take()
        return [call.args[0] for call in execute.mock_calls].count(claims.NOTIFY)

    def test_one_that_is_taken(self):
        for take in (
            self.control.start_next,
            lambda channels: self.fetch_batch(channels, 5),
        ):
            self.release("root.b")
            self.assertEqual(self.notifications(lambda take=take: take(CHANNELS)), 0)
            self.assertEqual(self.notifications(lambda take=take: take(CHANNELS)), 0)

    def test_others_could_run_the_second(self):
        self.release("root.a", "root.b")
        self.assertEqual(self.notifications(lambda: self.fetch_batch(CHANNELS, 5)), 1)
        self.assertEqual(self.notifications(lambda: self.fetch_batch(CHANNELS, 5)), 0)

    def test_one_that_the_lease_does_not_take(self):
        self.delay("root.a", priority=1)
        for released, options in (
            ("root.a", {}),
            ("root.c", {}),
            ("root.a", {"eta": 60}),
        ):
            with self.subTest(channel=released, **options):
                self.release(released, **options)
                self.assertEqual(
                    self.notifications(lambda: self.control.start_next(CHANNELS)), 1
                )

    def test_the_lease_ends(self):
        self.release("root.a")
        self.assertEqual(self.notifications(lambda: self.control.notify_others([])), 1)
        self.assertEqual(self.notifications(lambda: self.control.notify_others([])), 0)
