# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""trap_jobs, used as another addon uses it."""

import types
from datetime import datetime

from lxml import etree

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.job import identity_exact

from .common import ANY, containing, having, trap_jobs
from .helper_case import HelperCase


class TestTrap(HelperCase):
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
            with self.assertRaises(KeyError):
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
        with trap_jobs() as trap:
            with self.assertRaisesRegex(TypeError, "object"):
                self.partner.with_delay().write({"name": object()})
        trap.assert_jobs_count(0)
        self.assertFalse(trap.calls)

    def test_argument_that_comes_back_different(self):
        node = etree.Element("node")  # equal to itself alone
        with trap_jobs() as trap:
            self.partner.with_delay().write(node)
        trap.assert_enqueued_job(self.partner.write, args=(node,))
        with trap_jobs(json_round_trip="strict"):
            self.partner.with_delay().write({1: (self.partner, [datetime.now()])})
            with self.assertRaisesRegex(AssertionError, r"would be called with.*node"):
                self.partner.with_delay().write(node)

    def test_round_trip_switched_off(self):
        unserialisable = types.SimpleNamespace()
        with trap_jobs(json_round_trip=False) as trap:
            self.partner.with_delay().write(unserialisable)
        trap.assert_enqueued_job(self.partner.write, args=(unserialisable,))
