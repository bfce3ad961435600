# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs and their rows: SQL and the ORM leave the same, the fence holds."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from random import randrange
from unittest import mock

from markupsafe import Markup

from odoo.tests import TransactionCase
from odoo.tools import mute_logger
from odoo.tools.translate import LazyGettext

from ..core import option_values, texts
from ..core.states import (
    CANCELLED,
    DONE,
    PENDING,
    STARTED,
    WAIT_DEPENDENCIES,
    IllegalTransition,
)
from ..exception import JobFenced
from ..job import LIVENESS_LOCK, Job
from ..keys import rules
from ..settle import settlement
from ..storage import dependencies, orm_bypass, row_mapper
from ..storage.insert import insert_many


class RepositoryCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Partner"})

    def job(self, **options):
        return Job(self.partner.write, args=({"name": "x"},), **options)

    def stored(self, *parents, **options):
        job = self.job(**options)
        if parents:
            job.add_depends(set(parents))
        job.store()
        return job

    def claimed(self, state="started", token=3):
        """Return a job as a worker loads it after its start."""
        job = self.stored()
        columns = ", ".join(row_mapper.LOAD_COLUMNS)
        self.env.cr.execute(
            f"UPDATE queue_job SET state = %s, claim_token = %s, lease_id = 1 "
            f"WHERE id = %s RETURNING {columns}",
            [state, token, job.id],
        )
        (row,) = self.env.cr.dictfetchall()
        return Job._from_row(self.env, row)

    def by_orm(self):
        """Make the repository believe that another addon extends the jobs."""
        return mock.patch.object(orm_bypass, "allows", return_value=False)

    def row(self, job):
        self.env.flush_all()
        self.env.cr.execute("SELECT * FROM queue_job WHERE id = %s", [job.id])
        return self.env.cr.dictfetchone()


class TestStore(RepositoryCase):
    def test_sql_and_orm_write_the_same(self):
        options = {
            "eta": datetime(2099, 1, 1),
            "channel": "root.x",
            "description": "D",
            "timeout": 5,
            "notify": True,
        }
        first, second = self.job(**options), self.job(**options)
        second.date_created = first.date_created = datetime(2026, 1, 1)
        first.store()
        with self.by_orm():
            second.store()
        self.assertEqual(
            self.comparable(self.row(first)), self.comparable(self.row(second))
        )
        for job in (first, second):
            job.set_started()
            job.set_done(result=5)
            job.date_started = job.date_done = datetime(2026, 1, 2)
            job.worker_pid = 7
        first.store()
        with self.by_orm():
            second.store()
        self.assertEqual(
            self.comparable(self.row(first)), self.comparable(self.row(second))
        )

    def comparable(self, row):
        """Leave out what differs, and what is empty in one way or another."""
        unique = {"id", "uuid"}
        return {key: val for key, val in row.items() if key not in unique and val}

    def test_the_fast_path_is_open(self):
        self.assertTrue(orm_bypass.allows(self.env, "create"))
        self.assertTrue(orm_bypass.allows(self.env, "write"))

    def test_a_patched_model_closes_the_fast_path(self):
        cls = type(self.env["queue.job"])
        origin = cls.create

        def create(self, vals_list):
            return origin(self, vals_list)

        with mock.patch.object(cls, "create", create):
            self.assertFalse(orm_bypass.allows(self.env, "create"))
            self.assertTrue(orm_bypass.allows(self.env, "write"))
            job = self.stored()
        self.assertTrue(job.db_record())
        self.assertTrue(orm_bypass.allows(self.env, "create"))

    def test_the_hook_of_a_method_comes_first(self):
        cls = type(self.partner)
        cls._job_store_values_for_write = lambda self, job: {"own": 1, "state": "no"}
        self.addCleanup(delattr, cls, "_job_store_values_for_write")
        from ..storage import row_mapper

        self.assertEqual(row_mapper.hook_values(self.job()), {"own": 1})

    def test_search_finds_the_row_at_once(self):
        job = self.stored()
        jobs = self.env["queue.job"]
        self.assertTrue(jobs.search([("uuid", "=", job.uuid), ("state", "=", PENDING)]))

    def test_caches_show_the_truth(self):
        job = self.stored()
        record = job.db_record()
        self.assertEqual(record.state, PENDING)
        job.set_cancelled()
        job.store()
        self.assertEqual(record.state, CANCELLED)

    def test_pending_writes_are_not_lost(self):
        job = self.stored()
        record = job.db_record()
        record.priority = 3
        job.set_started()
        job.priority = 3
        job.store()
        self.assertEqual((record.priority, record.state), (3, STARTED))

    def test_only_changes_are_written(self):
        job = self.stored()
        with self.assertQueryCount(1):  # the read
            job.store()

    def test_unknown_uuid_is_looked_up(self):
        job = self.stored()
        again = self.job(job_uuid=job.uuid, priority=77)
        again.store()
        self.assertEqual(again.id, job.id)
        self.assertEqual(job.db_record().priority, 77)

    def test_a_deleted_row_is_created_again(self):
        job = self.stored()
        self.env.cr.execute("DELETE FROM queue_job WHERE id = %s", [job.id])
        job.store()
        self.assertTrue(job.db_record())

    def test_scheduled(self):
        later = datetime.now() + timedelta(hours=1)
        self.assertTrue(self.stored(eta=later).db_record().scheduled)
        self.assertTrue(self.stored(eta="2099-01-01 00:00:00").db_record().scheduled)
        self.assertFalse(self.stored().db_record().scheduled)
        job = self.stored()
        job.postpone(seconds=60)
        job.set_pending(reset_retry=False)
        job.store()
        self.assertTrue(job.db_record().scheduled)

    def test_failure_goes_through_the_orm(self):
        job = self.stored()
        cls = type(job.db_record())
        with mock.patch.object(cls, "_message_post_on_failure") as post:
            job.set_failed(exc_name="E", exc_message="m\0m", exc_info="i")
            job.store()
            self.env.flush_all()
        post.assert_called()
        loaded = Job.load(self.env, job.uuid)
        self.assertEqual((loaded.exc_name, loaded.exc_message), ("E", r"m\x00m"))
        loaded.store()
        self.assertEqual(job.db_record().exc_name, "E")

    @mute_logger("odoo.addons.queue_job.storage.repository")
    def test_unusual_transitions_are_logged(self):
        job = self.stored()
        job.set_done()
        job.store()
        job.set_started()
        job.store()
        self.assertEqual(job.db_record().state, STARTED)


