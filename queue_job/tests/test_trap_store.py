# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A trapped job is the one that would be stored and loaded."""

from datetime import datetime, timedelta, timezone
from unittest import mock

from odoo.exceptions import UserError
from odoo.fields import Command

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.exception import NothingToDoJob
from odoo.addons.queue_job.job import Job, identity_exact

from .common import trap_jobs
from .helper_case import HelperCase

ACTION = {"type": "ir.actions.act_window", "res_model": "res.partner"}


class TestTrapStored(HelperCase):
    """What goes through the store, and how it is compared."""

    def seen(self, *args, **kwargs):
        """Return the arguments with which a trapped job calls its method."""
        found = []
        with self.job_method(lambda partner, *a, **k: found.append((a, k))):
            with trap_jobs() as trap:
                self.partner.with_delay().testing(*args, **kwargs)
            trap.perform_enqueued_jobs()
            trap.assert_enqueued_job(self.partner.testing, args=args, kwargs=kwargs)
            stored = self.partner.with_delay().testing(*args, **kwargs)
            Job.load(self.env, stored.uuid).perform()
        trapped, loaded = found
        self.assertEqual(repr(trapped), repr(loaded))
        return trapped

    def test_arguments_are_those_of_the_stored_job(self):
        aware = datetime(2026, 1, 1, tzinfo=timezone.utc)
        args, kwargs = self.seen(
            (1, [2]), {1: "int"}, Command.link(3), aware, day=aware.date()
        )
        self.assertEqual(args[:2], ((1, [2]), {1: "int"}))
        self.assertIs(type(args[2][0]), int)
        self.assertEqual(kwargs["day"], aware.date())

    def test_records_have_the_context_and_rights_of_the_stored_job(self):
        partner = self.partner.sudo().with_context(lang="en_US", other=1)
        args, _kwargs = self.seen(partner)
        self.assertEqual(dict(args[0].env.context), {"lang": "en_US"})
        self.assertTrue(args[0].env.su)
        self.assertEqual(args[0].env.cr, self.env.cr)

    def test_records_that_cannot_be_stored(self):
        new = self.env["res.partner"].new({"name": "x"})
        with trap_jobs() as trap:
            with self.assertRaisesRegex(TypeError, "records of .* is not saved"):
                new.with_delay().write({})
        self.assertFalse(trap.calls)

    def test_what_is_done_to_the_arguments_later(self):
        values = {"name": "Ada"}
        with trap_jobs() as trap:
            self.partner.with_delay().write(values)
            values["name"] = "Bob"
        trap.assert_enqueued_job(self.partner.write, args=({"name": "Ada"},))
        trap.refute_enqueued_job(self.partner.write, args=({"name": "Bob"},))
        trap.perform_enqueued_jobs()
        self.assertEqual(self.partner.name, "Ada")

    def test_the_job_knows_its_channel_and_function(self):
        functions = self.env["queue.job.function"]
        functions.create(
            {
                "model_id": self.env.ref("base.model_res_partner").id,
                "method": "write",
                "channel_id": self.env.ref("queue_job.channel_low").id,
                "edit_retry_pattern": "{1: 60}",
            }
        )
        with trap_jobs() as trap:
            job = self.partner.with_delay().write({})
        self.assertEqual(job.channel, "root.low")
        self.assertEqual(job.job_config.retry_pattern, {1: 60})
        trap.assert_enqueued_job(
            self.partner.write, args=({},), properties={"channel": "root.low"}
        )
        with self.assertRaisesRegex(AssertionError, r"\n.*\n.*channel=root.low"):
            trap.assert_enqueued_job(
                self.partner.write, args=({},), properties={"channel": "root"}
            )

    def test_properties_as_given_and_as_stored(self):
        options = {
            "priority": "high",
            "eta": 60,
            "identity_key": identity_exact,
            "timeout": 1.5,
            "sequence_key": lambda job: 42,
            "expires": timedelta(hours=1),
            "skip_if_missing": 1,
        }
        with trap_jobs() as trap:
            job = self.partner.with_delay(**options).write({})
        stored = {
            "priority": 1,
            "eta": job.eta,
            "identity_key": job.identity_key,
            "timeout": 1,
            "sequence_key": "42",
            "expires": job.options["expires"],
            "skip_if_missing": True,
            "max_retries": 5,
            "description": job.description,
            "channel": "root",
        }
        alike = {
            "eta": timedelta(minutes=1),
            "countdown": 60,
            "expires": 3600,
            "sequence_key": 42,
            "description": lambda text: text == job.description,
        }
        for properties in (options, stored, alike):
            for name, value in properties.items():
                with self.subTest(name, value=value):
                    self.assert_has(trap, name, value)
        wrong = {
            "priority": "low",
            "eta": 120,
            "identity_key": "other",
            "timeout": 2,
            "sequence_key": 43,
            "expires": 60,
            "channel": "root.low",
            "notify": True,
            "max_retries": "many",
        }
        for name, value in wrong.items():
            with self.subTest(name, value=value), self.assertRaises(AssertionError):
                self.assert_has(trap, name, value)

    def assert_has(self, trap, name, value):
        trap.assert_enqueued_job(
            self.partner.write, args=({},), properties={name: value}
        )


