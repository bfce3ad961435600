# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One job per identity key: within a transaction, in graphs, and in races."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from unittest import mock

from odoo.tests import TransactionCase

from ..delay import chain, group
from ..job import PENDING, WAIT_DEPENDENCIES, Job, identity_exact
from .test_delay import DelayCase


class TestIdentity(DelayCase):
    def keyed(self, key="key", **options):
        return self.partner.with_delay(identity_key=key, **options).exists()

    def test_one_job_per_key(self):
        first = self.keyed()
        second = self.keyed()
        self.assertEqual(second._name, "queue.job")
        self.assertEqual(second, first.db_record())
        self.assertEqual(second.uuid, first.uuid)

    def test_exact(self):
        first = self.keyed(identity_exact)
        self.assertEqual(self.keyed(identity_exact).uuid, first.uuid)
        other = self.partner.with_delay(identity_key=identity_exact).write({})
        self.assertIsInstance(other, Job)

    def test_started_jobs_do_not_count(self):
        job = self.keyed()
        job.set_started()
        job.store()
        self.assertFalse(job.db_record().identity_slot)
        duplicate = self.keyed()
        self.assertIsInstance(duplicate, Job)
        # the first one is retried: it does not collide with the second
        job.set_pending(reset_retry=False)
        job.store()
        self.assertEqual(job.db_record().state, PENDING)

    def test_scope_done(self):
        job = self.keyed(identity_scope="done")
        job.set_started()
        job.store()
        self.assertEqual(self.keyed().uuid, job.uuid)
        job.set_done()
        job.store()
        self.assertIsInstance(self.keyed(), Job)

    def test_a_stale_slot_is_freed(self):
        job = self.keyed()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'done' WHERE id = %s", [job.id]
        )
        self.assertIsInstance(self.keyed(), Job)

    def test_graph_of_known_and_new_keys_is_linked(self):
        first = self.keyed()
        known = self.node("a", identity_key="key")
        new = self.node("b", identity_key="new")
        last = self.node("c")
        group(known, new).on_done(last).delay()
        self.assertEqual(known._generated_job, first.db_record())
        record = last._generated_job.db_record()
        self.assertEqual(
            record.dependency_ids, first.db_record() | new._generated_job.db_record()
        )
        self.assertEqual(record.state, WAIT_DEPENDENCIES)
        self.assertEqual(first.db_record().state, PENDING)

    def test_a_duplicate_waits_for_new_parents(self):
        first = self.keyed()
        parent = self.node("a", identity_key="new")
        known = self.node("b", identity_key="key")
        chain(parent, known).delay()
        record = first.db_record()
        self.assertEqual(record.state, WAIT_DEPENDENCIES)
        self.assertEqual(record.dependency_ids, parent._generated_job.db_record())


class RaceCase(TransactionCase):
    """Two real transactions."""

    KEY = "queue_job test of races"

    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget_jobs)
        self.first, self.second = self.transaction(), self.transaction()

    def transaction(self):
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        cr.execute("SELECT 1")  # the snapshot is taken here
        return self.env(cr=cr)

    def forget_jobs(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM queue_job WHERE identity_key = %s", [self.KEY])

    def enqueue(self, env):
        return env.user.with_delay(identity_key=self.KEY, eta=3600).exists()

    def stored_uuids(self):
        with self.registry.cursor() as cr:
            cr.execute("SELECT uuid FROM queue_job WHERE identity_key = %s", [self.KEY])
            return [uuid for (uuid,) in cr.fetchall()]

    def wait_for_lock(self):
        """Return when the second transaction waits for the first."""
        pid = self.second.cr._cnx.info.backend_pid
        with self.registry.cursor() as cr:
            for _attempt in range(200):
                cr.execute("SELECT cardinality(pg_blocking_pids(%s))", [pid])
                if cr.fetchone()[0]:
                    return
                time.sleep(0.02)
        self.fail("the second transaction does not wait")


class TestRaces(RaceCase):
    """They enqueue the same identity key."""

    def test_duplicate_that_is_not_visible(self):
        """The other job was committed after the snapshot of this transaction."""
        job = self.enqueue(self.first)
        self.first.cr.commit()
        duplicate = self.enqueue(self.second)
        self.assertEqual(duplicate._name, "queue.job")
        self.assertEqual(
            (duplicate.uuid, duplicate.state, duplicate.model_name),
            (job.uuid, PENDING, "res.users"),
        )
        self.second.cr.commit()
        self.assertEqual(self.stored_uuids(), [job.uuid])

    def test_duplicate_that_is_not_visible_to_the_orm(self):
        """Another addon overrides create; nobody sees an error, nor does the log."""
        model = type(self.env["queue.job"])

        def create(self, vals_list):
            return super(model, self).create(vals_list)

        with (
            mock.patch.object(model, "create", create),
            self.assertNoLogs("odoo.sql_db", "ERROR"),
        ):
            job = self.enqueue(self.first)
            self.first.cr.commit()
            duplicate = self.enqueue(self.second)
            self.second.cr.commit()
        self.assertEqual((duplicate._name, duplicate.uuid), ("queue.job", job.uuid))
        self.assertEqual(self.stored_uuids(), [job.uuid])

    def test_duplicate_that_is_not_committed(self):
        """The second transaction waits, and then sees the job of the first."""
        job = self.enqueue(self.first)
        with ThreadPoolExecutor(1) as executor:
            waiting = executor.submit(self.enqueue, self.second)
            self.wait_for_lock()
            self.first.cr.commit()
            duplicate = waiting.result(timeout=10)
        self.assertEqual(duplicate.uuid, job.uuid)
        self.second.cr.commit()
        self.assertEqual(self.stored_uuids(), [job.uuid])

    def test_duplicate_that_is_rolled_back(self):
        self.enqueue(self.first)
        with ThreadPoolExecutor(1) as executor:
            waiting = executor.submit(self.enqueue, self.second)
            self.wait_for_lock()
            self.first.cr.rollback()
            job = waiting.result(timeout=10)
        self.assertIsInstance(job, Job)
        self.second.cr.commit()
        self.assertEqual(self.stored_uuids(), [job.uuid])

    def test_ten_threads_a_hundred_times(self):
        """One job, and no caller sees an error; each call is a transaction."""
        environments = [self.transaction() for _thread in range(10)]
        barrier = Barrier(len(environments))

        def enqueue_again_and_again(env):
            barrier.wait(10)
            uuids = set()
            for _again in range(100):
                uuids.add(self.enqueue(env).uuid)
                env.cr.commit()
            return uuids

        with ThreadPoolExecutor(len(environments)) as executor:
            answers = list(executor.map(enqueue_again_and_again, environments))
        (uuid,) = self.stored_uuids()
        self.assertEqual(answers, [{uuid}] * len(environments))
