# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from odoo.tests import new_test_user

from odoo.addons.queue_job.core import texts
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.jobs import (
    CLOSE_FEEDBACK,
    QUIETLY_WAIT_FOR_JOB,
    WAIT_FOR_JOB,
)
from odoo.addons.queue_job.settle.end_notice import MESSAGE_TYPE
from odoo.addons.queue_job.storage import results

from .helper_case import HelperCase

ACTION = {"type": "ir.actions.act_url", "url": "/odoo"}


class WaitCase(HelperCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "waiting_user", groups="base.group_user")
        cls.other = new_test_user(cls.env, "other_user", groups="base.group_user")

    def run_job(self, function, **options):
        with self.job_method(function):
            job = self.partner.with_user(self.user).with_delay(**options).testing()
            self.drain_new()
        return job.db_record()

    def state_for(self, user, record, **options):
        return self.env["queue.job"].with_user(user).wait_state(record.uuid, **options)


class TestWaitAction(WaitCase):
    def test_of_a_job(self):
        job = self.partner.with_user(self.user).with_delay().write({})
        action = job.wait_action(ACTION, cancellable=True, stages=[("import", 3)])
        self.assertEqual(action["tag"], "queue_job_wait")
        params = action["params"]
        self.assertEqual(params["uuid"], job.uuid)
        self.assertEqual(params["next_action"]["url"], "/odoo")
        self.assertEqual(params["stages"], [["import", 3]])
        self.assertTrue(params["cancellable"])
        self.assertFalse(params["quiet"])

    def test_of_a_record(self):
        record = self.partner.with_delay().write({}).db_record()
        self.assertEqual(record.wait_action()["params"]["uuid"], record.uuid)

    def test_an_xml_id_as_next_action(self):
        job = self.partner.with_delay().write({})
        action = job.wait_action("base.action_partner_form")
        next_action = action["params"]["next_action"]
        self.assertEqual(next_action["res_model"], "res.partner")

    def test_a_job_that_ran_at_once(self):
        partner = self.partner.with_context(queue_job__no_delay=True)
        job = partner.with_delay().write({"name": "At once"})
        self.assertEqual(job.wait_action()["type"], "ir.actions.act_window_close")
        self.assertEqual(job.wait_action(ACTION), ACTION)

    def test_as_functions(self):
        job = self.partner.with_delay().write({})
        self.assertEqual(WAIT_FOR_JOB(job, ACTION)["params"]["uuid"], job.uuid)
        self.assertTrue(QUIETLY_WAIT_FOR_JOB(job)["params"]["quiet"])
        self.assertIs(WAIT_FOR_JOB(None), CLOSE_FEEDBACK)

    def test_the_end_is_told_to_who_waits(self):
        job = self.partner.with_delay().write({"name": "Told"})
        job.wait_action()
        self.assertEqual(job.db_record().options, {"awaited": True})
        sent = []
        Bus = type(self.env["bus.bus"])
        self.patch(Bus, "_sendone", lambda bus, *message: sent.append(message))
        self.drain_new()
        ((target, message),) = [
            (target, message) for target, kind, message in sent if kind == MESSAGE_TYPE
        ]
        self.assertEqual(target, self.env.user.partner_id)
        self.assertEqual((message["state"], message["notify"]), ("done", False))


class TestWaitState(WaitCase):
    def test_only_the_user_and_managers_get_an_answer(self):
        record = self.run_job(lambda partner: None)
        self.assertEqual(self.state_for(self.user, record)["state"], "done")
        self.assertEqual(self.state_for(self.env.user, record)["state"], "done")
        self.assertEqual(
            self.state_for(self.other, record),
            {"uuid": record.uuid, "state": "unknown"},
        )
        gone = self.env["queue.job"].with_user(self.user).wait_state("no such job")
        self.assertEqual(gone["state"], "unknown")

    def test_progress(self):
        def function(partner):
            jobs = partner.env["queue.job"]
            jobs.report_progress("Reading", 1, 0, 2, stage="read")
            seen.append(jobs.wait_state(partner.env.context["job_uuid"]))
            stages = [["read", 1], ["write", 1]]
            seen.append(jobs.wait_state(partner.env.context["job_uuid"], stages))

        seen = []
        self.run_job(function)
        answer, of_stages = seen
        self.assertEqual((answer["state"], answer["percent"]), ("started", 50))
        self.assertEqual((answer["message"], answer["stage"]), ("Reading", "read"))
        self.assertEqual(of_stages["percent"], 25)

    def test_what_an_earlier_attempt_said_is_over(self):
        job = self.partner.with_user(self.user).with_delay().write({}).db_record()
        row = self.env["queue.job.progress"].create(
            {"job_id": job.id, "percent": 80, "date": "2026-01-01 12:00:00"}
        )
        self.assertIsNone(self.state_for(self.user, job)["percent"])
        job.date_started = "2026-01-01 12:30:00"
        self.assertIsNone(self.state_for(self.user, job)["percent"])
        row.date = "2026-01-01 12:31:00"
        self.assertEqual(self.state_for(self.user, job)["percent"], 80)

    def test_the_result_is_an_action(self):
        record = self.run_job(lambda partner: dict(ACTION))
        self.assertEqual(self.state_for(self.user, record)["action"]["url"], "/odoo")

    def test_an_action_gets_its_views(self):
        window = {"type": "ir.actions.act_window", "res_model": "res.partner"}
        record = self.run_job(lambda partner: dict(window))
        action = self.state_for(self.user, record)["action"]
        self.assertEqual(action["views"], [(False, "list"), (False, "form")])
        record = self.run_job(lambda partner: {**window, "res_id": partner.id})
        action = self.state_for(self.user, record)["action"]
        self.assertEqual(action["views"], [(False, "form")])

    def test_any_other_result_is_no_action(self):
        record = self.run_job(lambda partner: {"type": "something"})
        self.assertIs(self.state_for(self.user, record)["action"], False)

    def test_a_failure_shows_its_traceback_to_managers_only(self):
        def function(partner):
            raise ValueError("That was wrong")

        with self.assertLogs("odoo.addons.queue_job", "ERROR"):
            record = self.run_job(function)
        answer = self.state_for(self.user, record)
        self.assertEqual(answer["state"], "failed")
        self.assertEqual(answer["exc_message"], "That was wrong")
        self.assertFalse(answer["may_open"])
        self.assertNotIn("exc_info", answer)
        self.assertIn("Traceback", self.state_for(self.env.user, record)["exc_info"])

    def test_who_may_cancel(self):
        job = self.partner.with_user(self.user).with_delay().write({})
        record = job.db_record()
        self.env["queue.job"].with_user(self.other).wait_cancel(job.uuid)
        self.assertEqual(record.state, "pending")
        self.env["queue.job"].with_user(self.user).wait_cancel(job.uuid)
        self.assertEqual(record.state, "cancelled")