class TestTrapKeys(HelperCase):
    """Which calls are the same job."""

    def delay(self, name="Ada", **options):
        options.setdefault("identity_key", "key")
        return self.partner.with_delay(**options).write({"name": name})

    def test_the_second_call_gives_the_same_job(self):
        with trap_jobs() as trap:
            first, second, other = self.delay(), self.delay("Bob"), self.delay("C")
            self.assertIs(first, second)
            self.assertIs(other, first)
            trap.assert_jobs_count(1)
            self.assertIsNot(self.delay(identity_key="other"), first)
            self.assertEqual(len(trap.calls), 4)

    def test_a_stored_job_of_before_is_none_of_the_trap(self):
        self.delay()
        with trap_jobs() as trap:
            job = self.delay()
            trap.assert_jobs_count(1)
        self.assertIsInstance(job, Job)

    def test_the_key_in_a_graph(self):
        with trap_jobs() as trap:
            waiting = self.delay("first")
            call = self.partner.delayable
            first = call(identity_key="key").write({"name": "again"})
            second = call(identity_key="key").write({"name": "second"})
            chain(first, call().write({"name": "last"})).delay()
            self.assertIs(first._generated_job, waiting)
            trap.assert_jobs_count(2)
            chain(call().write({"ref": "before"}), second).delay()
            trap.perform_enqueued_jobs()
        self.assertEqual(self.partner.name, "last")

    def test_a_chain_of_calls_with_one_key(self):
        with trap_jobs() as trap:
            call = self.partner.delayable
            chain(
                call(identity_key="key").write({"name": "Ada"}),
                call(identity_key="key").write({"name": "Bob"}),
            ).delay()
            trap.assert_jobs_count(2)
            trap.perform_enqueued_jobs()
        self.assertEqual(self.partner.name, "Bob")

    def test_until_when_the_key_is_held(self):
        for scope, count in (("start", 1), ("done", 0)):

            def testing(partner, again, scope=scope):
                if again:
                    key = {"identity_key": "key", "identity_scope": scope}
                    partner.with_delay(**key).testing(again=False)

            with self.subTest(scope), self.job_method(testing), trap_jobs() as trap:
                self.partner.with_delay(
                    identity_key="key", identity_scope=scope
                ).testing(again=True)
                self.assertEqual(len(trap.perform_enqueued_jobs()), count)

    def test_a_job_that_still_waits_holds_its_key(self):
        def testing(partner, again):
            if again:
                self.delay()

        with self.job_method(testing), trap_jobs() as trap:
            self.partner.with_delay(priority=1).testing(again=True)
            self.delay(priority=2)
            trap.perform_enqueued_jobs()
            trap.assert_jobs_count(0)