class Hostile:
    """What a method may return or raise with."""

    def __str__(self):
        raise RuntimeError("no text")

    __bool__ = __eq__ = __repr__ = __str__
    __hash__ = object.__hash__


@mute_logger("odoo.tools.translate")  # misses the language of the lazy text
class TestTexts(RepositoryCase):
    """Whatever a job says, its row can be written."""

    #: value, and what is in the column
    VALUES = [
        ("nul \0 and \udcff", "nul \\x00 and \\udcff"),
        (Hostile(), "<unprintable Hostile object: RuntimeError>"),
        (b"\0", r"b'\x00'"),
        (Markup("<b>\0</b>"), "<b>\\x00</b>"),
        (LazyGettext("Draft", _module="base"), "Draft"),
    ]

    def test_texts_are_cleaned(self):
        for value, expected in self.VALUES:
            for path in (nullcontext, self.by_orm):
                job = self.stored()
                job.set_failed(exc_name=value, exc_message=value, exc_info=value)
                job.result = value
                with path():
                    job.store()
                row = self.row(job)
                for name in ("exc_name", "exc_message", "exc_info", "result"):
                    self.assertEqual(row[name], expected, name)

    def test_texts_are_cut(self):
        value = "begin" + "x" * 1_000_000 + "end"
        job = Job(self.partner.write, args=(value,), description=value)
        job.set_failed(exc_name=value, exc_message=value, exc_info=value)
        job.result = value
        job.store()
        row = self.row(job)
        longest = {
            "name": texts.DESCRIPTION,
            "func_string": texts.FUNC_STRING,
            "exc_name": texts.EXC_NAME,
            "exc_message": texts.EXC_MESSAGE,
            "exc_info": texts.EXC_INFO,
            "result": texts.RESULT,
        }
        for name, length in longest.items():
            self.assertLessEqual(len(row[name]), length, name)
            self.assertIn("characters left out", row[name], name)

    def test_the_arguments_are_kept_whole(self):
        value = "begin\0\udcff" + "x" * 100_000
        job = Job(self.partner.write, args=(value,))
        job.store()
        self.assertEqual(Job.load(self.env, job.uuid).args, (value,))

    def test_the_counter_has_an_end(self):
        job = self.stored()
        job.retry = 2**31 + 5
        job.store()
        self.assertEqual(self.row(job)["retry"], 2**31 - 1)

    def test_a_delay_that_no_calendar_has(self):
        job = self.stored()
        with self.assertLogs("odoo.addons.queue_job.core.retry", "WARNING") as logs:
            job.postpone(result="later", seconds=10**12)
        self.assertIn(job.uuid, logs.output[0])
        job.store()
        self.assertGreater(self.row(job)["eta"], job.date_created + timedelta(3600))

    def test_the_history(self):
        for value, expected in [*self.VALUES, (None, None), ("", None)]:
            job = self.stored()
            job.retry = 2**31
            values = row_mapper.attempt_values(job, "failed", value, value)
            self.env.cr.execute(settlement.RECORD_ATTEMPT, values)
            attempt = self.env["queue.job.attempt"].search([("job_id", "=", job.id)])
            self.assertEqual(attempt.message or None, expected)
            self.assertEqual(attempt.exc_name or None, expected)
            self.assertEqual(attempt.number, 2**31 - 1)

    def test_the_longest_keys_fit_into_their_indexes(self):
        def odd(length):  # what takes four bytes and is not compressed
            return "".join(chr(randrange(0x20000, 0x2A000)) for _i in range(length))

        identity = odd(option_values.LONGEST_IDENTITY_KEY // 4)
        job = self.job(
            channel="root." + odd(option_values.LONGEST_CHANNEL - 5),
            identity_key=identity,
            sequence_key=odd(rules.LONGEST_KEY),
        )
        job.store()
        self.assertEqual(self.row(job)["identity_slot"], identity)
        for change in (
            job.set_failed,
            job.set_done,
            job.set_cancelled,
            job.set_pending,
        ):
            with mute_logger("odoo.addons.queue_job.storage.repository"):
                change()
                job.store()
        self.assertEqual(self.row(job)["state"], "pending")

    def test_keys_that_no_index_takes_are_refused_before_anything_is_written(self):
        self.job()  # reads the configuration of the function
        for value in ("\0", "\udcff", "x" * 5000, 12):
            for name in ("identity_key", "sequence_key", "channel"):
                given = value if name == "channel" else lambda job, value=value: value
                with self.subTest(name, value=value), self.assertQueryCount(0):
                    with self.assertRaisesRegex(ValueError, f"option {name}="):
                        self.job(**{name: given}).store()


class TestFence(RepositoryCase):
    def test_done(self):
        for context in (mock.MagicMock(), self.by_orm()):
            with self.subTest(context=context), context:
                job = self.claimed()
                job.set_done(result="ok")
                job.store()
                record = job.db_record()
                self.assertEqual((record.state, record.result), (DONE, "ok"))
                self.assertFalse(record.lease_id)

    def test_one_statement(self):
        job = self.claimed()
        job.set_done()
        with self.assertQueryCount(1):
            job.store()

    def test_a_later_claim_wins(self):
        for context in (mock.MagicMock(), self.by_orm()):
            with self.subTest(context=context), context:
                job = self.claimed()
                self.env.cr.execute(
                    "UPDATE queue_job SET claim_token = 4 WHERE id = %s", [job.id]
                )
                job.set_done()
                with self.assertRaisesRegex(JobFenced, job.uuid):
                    job.store()

    def test_a_changed_state_wins(self):
        job = self.claimed()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'cancelled' WHERE id = %s", [job.id]
        )
        job.set_failed(exc_name="E")
        with self.assertRaises(JobFenced):
            job.store()

    def test_illegal_transitions_are_refused(self):
        job = self.claimed(state=DONE)
        job.set_started()
        with self.assertRaises(IllegalTransition):
            job.store()


