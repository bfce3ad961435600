# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One lease settles several jobs whose workers have died."""

import time
from unittest.mock import patch

from odoo.tests import tagged

from ..claim.lease import FINALIZE, LeaseRefused
from ..jobrunner.session import queries
from ..settle import settlement
from ..worker import finalize_run
from .lease_case import CHANNEL, LEASE, LeaseCase

LEFT = """
SELECT job.state, job.exc_name, job.retry,
       (SELECT array_agg(attempt.outcome) FROM queue_job_attempt attempt
         WHERE attempt.job_id = job.id),
       (SELECT count(*)::int FROM mail_message message
         WHERE message.model = 'queue.job' AND message.res_id = job.id)
  FROM queue_job job WHERE channel = %s ORDER BY id
"""
DEAD = ("failed", "JobFoundDead", 5, ["dead"], 1)


@tagged("post_install", "-at_install")
class TestFinalizeRun(LeaseCase):
    def setUp(self):
        super().setUp()
        # it would wake up a scheduled action after the commit
        self.startPatcher(patch.object(self.registry["queue.job.failure"], "_wake_up"))
        for query in (
            "DELETE FROM mail_message WHERE model = 'queue.job' AND res_id NOT IN"
            " (SELECT id FROM queue_job)",
            "DELETE FROM mail_followers WHERE res_model = 'queue.job' AND res_id NOT IN"
            " (SELECT id FROM queue_job)",
        ):
            self.addClassCleanup(self.execute, query)

    def dead(self, count, **options):
        """Jobs that were running for the last time when their worker died.

        :return: the options of the lease that settles them
        """
        self.delay(count, channel=CHANNEL, **options)
        self.execute(
            "UPDATE queue_job SET state = 'started', claim_token = 1, lease_id = 3,"
            " retry = 4, max_retries = 5, date_started = now() WHERE channel = %s",
            CHANNEL,
        )
        return self.take_over(self.ids())

    def ids(self):
        query = "SELECT id FROM queue_job WHERE channel = %s ORDER BY id"
        return [job_id for (job_id,) in self.execute(query, CHANNEL)]

    def take_over(self, ids, token=1):
        with self.registry.cursor() as cr:
            params = {"ids": ids, "tokens": [token] * len(ids), "lease": LEASE}
            cr.execute(queries.CLAIM_TO_FINALIZE, params)
            taken = dict(cr.fetchall())
        return {"job_id": ids[0], "claim_token": taken.get(ids[0]), "seconds": 60.0}

    def finalize(self, job_id, claim_token, cause="dead", **options):
        options = {"kind": FINALIZE, "cause": cause, **options}
        return self.serve(job_id, claim_token=claim_token, **options)

    def left(self):
        return self.execute(LEFT, CHANNEL)

    def test_each_is_settled(self):
        self.finalize(**self.dead(4))
        self.assertEqual(self.left(), [DEAD] * 4)
        self.assertEqual(self.ran, [])

    def test_a_replay_is_refused(self):
        lease = self.dead(2)
        self.finalize(**lease)
        with self.assertRaises(LeaseRefused):
            self.finalize(**lease)
        self.assertEqual(self.left(), [DEAD] * 2)

    def test_one_that_another_worker_has_taken_holds_up_nobody(self):
        lease = self.dead(3)
        settle = settlement.settle

        def overtake(job, *args, **kwargs):
            if job.id == self.ids()[1]:
                self.execute(
                    "UPDATE queue_job SET claim_token = 99 WHERE id = %s", job.id
                )
            return settle(job, *args, **kwargs)

        with (
            patch("odoo.addons.queue_job.settle.finalization.settle", overtake),
            self.assertLogs(finalize_run.__name__, "WARNING") as logs,
        ):
            self.finalize(**lease)
        self.assertEqual(len(logs.output), 1)
        first, second, third = self.left()
        self.assertEqual((first, third), (DEAD, DEAD))
        self.assertEqual(second, ("started", None, 4, None, 0))

    def test_one_that_cannot_be_settled_holds_up_nobody(self):
        lease = self.dead(3)
        settle = settlement.settle

        def refuse(job, *args, **kwargs):
            if job.id == self.ids()[0]:
                raise OSError("The disk is full")
            return settle(job, *args, **kwargs)

        with (
            patch("odoo.addons.queue_job.settle.finalization.settle", refuse),
            self.assertLogs(finalize_run.__name__, "ERROR"),
        ):
            self.finalize(**lease)
        self.assertEqual(self.left(), [("started", None, 4, None, 0), DEAD, DEAD])
        again = self.take_over(self.ids()[:1], token=2)
        self.finalize(**again)
        self.assertEqual(self.left(), [DEAD] * 3)

    def test_the_first_was_settled_by_another(self):
        lease = self.dead(2)
        self.execute(
            "UPDATE queue_job SET claim_token = 99 WHERE id = %s", self.ids()[0]
        )
        with self.assertRaises(LeaseRefused):
            self.finalize(**lease)
        self.assertEqual(self.states(), ["started", "started"])

    def test_the_lease_does_not_last_for_ever(self):
        lease = self.dead(3)
        settle = settlement.settle

        def slow(job, *args, **kwargs):
            time.sleep(0.02)
            return settle(job, *args, **kwargs)

        with patch("odoo.addons.queue_job.settle.finalization.settle", slow):
            self.finalize(**{**lease, "seconds": 0.01})
        self.assertEqual(self.states(), ["failed", "started", "started"])

    def test_what_was_said_to_them_goes_along(self):
        self.delay(2, channel=CHANNEL)
        self.execute(
            "UPDATE queue_job SET state = 'started', claim_token = 1"
            " WHERE channel = %s",
            CHANNEL,
        )
        said = (
            "INSERT INTO queue_job_signal (job_id, claim_token, kind, message, stack)"
        )
        for job_id in self.ids():
            self.execute(
                f"{said} VALUES (%s, 1, 'timeout', %s, %s)",
                job_id,
                f"Too long: {job_id}",
                f"In a loop: {job_id}",
            )
        self.finalize(**self.take_over(self.ids()), cause="timeout")
        told = self.execute(
            "SELECT exc_name, exc_message, exc_info FROM queue_job WHERE channel = %s"
            " ORDER BY id",
            CHANNEL,
        )
        expected = [
            ("JobTimeout", f"Too long: {job_id}", f"In a loop: {job_id}")
            for job_id in self.ids()
        ]
        self.assertEqual(told, expected)

    def test_their_children_are_released(self):
        with self.registry.cursor() as cr:
            partner = self.partner(cr)
            parent, child = (
                partner.delayable(channel=CHANNEL).work_of_a_test(number)
                for number in range(2)
            )
            parent.on_done(child)
            parent.delay()
        parent_id, child_id = self.ids()
        self.execute(
            "UPDATE queue_job_dependency SET condition = 'always' WHERE child_id = %s",
            child_id,
        )
        self.execute(
            "UPDATE queue_job SET state = 'started', claim_token = 1, retry = 4,"
            " max_retries = 5 WHERE id = %s",
            parent_id,
        )
        self.finalize(**self.take_over([parent_id]))
        self.assertEqual(self.states(), ["failed", "pending"])