class TestTrapRollback(HelperCase):
    """What is rolled back takes its jobs with it."""

    def delay(self):
        return self.partner.with_delay(identity_key="key").write({})

    def test_a_savepoint(self):
        with trap_jobs() as trap:
            kept = self.partner.with_delay().write({})
            with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
                self.delay()
                trap.assert_jobs_count(2)
                raise ZeroDivisionError
            self.assertEqual(trap.enqueued_jobs, [kept])
            self.assertEqual(len(trap.calls), 1)
            self.delay()  # the key is free again
            trap.assert_jobs_count(2)

    def test_a_savepoint_that_is_kept(self):
        with trap_jobs() as trap:
            with self.env.cr.savepoint():
                self.delay()
            trap.assert_jobs_count(1)

    def test_savepoints_in_savepoints(self):
        with trap_jobs() as trap, self.env.cr.savepoint() as outer:
            self.delay()
            with self.env.cr.savepoint():
                self.partner.with_delay().write({})
            trap.assert_jobs_count(2)
            outer.rollback()
            trap.assert_jobs_count(0)
            self.delay()
            trap.assert_jobs_count(1)

    def test_an_error_that_undoes_the_request(self):
        with trap_jobs() as trap, self.assertRaises(UserError):
            self.delay()
            raise UserError("no")
        trap.assert_jobs_count(0)

    def test_another_transaction(self):
        with trap_jobs() as trap, self.enter_registry_test_mode():
            with self.registry.cursor() as cr:
                self.partner.with_env(self.env(cr=cr)).with_delay().write({})
                cr.rollback()
            trap.assert_jobs_count(0)
            with self.registry.cursor() as cr:
                self.partner.with_env(self.env(cr=cr)).with_delay().write({})
            trap.assert_jobs_count(1)

    def test_a_job_apart_stays(self):
        with trap_jobs() as trap:
            with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
                self.partner.with_delay_apart().write({"ref": "noted"})
                raise ZeroDivisionError
            trap.assert_jobs_count(1)
            trap.perform_enqueued_jobs()
        self.assertEqual(self.partner.ref, "noted")


class TestTrapPerform(HelperCase):
    """What comes of trapped jobs."""

    def test_until_empty(self):
        def testing(partner, depth):
            if depth:
                partner.with_delay().testing(depth - 1)

        with self.job_method(testing), trap_jobs() as trap:
            self.partner.with_delay().testing(3)
            (left,) = trap.perform_enqueued_jobs()
            self.assertEqual(left.args, (2,))
            self.assertEqual(trap.perform_enqueued_jobs(until_empty=True), [])
            self.assertEqual(len(trap.calls), 4)

    def test_endless_jobs_are_told(self):
        with self.job_method(lambda partner: partner.with_delay().testing()):
            with trap_jobs() as trap:
                self.partner.with_delay().testing()
                expected = r"after 7 were performed:\n \* res.partner.*testing"
                with self.assertRaisesRegex(AssertionError, expected):
                    trap.perform_enqueued_jobs(until_empty=True, limit=7)

    def test_nothing_to_do(self):
        def testing(partner, why):
            raise NothingToDoJob(why)

        with self.job_method(testing):
            with trap_jobs() as trap:
                job = self.partner.with_delay().testing("It is sent")
                other = self.partner.with_delay().testing("")
                trap.perform_enqueued_jobs()
            self.assertEqual(job.result, "It is sent")
            self.assertEqual(other.result, "Nothing to do")
            self.partner.with_delay().testing("It is sent")
            done = self.drain_new().done
        self.assertEqual(done.result, "It is sent")

    def test_a_job_that_has_expired_does_not_run(self):
        with trap_jobs() as trap:
            self.partner.with_delay(expires=datetime(2020, 1, 1)).write({"ref": "x"})
            self.partner.with_delay(expires=60).write({"name": "Ada"})
            trap.perform_enqueued_jobs()
        self.assertFalse(self.partner.ref)
        self.assertEqual(self.partner.name, "Ada")

    def test_children_run_after_the_end_that_they_wait_for(self):
        with trap_jobs() as trap:
            call = self.partner.delayable
            failed = call().write({"ref": "failed"})
            behind = call().write({"ref": "behind"})
            call().write({"name": "Ada"}).on_failed(failed.on_done(behind)).on_done(
                call().write({"function": "done"})
            ).delay()
            trap.perform_enqueued_jobs()
        self.assertEqual(self.partner.name, "Ada")
        self.assertEqual(self.partner.function, "done")
        self.assertFalse(self.partner.ref)

    def test_the_order_of_a_sequence_key_in_a_graph(self):
        names = []
        with self.job_method(lambda partner, name: names.append(name)):
            with trap_jobs() as trap:
                call = self.partner.delayable
                group(
                    call(priority=3, sequence_key="k").testing("c"),
                    call(priority=1, sequence_key="k").testing("a"),
                    call(priority=2, sequence_key="k").testing("b"),
                ).delay()
                trap.perform_enqueued_jobs()
        self.assertEqual(names, ["a", "b", "c"])

    def test_a_channel_s_rate_holds_nothing_back(self):
        self.env["queue.job.channel"].create(
            {
                "name": "slow",
                "parent_id": self.env.ref("queue_job.channel_root").id,
                "rate_limit": 1,
                "rate_period": 3600,
            }
        )
        with trap_jobs() as trap:
            for name in ("Ada", "Bob"):
                self.partner.with_delay(channel="root.slow").write({"name": name})
            self.assertEqual(trap.perform_enqueued_jobs(), [])
        self.assertEqual(self.partner.name, "Bob")

    def test_results(self):
        found = []

        def testing(partner, value):
            found.append(partner.env["queue.job"].parents_results())
            return value

        with self.job_method(testing), trap_jobs() as trap:
            call = self.partner.delayable
            parents = group(call().testing({1, 2}), call().testing(self.partner))
            last = call(ignore_result=True).testing("last")
            chain(parents, last).delay()
            trap.perform_enqueued_jobs()
            job = last._generated_job
            self.assertEqual(job.parents_results(), found[-1])
        self.assertEqual(found[:2], [[], []])
        self.assertCountEqual(found[2], [[1, 2], self.partner.ids])
        self.assertIsNone(job.result)

    def test_calls_that_run_at_once_are_not_enqueued(self):
        partner = self.partner.with_context(queue_job__no_delay=True)
        with trap_jobs() as trap:
            partner.with_delay().write({"name": "Ada"})
        trap.assert_jobs_count(0)
        self.assertEqual(self.partner.name, "Ada")