class TestDependencies(RepositoryCase):
    def finish(self, job, method="set_done"):
        getattr(job, method)()
        job.store()

    def state(self, job):
        return job.db_record().state

    def test_released_by_the_last_parent(self):
        parents = [self.stored() for _number in range(3)]
        child = self.stored(*parents)
        for parent in parents:
            self.assertEqual(self.state(child), WAIT_DEPENDENCIES)
            self.finish(parent)
            parent.enqueue_waiting()
        self.assertEqual(self.state(child), PENDING)

    def test_released_through_the_orm(self):
        parent = self.stored()
        child = self.stored(parent)
        self.finish(parent)
        cls = type(child.db_record())
        with self.by_orm(), mock.patch.object(cls, "write", autospec=True) as write:
            parent.enqueue_waiting()
        write.assert_called_once_with(mock.ANY, {"state": PENDING})

    def test_cancelled_with_the_parent(self):
        parent = self.stored()
        child = self.stored(parent)
        grandchild = self.stored(child)
        self.finish(parent, "set_cancelled")
        parent.cancel_dependent_jobs()
        for job in (child, grandchild):
            record = job.db_record()
            self.assertEqual(record.state, CANCELLED)
            self.assertEqual(
                record.result, "Cancelled because a job it depends on was cancelled"
            )
            self.assertEqual(record.date_cancelled, parent.db_record().date_cancelled)

    def test_code_and_users_cancel_the_same_children(self):
        by_code = self.tree()
        self.finish(by_code[0], "set_cancelled")
        by_code[0].cancel_dependent_jobs()
        by_user = self.tree()
        by_user[0].db_record()._change_job_state(CANCELLED)
        found = [
            [(job.db_record().state, job.db_record().result) for job in jobs[1:]]
            for jobs in (by_code, by_user)
        ]
        self.assertEqual(found[0], found[1])
        self.assertEqual(
            [state for state, _result in found[0]],
            [CANCELLED, CANCELLED, PENDING, CANCELLED, STARTED, PENDING],
        )

    def tree(self):
        """Return a job, then what depends on it, as the test above expects it."""
        root = self.stored()
        child = self.stored(root)
        grandchild = self.stored(child)
        always, failed, behind = self.job(), self.job(), self.job()
        always.add_depends({root}, condition="always")
        failed.add_depends({child}, condition="failed")
        behind.add_depends({grandchild}, condition="always")
        started = self.stored(root)
        for job in (always, failed, behind):
            job.store()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'started' WHERE id = %s", [started.id]
        )
        return [root, child, grandchild, always, failed, started, behind]

    def test_started_children_are_left_alone(self):
        parent = self.stored()
        child = self.stored(parent)
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'started' WHERE id = %s", [child.id]
        )
        self.finish(parent, "set_cancelled")
        parent.cancel_dependent_jobs()
        self.assertEqual(self.state(child), STARTED)

    def conditional(self, condition):
        parent = self.stored()
        child = self.job()
        child.add_depends({parent}, condition=condition)
        child.store()
        self.assertEqual(self.state(child), WAIT_DEPENDENCIES)
        return parent, child

    def test_conditions(self):
        cases = [
            ("done", "set_done", PENDING),
            ("done", "set_failed", WAIT_DEPENDENCIES),
            ("failed", "set_failed", PENDING),
            ("failed", "set_done", CANCELLED),
            ("failed", "set_cancelled", CANCELLED),
            ("always", "set_done", PENDING),
            ("always", "set_failed", PENDING),
            ("always", "set_cancelled", PENDING),
        ]
        for condition, method, expected in cases:
            with self.subTest(condition=condition, method=method):
                parent, child = self.conditional(condition)
                self.finish(parent, method)
                parent.enqueue_waiting()
                self.assertEqual(self.state(child), expected)

    def test_what_cannot_run_cancels_its_own_children(self):
        parent, child = self.conditional("failed")
        grandchild = self.stored(child)
        self.finish(parent)
        parent.enqueue_waiting()
        self.assertEqual(self.state(grandchild), CANCELLED)
        self.assertIn("there was none", child.db_record().result)

    def test_repair(self):
        parent = self.stored()
        child = self.stored(parent)
        other = self.stored(self.stored())
        self.finish(parent)
        self.env.flush_all()
        released, _next = dependencies.repair_releases(self.env.cr)
        self.assertIn(child.id, released)
        self.assertNotIn(other.id, released)

    def test_requeued_behind_its_parents(self):
        parent = self.stored()
        child = self.stored(parent)
        loaded = Job.load(self.env, child.uuid)
        loaded.set_pending()
        self.assertEqual(loaded.state, WAIT_DEPENDENCIES)
        self.finish(parent)
        loaded = Job.load(self.env, child.uuid)
        loaded.set_pending()
        self.assertEqual(loaded.state, PENDING)

    def test_edges_wait_for_both_ends(self):
        parent, child = self.job(), self.job()
        child.add_depends({parent})
        child.store()
        parent.store()
        self.assertEqual(child.db_record().dependency_ids, parent.db_record())

    def test_many_parents(self):
        parents = [self.job() for _number in range(300)]
        child = self.job()
        child.add_depends(set(parents))
        insert_many(self.env, [*parents, child])
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'done' WHERE id = ANY(%s)",
            [[parent.id for parent in parents]],
        )
        parents[0].enqueue_waiting()
        self.assertEqual(self.state(child), PENDING)


class TestLocks(RepositoryCase):
    def test_lock(self):
        job = self.stored()
        self.assertFalse(job.lock(), "it is not started")
        job.set_started()
        job.store()
        self.assertTrue(job.lock())
        self.env.cr.execute(
            """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
               AND classid = %s AND objid = %s""",
            [LIVENESS_LOCK, job.id],
        )
        self.assertEqual(self.env.cr.fetchone()[0], 1)

    def test_lock_record(self):
        job = self.stored()
        job.add_lock_record()
        job.add_lock_record()
        locks = self.env["queue.job.lock"].search([("queue_job_id", "=", job.id)])
        self.assertEqual(locks.ids, [job.id])
        self.job().add_lock_record()  # not stored: nothing to lock