@tagged("post_install", "-at_install")
class TestTakeOver(LeaseCase):
    """The runner takes dead jobs over, each by the claim that it has seen."""

    def take_over(self, *claims):
        ids, tokens = zip(*claims, strict=True)
        with self.registry.cursor() as cr:
            cr.execute(
                queries.CLAIM_TO_FINALIZE,
                {"ids": [*ids], "tokens": [*tokens], "lease": LEASE},
            )
            return sorted(cr.fetchall())

    def started(self):
        self.delay(3, channel=CHANNEL)
        return sorted(
            job_id
            for (job_id,) in self.execute(
                "UPDATE queue_job SET state = 'started', claim_token = 5"
                " WHERE channel = %s RETURNING id",
                CHANNEL,
            )
        )

    def test_by_its_claim(self):
        first, second, third = self.started()
        found = self.take_over((first, 5), (second, 4), (third, 5))
        self.assertEqual(found, [(first, 6), (third, 6)])
        self.assertEqual(self.take_over((first, 5), (third, 5)), [])

    def test_a_locked_row_holds_up_neither_the_runner_nor_the_others(self):
        first, second, _third = self.started()
        with self.registry.cursor() as cr:
            cr.execute("SELECT FROM queue_job WHERE id = %s FOR UPDATE", [first])
            self.assertEqual(self.take_over((first, 5), (second, 5)), [(second, 6)])