class TestResults(WaitCase):
    def test_plain_data(self):
        value = {"ids": self.partner, "dates": (self.env.cr.now().date(),), 1: None}
        data = results.load(results.dump(value))
        self.assertEqual(data["ids"], self.partner.ids)
        self.assertEqual(data["dates"], [self.env.cr.now().date().isoformat()])
        self.assertIsNone(data["1"])
        self.assertIsNone(results.dump(None))

    def test_what_has_no_json_is_kept_as_text_and_says_so(self):
        with self.assertLogs("odoo.addons.queue_job.storage.results", "WARNING"):
            text = results.dump(object())
        self.assertIn("object", results.load(text))

    def test_texts_are_storable(self):
        value = {"a\0": "\udcff", "b": ["\\u0000", "\\0"]}
        data = results.load(results.dump(value))
        self.assertEqual(data, {"a\\x00": "\\udcff", "b": ["\\u0000", "\\0"]})

    def test_what_is_too_large_is_kept_as_text_and_says_so(self):
        with self.assertLogs(
            "odoo.addons.queue_job.storage.results", "WARNING"
        ) as logs:
            text = results.dump(["x" * texts.RESULT_JSON], "<res.partner>.write")
        self.assertIn("<res.partner>.write", logs.output[0])
        self.assertIn("characters left out", results.load(text))
        self.assertLess(len(text), 2 * texts.RESULT)

    def test_what_has_no_text_either(self):
        class Array(list):
            def __str__(self):
                raise RuntimeError("no text")

            __iter__ = __bool__ = __eq__ = __repr__ = __str__
            __hash__ = object.__hash__

        with self.assertLogs("odoo.addons.queue_job.storage.results", "WARNING"):
            record = self.run_job(lambda partner: Array())
        self.assertEqual(record.state, "done")
        self.assertIn("unprintable Array", record.result)
        self.assertIn("unprintable Array", results.load(record.result_json))

    def test_keys_that_would_fall_together(self):
        with self.assertLogs("odoo.addons.queue_job.storage.results", "WARNING"):
            text = results.dump({1: "a", "1": "b"})
        self.assertEqual(results.load(text), str({1: "a", "1": "b"}))

    def test_of_a_job(self):
        record = self.run_job(lambda partner: partner)
        self.assertEqual(record.result, str(self.partner))
        self.assertEqual(results.load(record.result_json), self.partner.ids)

    def test_only_one_module_writes_and_reads_them(self):
        elsewhere = {}

        def put(result, name):
            elsewhere[f"key {len(elsewhere)}"] = result
            return f"key {len(elsewhere) - 1}"

        with (
            patch.object(results, "dump", put),
            patch.object(results, "load", elsewhere.get),
            self.job_method(lambda partner: dict(ACTION)),
        ):
            parent = self.partner.with_user(self.user).delayable().testing()
            child = self.partner.delayable().testing()
            parent.on_done(child).delay()
            self.drain_new()
            record = parent._generated_job.db_record()
            self.assertIn(record.result_json, elsewhere)
            state = self.state_for(self.user, record)
            self.assertEqual(state["action"]["url"], "/odoo")
            self.assertEqual(child._generated_job.parents_results(), [ACTION])
            Job.load(self.env, record.uuid).store()
        self.assertEqual(len(elsewhere), 2)  # not written again

    def test_a_requeued_job_has_none(self):
        record = self.run_job(lambda partner: 42)
        self.assertEqual(record.result_json, "42")
        record.requeue()
        with self.job_method(lambda partner: None):
            self.drain_new()
        self.assertFalse(record.result_json)

    def test_children_read_the_results_of_their_parents(self):
        def function(partner, number=None):
            if number:
                return {"number": number}
            return partner.env["queue.job"].parents_results()

        with self.job_method(function):
            first, second = self.partner, self.partner.copy()
            child = first.delayable()
            from odoo.addons.queue_job.delay import group

            parents = group(first.delayable().testing(1), second.delayable().testing(2))
            parents.on_done(child.testing()).delay()
            self.drain_new()
        job = child._generated_job
        self.assertEqual(
            results.load(job.db_record().result_json), [{"number": 1}, {"number": 2}]
        )
        self.assertEqual(job.parents_results(), [{"number": 1}, {"number": 2}])