class TestTrapWaiting(HelperCase):
    """A button that lets the user wait."""

    def button(self, result=None, **options):
        return self.partner.with_delay().testing(result).wait_action(**options)

    def test_a_button(self):
        with self.job_method(lambda partner, result: result), trap_jobs() as trap:
            action = self.button(ACTION, cancellable=True)
            self.assertEqual(action["tag"], "queue_job_wait")
            self.assertTrue(action["params"]["cancellable"])
            self.assertIs(trap.job_of(action), trap.enqueued_jobs[0])
            follows = trap.next_action(action)
            self.assertEqual(follows["res_model"], "res.partner")
            trap.assert_jobs_count(0)

    def test_what_follows_if_the_job_returns_no_action(self):
        with self.job_method(lambda partner, result: result), trap_jobs() as trap:
            action = self.button("text", next_action=dict(ACTION))
            self.assertEqual(trap.next_action(action)["res_model"], "res.partner")
            self.assertIsNone(trap.next_action(self.button()))

    def test_another_action(self):
        with trap_jobs() as trap:
            for action in (ACTION, None, True):
                with self.assertRaisesRegex(AssertionError, "waits for no trapped"):
                    trap.job_of(action)

    def test_the_same_action_as_of_a_stored_job(self):
        with self.job_method(lambda partner, result: result):
            with trap_jobs():
                trapped = self.button(message="Wait")
            stored = self.button(message="Wait")
        for action in (trapped, stored):
            action["params"].pop("uuid")
        self.assertEqual(trapped, stored)


class TestTrapRoundTripOff(HelperCase):
    def test_arguments_stay_what_they_are(self):
        value = mock.Mock()
        with self.job_method(lambda partner, arg: arg.touch()):
            with trap_jobs(json_round_trip=False) as trap:
                self.partner.with_delay().testing(value)
                trap.perform_enqueued_jobs()
        value.touch.assert_called_once_with()
