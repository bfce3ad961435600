# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The helpers for tests, used as another addon uses them."""

import doctest
import types
from datetime import datetime, timedelta
from unittest import TestSuite, mock

from odoo.tests import TransactionCase
from odoo.tools import mute_logger

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.exception import RetryableJobError
from odoo.addons.queue_job.job import identity_exact

from . import common, drain, matching, trap
from .common import ANY, JobMixin, containing, having, mock_with_delay, trap_jobs

CONTROLLER_LOGGER = "odoo.addons.queue_job.controllers.main"


class CommonCase(JobMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Nobody"})

    def drain_new(self, **options):
        """Drain the jobs of this test, not what the database held before."""
        return self.drain(self.counter, **options)

    def setUp(self):
        super().setUp()
        self.counter = self.job_counter()

    def job_method(self, function):
        """Give partners a method `testing` for a while."""
        return mock.patch.object(type(self.partner), "testing", function, create=True)


class TestTrap(CommonCase):
    def test_nothing_is_stored(self):
        with self.trap_jobs() as trap:
            job = self.partner.with_delay().write({"name": "Ada"})
            self.partner.delayable().write({"name": "Bob"}).delay()
        self.assertEqual(self.counter.count_created(), 0)
        self.assertFalse(job.db_record())
        trap.assert_jobs_count(2)
        self.assertEqual(len(trap.calls), 2)

    def test_count_of_one_method(self):
        other = self.partner.copy()
        with trap_jobs() as trap:
            self.partner.with_delay().write({})
            other.with_delay().write({})
            other.with_delay().unlink()
        trap.assert_jobs_count(1, only=self.partner.write)
        self.assertEqual(trap.jobs_count(only=other.unlink), 1)
        self.assertEqual(trap.jobs_count(only=(self.partner | other).write), 0)
        with self.assertRaisesRegex(AssertionError, "0 != 1"):
            trap.assert_jobs_count(1, only=self.partner.unlink)

    def test_arguments_are_compared_exactly(self):
        with trap_jobs() as trap:
            self.partner.with_delay(priority=3).write({"name": "Ada"})
        trap.assert_enqueued_job(self.partner.write, args=({"name": "Ada"},))
        trap.assert_enqueued_job(
            self.partner.write, args=({"name": "Ada"},), properties={"priority": 3}
        )
        for wrong in (
            {},
            {"args": ({"name": "Bob"},)},
            {"args": ({"name": "Ada"},), "kwargs": {"x": 1}},
            {"args": ({"name": "Ada"},), "properties": {"priority": 4}},
            {"args": ({"name": "Ada"},), "properties": {"unknown": None}},
        ):
            with self.subTest(wrong=wrong), self.assertRaises(AssertionError):
                trap.assert_enqueued_job(self.partner.write, **wrong)

    def test_message_shows_what_was_enqueued(self):
        partners = self.env["res.partner"]
        with trap_jobs() as trap:
            partners.with_delay(channel="root.x", priority=2).search([], limit=1)
        expected = (
            r"Job <res\.partner\(\)>\.search\(\[\], limit=2\) with properties "
            r"\(priority=1, channel=root\.x\) was not enqueued\.\n"
            r"Actual enqueued jobs:\n"
            r" \* <res\.partner\(\)>\.search\(\[\], limit=1\) with properties "
            r"\(priority=2, channel=root\.x\)$"
        )
        with self.assertRaisesRegex(AssertionError, expected):
            trap.assert_enqueued_job(
                partners.search,
                args=([],),
                kwargs={"limit": 2},
                properties={"priority": 1, "channel": "root.x"},
            )

    def test_arguments_by_shape(self):
        partners = self.env["res.partner"]
        with trap_jobs() as trap:
            partners.with_delay(eta=60).search([("id", "in", [3])], limit=1, order="id")
        for shape in (
            {"args": ANY, "kwargs": ANY},
            {"args": (list,), "kwargs": having(limit=1)},
            {"args": lambda args: len(args) == 1, "kwargs": having(order=str)},
            {"args": ([("id", "in", [ANY])],), "kwargs": {"limit": int, "order": ANY}},
            {"args": (containing(tuple),), "kwargs": having()},
            {"args": ANY, "kwargs": ANY, "properties": {"eta": lambda eta: eta > 1}},
        ):
            with self.subTest(shape=shape):
                trap.assert_enqueued_job(partners.search, **shape)
        for shape in (
            {"args": ANY},
            {"args": (dict,), "kwargs": ANY},
            {"args": ANY, "kwargs": having(offset=ANY)},
            {"args": ANY, "kwargs": having(limit=lambda limit: limit > 1)},
        ):
            with self.subTest(shape=shape), self.assertRaises(AssertionError):
                trap.assert_enqueued_job(partners.search, **shape)

    def test_refute(self):
        with trap_jobs() as trap:
            self.partner.with_delay(priority=3).write({"name": "Ada"})
        trap.refute_enqueued_job(self.partner.unlink)
        trap.refute_enqueued_job(self.partner.copy().write)
        trap.refute_enqueued_job(self.partner.write, args=({"name": "Bob"},))
        trap.refute_enqueued_job(self.partner.write, properties={"priority": 4})
        with self.assertRaisesRegex(AssertionError, r"was enqueued.*\n.*\n.*'Ada'"):
            trap.refute_enqueued_job(self.partner.write)

    def test_identity_key_is_enqueued_once_until_it_runs(self):
        def delay():
            self.partner.with_delay(identity_key=identity_exact).write({"name": "Ada"})

        with trap_jobs() as trap:
            delay()
            delay()
            trap.assert_jobs_count(1)
            self.assertEqual(len(trap.calls), 2)
            trap.assert_enqueued_job(
                self.partner.write,
                args=ANY,
                properties={"identity_key": identity_exact},
            )
            trap.perform_enqueued_jobs()
            trap.assert_jobs_count(0)
            delay()
            trap.assert_jobs_count(1)

    def test_perform_in_order_of_priority_and_graph(self):
        names = []

        def job(name, priority=10):
            return self.partner.delayable(priority=priority).testing(name)

        with self.job_method(lambda partner, name: names.append(name)):
            with trap_jobs() as trap:
                chain(job("a", 9), group(job("b", 99), job("b", 1)), job("c")).delay()
                job("late", 20).delay()
                job("early", 5).delay()
                trap.perform_enqueued_jobs()
        self.assertEqual(names, ["early", "late", "a", "b", "b", "c"])

    def test_jobs_enqueued_by_jobs_wait_for_the_next_run(self):
        def testing(partner, depth):
            if depth:
                partner.with_delay().testing(depth - 1)

        with self.job_method(testing), trap_jobs() as trap:
            self.partner.with_delay().testing(1)
            trap.perform_enqueued_jobs()
            trap.assert_enqueued_job(self.partner.testing, args=(0,))
            trap.perform_enqueued_jobs()
            trap.assert_jobs_count(0)

    def test_errors_propagate(self):
        with trap_jobs() as trap:
            self.partner.with_delay().write({"no_such_field": 1})
            with self.assertRaises(ValueError):
                trap.perform_enqueued_jobs()

    def test_context_is_the_one_of_a_stored_job(self):
        contexts = []

        def testing(partner):
            contexts.append(dict(partner.env.context))

        partner = self.partner.with_context(lang="en_US", default_x=1, other=object())
        with self.job_method(testing), trap_jobs() as trap:
            job = partner.with_delay().testing()
            trap.perform_enqueued_jobs()
        self.assertEqual(contexts, [{"lang": "en_US", "job_uuid": job.uuid}])

    def test_argument_that_cannot_be_serialised(self):
        with trap_jobs():
            with self.assertRaisesRegex((AssertionError, TypeError), "object"):
                self.partner.with_delay().write({"name": object()})

    def test_round_trip_switched_off(self):
        unserialisable = types.SimpleNamespace()
        with trap_jobs(json_round_trip=False) as trap:
            self.partner.with_delay().write(unserialisable)
        trap.assert_enqueued_job(self.partner.write, args=(unserialisable,))


class TestDrain(CommonCase):
    def test_job_is_done(self):
        job = self.partner.with_delay().write({"name": "Ada"})
        result = self.drain_new()
        self.assertEqual(self.partner.name, "Ada")
        self.assertEqual(result.done, job.db_record())
        self.assertFalse(result.failed | result.cancelled | result.waiting)
        self.assertEqual(result.attempts, [job.uuid])
        self.assertEqual(result.elapsed, timedelta())
        self.assertEqual(job.db_record().retry, 1)
        self.assertTrue(job.db_record().date_done)

    def test_order(self):
        jobs = [
            self.partner.with_delay(priority=priority, eta=eta).write({})
            for priority, eta in ((20, None), (10, None), (1, 60), (99, 30))
        ]
        expected = [jobs[i].uuid for i in (1, 0, 3, 2)]
        self.assertEqual(self.drain_new().attempts, expected)

    def test_due_date_under_a_fake_clock(self):
        moments = []
        before = datetime.now()
        with self.job_method(lambda partner: moments.append(datetime.now())):
            self.partner.with_delay(eta=7200).testing()
            self.partner.with_delay(eta=3600).testing()
            result = self.drain_new()
        self.assertLess(datetime.now() - before, timedelta(minutes=5))
        hours = [round((moment - before) / timedelta(hours=1), 1) for moment in moments]
        self.assertEqual(hours, [1, 2])
        self.assertAlmostEqual(result.elapsed / timedelta(hours=1), 2, 1)

    def test_due_dates_not_followed(self):
        job = self.partner.with_delay(eta=3600).write({})
        self.partner.with_delay().write({})
        result = self.drain_new(follow_due_dates=False)
        self.assertEqual(len(result.done), 1)
        self.assertEqual(result.waiting, job.db_record())

    def test_retries(self):
        attempts = []

        def testing(partner):
            attempts.append(datetime.now())
            if len(attempts) < 3:
                raise RetryableJobError("not yet", seconds=600)

        with self.job_method(testing):
            job = self.partner.with_delay().testing()
            result = self.drain_new()
        self.assertEqual(result.done, job.db_record())
        self.assertEqual(result.done.retry, 3)
        self.assertAlmostEqual((attempts[2] - attempts[0]).total_seconds(), 1200, -2)

    @mute_logger(CONTROLLER_LOGGER)
    def test_retries_are_limited(self):
        def testing(partner):
            raise RetryableJobError("never")

        with self.job_method(testing):
            job = self.partner.with_delay(max_retries=2).testing()
            result = self.drain_new()
        self.assertEqual(result.attempts, [job.uuid] * 2)
        self.assertEqual(result.failed, job.db_record())

    @mute_logger(CONTROLLER_LOGGER)
    def test_failure_undoes_its_own_work_only(self):
        def testing(partner, ref):
            partner.ref = ref
            partner.flush_recordset()
            if ref == "bad":
                raise ValueError("no")

        with self.job_method(testing):
            good = self.partner.with_delay().testing("good")
            bad = self.partner.with_delay().testing("bad")
            result = self.drain_new()
        self.assertEqual(self.partner.ref, "good")
        self.assertEqual(result.done, good.db_record())
        self.assertEqual(result.failed, bad.db_record())
        self.assertEqual(result.failed.exc_name, "ValueError")
        self.assertEqual(result.failed.exc_message, "no")

    @mute_logger(CONTROLLER_LOGGER)
    def test_failures_are_raised_if_asked(self):
        job = self.partner.with_delay().write({"no_such_field": 1})
        with self.assertRaisesRegex(ValueError, "no_such_field"):
            self.drain_new(raise_failures=True)
        self.assertEqual(job.db_record().state, "failed")

    def test_work_committed_before_a_failure_stays(self):
        def testing(partner):
            partner.ref = "first"
            partner.env.cr.commit()
            partner.ref = "second"
            partner.flush_recordset()
            raise ValueError("no")

        with self.job_method(testing), mute_logger(CONTROLLER_LOGGER):
            self.partner.with_delay().testing()
            result = self.drain_new()
        self.assertEqual(self.partner.ref, "first")
        self.assertEqual(len(result.failed), 1)

    def test_dependents_run_after_their_parents(self):
        names = []
        with self.job_method(lambda partner, name: names.append(name)):
            job = self.partner.delayable
            chain(
                job().testing("a"),
                group(job().testing("b"), job(priority=1).testing("b")),
                job(priority=1).testing("c"),
            ).delay()
            result = self.drain_new()
        self.assertEqual(names, ["a", "b", "b", "c"])
        self.assertEqual(len(result.done), 4)

    def test_jobs_of_jobs_run(self):
        def testing(partner, depth):
            if depth:
                partner.with_delay().testing(depth - 1)

        with self.job_method(testing):
            self.partner.with_delay().testing(3)
            self.assertEqual(len(self.drain_new().done), 4)

    def test_endless_jobs_are_noticed(self):
        def testing(partner):
            partner.with_delay().testing()

        with self.job_method(testing):
            self.partner.with_delay().testing()
            with self.assertRaisesRegex(AssertionError, "still run after 5 attempts"):
                self.drain_new(limit=5)

    def test_ignored_jobs_stay(self):
        job = self.partner.with_delay().write({})
        self.drain(self.job_counter())
        self.assertEqual(job.db_record().state, "pending")


class TestOtherHelpers(CommonCase):
    def test_counter(self):
        self.partner.with_delay().write({})
        counter = self.job_counter()
        before = counter.count_existing()
        job = self.partner.with_delay().write({})
        self.assertEqual(counter.count_created(), 1)
        self.assertEqual(counter.search_created(), job.db_record())
        self.assertEqual(counter.count_existing(), before)
        self.assertEqual(counter.count_all(), before + 1)
        self.assertEqual(counter.search_all() - job.db_record(), counter.existing)

    def test_perform_jobs(self):
        self.partner.with_delay().write({"name": "Ada"})
        self.partner.with_delay().write({"name": "Bob"})
        self.perform_jobs(self.counter)
        self.assertEqual(self.partner.name, "Bob")
        states = self.counter.search_created().mapped("state")
        self.assertEqual(states, ["pending"] * 2)

    def test_mock_with_delay(self):
        with mock_with_delay() as (delayable_cls, delayable):
            self.partner.with_delay(priority=3).write({"name": "Ada"})
        expected = mock.call(
            self.partner,
            priority=3,
            eta=None,
            max_retries=None,
            description=None,
            channel=None,
            identity_key=None,
        )
        self.assertEqual(delayable_cls.call_args, expected)
        delayable.write.assert_called_once_with({"name": "Ada"})
        self.assertEqual(self.counter.count_created(), 0)

    def test_examples_in_docstrings(self):
        for module in (matching, trap, drain):
            with self.subTest(module=module.__name__):
                self.drain_new()
                common.assert_doctests(module, env=self.env, partner=self.partner)

    def test_wrong_example_is_reported(self):
        module = types.ModuleType("wrong")
        module.__doc__ = ">>> 1 + x\n3"
        common.assert_doctests(module, x=2)
        with self.assertRaisesRegex(AssertionError, "Got:\n    2"):
            common.assert_doctests(module, x=1)

    def test_load_doctests(self):
        load_tests = common.load_doctests(matching)
        cases = list(load_tests(None, TestSuite(), None))
        self.assertTrue(cases)
        for seq, case in enumerate(cases):
            self.assertIsInstance(case, common.OdooDocTestCase)
            self.assertIsInstance(case, doctest.DocTestCase)
            self.assertEqual(case.test_sequence, seq)
            self.assertEqual(
                case.test_tags, {"standard", "at_install", "queue_job", "doctest"}
            )
