# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why a job waits: each cause is brought about in the database."""

import json
from datetime import timedelta
from itertools import pairwise
from unittest import mock

from odoo import fields
from odoo.tests import new_test_user
from odoo.tools import SQL

from ..jobrunner.schedule.worker_pools import ALONE, THREADS
from ..monitoring import effective_settings
from ..monitoring.waiting_causes import CAUSE_OF
from ..monitoring.waiting_line import MOST, MOST_CHANNELS, MOST_LINKS
from ..monitoring.waiting_reason import CHANNEL, JOB
from .job_case import JobCase
from .test_cli import CliCase

FILL = """
INSERT INTO queue_job (uuid, state, channel, priority, date_created)
SELECT gen_random_uuid(), 'pending', %(channel)s, 10, now()
  FROM generate_series(1, %(count)s) AS i
"""


class WaitingCase(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs.search([]).unlink()
        cls.env.cr.execute(  # the tests run while modules are installed
            "UPDATE ir_module_module SET state = 'installed' WHERE state LIKE 'to %'"
        )
        cls.runner = cls.env["queue.job.runner"].create(
            {"uuid": "r", "leader": True, "last_seen": cls.later(minutes=30)}
        )
        cls.root = cls.env.ref("queue_job.channel_root")
        cls.root.capacity = 10
        cls.channel = cls.env["queue.job.channel"].create(
            {"name": "waits", "parent_id": cls.root.id}
        )
        cls.name = cls.channel.complete_name

    def new(self, state="pending", **values):
        values.setdefault("channel", self.name)
        values.setdefault("date_created", fields.Datetime.now())
        return self.job(state, **values)

    @staticmethod
    def later(**delta):
        return fields.Datetime.now() + timedelta(**delta)

    def why(self, job, user=None):
        self.env.invalidate_all()
        return self.jobs.with_user(user or self.manager).waiting_reason(job.uuid)

    def assert_reason(self, job, code, *parts, record=False, remedy=False):
        reason = self.why(job)
        self.assertEqual(reason.get("code"), code, reason)
        for part in parts:
            self.assertIn(str(part), reason["text"])
        expected = [record._name, record.id] if record else False
        self.assertEqual(reason["record"], expected)
        self.assertEqual(reason["remedy"], remedy)
        own = job.with_user(self.manager)
        self.assertEqual(own.waiting_remedy or False, remedy)
        self.assert_cause(job, CAUSE_OF[code])
        self.assertEqual(own.waiting_blocker, bool(record) and record != job)
        self.assertEqual(bool(own.action_open_blocker()), bool(record))
        if remedy:
            self.assertTrue(own.action_cure_waiting())
            self.assertNotEqual(self.why(job).get("code"), code)
        return reason

    def assert_cause(self, job, cause):
        """The row says it, and the filter, and the group that the row is in."""
        self.env.invalidate_all()
        self.assertEqual(job.waiting_cause, cause)
        domain = [("id", "=", job.id)]
        groups = self.jobs._read_group(domain, ["waiting_cause"], ["__count"])
        self.assertEqual(groups, [(cause, 1)])
        found = self.jobs.search([*domain, ("waiting_cause", "=", cause)])
        self.assertEqual(found, job)
        other = [*domain, ("waiting_cause", "!=", cause)]
        self.assertFalse(self.jobs.search(other))


class TestJobs(WaitingCase):
    def test_what_runs_or_has_ended_does_not_wait(self):
        for state in ("started", "done", "failed", "cancelled"):
            job = self.new(state)
            self.assertEqual(self.why(job), {})
            self.assert_cause(job, False)

    def test_nothing_holds_it(self):
        self.assert_reason(self.new(), "soon")
        old = self.new(date_created=self.later(minutes=-30))
        self.assert_reason(old, "workers_busy", "30 min")

    def test_given_to_a_worker(self):
        job = self.new("enqueued", date_enqueued=fields.Datetime.now())
        self.assert_reason(job, "enqueued")
        job.date_enqueued = self.later(seconds=-60)
        self.assert_reason(job, "enqueued_long")

    def test_its_date(self):
        job = self.new(eta=self.later(days=3))
        moment = fields.Datetime.context_timestamp(self.jobs, job.eta)
        text = moment.strftime("%Y-%m-%d %H:%M:")
        self.assert_reason(job, "date", text, record=job, remedy="action_run_now")

    def test_an_infinite_date(self):
        job = self.new(eta=self.later(days=3))
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET eta = 'infinity' WHERE id = %s", [job.id]
        )
        self.assertEqual(self.why(job)["code"], "date")

    def test_its_next_attempt(self):
        job = self.new(eta=self.later(minutes=5), retry=2)
        self.assertEqual(self.why(job)["code"], "retry_lost")
        self.env["queue.job.attempt"].create(
            [
                {"job_id": job.id, "number": number, "exc_name": name}
                for number, name in ((1, "builtins.KeyError"), (2, "x.Timeout"))
            ]
        )
        reason = self.assert_reason(
            job, "retry", "x.Timeout", "Attempt 2", record=job, remedy="action_run_now"
        )
        self.assertRegex(reason["text"], r"\d\d:\d\d:\d\d")

    def test_a_failed_parent(self):
        failed, job = self.chain("failed", "wait_dependencies")
        self.assert_reason(
            job, "parent_failed", failed.uuid, record=failed, remedy="requeue"
        )

    def test_a_running_parent(self):
        running, job = self.chain("started", "wait_dependencies")
        self.assert_reason(job, "parent_running", running.uuid, record=running)

    def test_the_root_cause_up_the_line(self):
        first, *_others, last = self.chain("pending", *["wait_dependencies"] * 5)
        first.channel = self.name
        self.channel.action_pause()
        reason = self.why(last)
        self.assertEqual(
            (reason["code"], reason["record"]), ("parent_waits", [JOB, first.id])
        )
        for part in (first.uuid, "5 steps", self.name):
            self.assertIn(part, reason["text"])
        because = reason["because"]
        self.assertEqual(because["code"], "channel_paused")
        self.assertEqual(because["record"], [CHANNEL, self.channel.id])
        self.assertEqual(because["remedy"], "action_resume")
        self.assertTrue(last.with_user(self.manager).action_cure_waiting())
        self.assertFalse(self.channel.paused)

    def test_a_line_that_is_longer_than_what_is_looked_at(self):
        count = MOST_LINKS + 20
        jobs = self.jobs.create(
            [
                {
                    **{"uuid": f"far-{number}", "channel": self.name},
                    **{"model_name": "res.partner", "method_name": "read"},
                    "state": "wait_dependencies" if number else "started",
                }
                for number in range(count)
            ]
        )
        self.env["queue.job.dependency"].create(
            [
                {"parent_id": first.id, "child_id": second.id}
                for first, second in pairwise(jobs)
            ]
        )
        far = jobs[-1 - MOST_LINKS]
        self.assert_reason(jobs[-1], "far", f"{MOST_LINKS} steps", record=far)
        self.assert_reason(jobs[5], "parent_running", "far-0", record=jobs[0])
        jobs[0].state = "failed"
        self.assertEqual(self.why(jobs[-1])["code"], "far")
        groups = self.jobs._read_group(
            [("id", "in", jobs.ids)], ["waiting_cause"], ["__count"]
        )
        self.assertEqual(dict(groups), {"parent_failed": count - 1, False: 1})

    def test_a_failed_parent_counts_more_than_others(self):
        failed = self.new("failed")
        running = self.new("started")
        job = self.new("wait_dependencies", parents=failed + running)
        self.assertEqual(self.why(job)["code"], "parent_failed")

    def test_a_failure_behind_one_of_several_parents(self):
        failed, waiting = self.chain("failed", "wait_dependencies")
        parents = self.new("started") + waiting + self.new()
        job = self.new("wait_dependencies", parents=parents)
        self.assert_reason(
            job,
            "parent_failed",
            *(failed.uuid, "2 steps"),
            record=failed,
            remedy="requeue",
        )

    def test_parents_that_have_ended_or_are_gone(self):
        _done, job = self.chain("done", "wait_dependencies")
        self.assert_reason(job, "release")
        parent, job = self.chain("pending", "wait_dependencies")
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM queue_job WHERE id = %s", [parent.id])
        self.assert_reason(job, "parent_gone")

    def test_its_key(self):
        key = {"gate": "sequence:x", "gate_limit": 0}
        job = self.new(**key, scheduled=True, gate_state="new")
        self.assert_reason(job, "key_new")
        running = self.new("started", **key, gate_state="open")
        self.assert_reason(job, "key_running", running.uuid, record=running)
        failed = self.new("failed", **key)
        self.assertEqual(self.why(job)["record"], [JOB, failed.id])
        self.assertEqual(self.why(job)["code"], "key_failed")
        failed.button_done()
        running.state = "done"
        first = self.new(
            **key, scheduled=True, gate_state="later", eta=self.later(hours=1)
        )
        reason = self.why(job)
        self.assertEqual(
            (reason["code"], reason["record"]), ("key_waits", [JOB, first.id])
        )
        self.assertIn(first.uuid, reason["text"])
        self.assertEqual(reason["because"]["code"], "date")


class TestRunner(WaitingCase):
    @staticmethod
    def server_wide(*names):
        server = {"server_wide_modules": names}
        return mock.patch.object(effective_settings, "config", server)

    def setUp(self):
        super().setUp()
        context = self.server_wide("base", "web", "queue_job")
        context.start()
        self.addCleanup(context.stop)

    def test_no_runner(self):
        job = self.new()
        self.runner.last_seen = self.later(minutes=-5)
        self.assert_reason(job, "runner_lost")
        self.runner.unlink()
        self.assert_reason(job, "no_runner")
        with self.server_wide("base", "web"):
            self.assert_reason(job, "not_server_wide")

    def test_capacity_0(self):
        job = self.new()
        self.runner.unlink()
        with self.configuration("root:0"):
            self.assert_reason(job, "disabled")

    def configuration(self, text):
        return mock.patch.dict("os.environ", {"ODOO_QUEUE_JOB_CHANNELS": text})

    def test_what_the_runner_says(self):
        job = self.new()
        for note in ("copy", "secret", "unreachable: nobody there"):
            self.runner.note = note
            self.assert_reason(job, note.partition(":")[0])

    def test_only_managers_hear_of_the_server(self):
        job = self.new(user_id=self.plain_user.id)
        self.runner.note = "unreachable: nobody at host-7:8069"
        self.assertIn("host-7", self.why(job)["text"])
        text = self.why(job, self.plain_user)["text"]
        self.assertEqual(text, "No job runs at present. Ask your administrator.")

    def test_modules_are_updated(self):
        job = self.new()
        self.env.cr.execute(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'queue_job'"
        )
        self.assert_reason(job, "modules")

    def test_paused_by_the_configuration(self):
        job = self.new()
        with self.configuration(f"{self.name}:1:paused"):
            self.assert_reason(
                job, "channel_fixed", "ODOO_QUEUE_JOB_CHANNELS", record=self.channel
            )


class TestChannels(WaitingCase):
    def test_paused(self):
        job = self.new()
        for channel in (self.channel, self.root):
            channel.action_pause()
            self.assert_reason(
                job,
                "channel_paused",
                channel.complete_name,
                record=channel,
                remedy="action_resume",
            )

    def test_full(self):
        self.channel.capacity = 2
        self.new("started")
        self.new("enqueued", channel=f"{self.name}.below")
        ahead = [self.new(priority=1), self.new()]
        job = self.new()
        self.assert_reason(job, "full", "2 of 2", "3 of 3", record=self.channel)
        self.env["queue.job.statistic"].create(
            {"function": "f", "channel": self.name, "done": 3, "failed": 1}
            | {"run_seconds": 400}
        )
        self.assert_reason(
            job, "full_estimated", "3 of 3", "2 min", record=self.channel
        )
        self.assertIn("1 of 3", self.why(ahead[0])["text"])

    def test_full_above(self):
        self.runner.root_capacity = 1
        self.new("started", channel="root.other")
        self.assert_reason(self.new(), "full", "Channel root", record=self.root)

    def test_full_above_of_jobs_of_several_channels(self):
        """All of them wait in one line for the slots of root."""
        self.runner.root_capacity = 1
        self.new("started", channel="root.other")
        self.new(channel="root.other", priority=5)
        self.new(channel="root.third", priority=20)
        job = self.new()
        statistic = {"function": "f", "channel": "root.other", "done": 2}
        self.env["queue.job.statistic"].create({**statistic, "run_seconds": 600})
        self.assert_reason(job, "full_estimated", "2 of 3", "10 min", record=self.root)
        for number in range(MOST_CHANNELS):
            self.new(channel=f"root.many.c{number}")
        self.assert_reason(job, "full_crowded", "1 of 1", record=self.root)

    def test_full_of_jobs_of_other_databases(self):
        self.new("started")
        self.runner.shared_load = {self.name: [4, 4, 1]}
        self.channel.capacity = 4
        self.assert_reason(
            self.new(), "full_shared", "4 of 4", "1 of them", record=self.channel
        )
        self.runner.shared_load = {self.name: [4, 4, 2]}
        self.assert_reason(self.new(), "soon")

    def test_the_workers_are_busy(self):
        job = self.new()
        self.runner.shared_load = {ALONE: [2, 2, 0], THREADS: [8, 7, 0]}
        self.assert_reason(job, "pool_full", "2 of 2")
        self.channel.threads = True
        self.assert_reason(job, "soon")
        self.runner.shared_load = {ALONE: [2, 1, 0], THREADS: [8, 8, 0]}
        self.assert_reason(job, "threads_full", "8 of 8")

    def test_all_databases_together_run_as_many_as_they_may(self):
        self.runner.write({"total_capacity": 4, "total_running": 4})
        self.assert_reason(self.new(), "total_full", "4 of 4", "max_capacity")
        self.runner.total_running = 3
        self.assert_reason(self.new(), "soon")

    def test_a_long_line(self):
        self.channel.capacity = 1
        self.new("started")
        self.env.cr.execute(SQL(FILL, channel=self.name, count=MOST))
        self.assert_reason(
            self.new(priority=20), "full_long", MOST, record=self.channel
        )

    def test_sequential(self):
        self.channel.write({"sequential": True, "capacity": 1})
        first = self.new(eta=self.later(hours=1), priority=1)
        job = self.new()
        self.assert_reason(
            job, "sequential_date", first.uuid, record=first, remedy="action_run_now"
        )
        failed = self.new("failed")
        self.assert_reason(
            job, "sequential_failed", failed.uuid, record=failed, remedy="requeue"
        )

    def test_before_and_behind_a_job_that_waits_for_its_date(self):
        self.channel.write({"sequential": True, "capacity": 1})
        first = self.new()
        self.new(eta=self.later(hours=1))
        behind = self.new()
        self.assertEqual(self.why(behind)["code"], "sequential_date")
        self.assert_cause(first, "turn")
        self.assert_cause(behind, "sequence")

    def test_throttle_and_rate(self):
        job = self.new()
        done = self.later(seconds=-20)
        self.new("done", date_started=done, date_done=done)
        self.channel.throttle = 60
        reason = self.assert_reason(job, "throttle", record=self.channel)
        self.assertRegex(reason["text"], r"\d\d:\d\d:\d\d")
        self.channel.write({"throttle": 0, "rate_limit": 1, "rate_period": 3600})
        self.assert_reason(job, "rate", "1 jobs in 3600 s", record=self.channel)
        self.channel.rate_limit = 2
        self.assert_reason(job, "soon")


class TestWhoMayKnow(WaitingCase):
    def test_others_get_nothing(self):
        job = self.new()
        self.assertEqual(self.why(job, self.plain_user), {})
        self.assertEqual(self.jobs.waiting_reason("no such job"), {})

    def test_who_enqueued_it_hears_nothing_of_jobs_of_others(self):
        failed, job = self.chain("failed", "wait_dependencies")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET name = 'A secret' WHERE id = %s", [failed.id]
        )
        job.user_id = self.plain_user
        reason = self.why(job, self.plain_user)
        self.assertEqual(reason["code"], "parent_failed")
        self.assertNotIn("secret", reason["text"])
        self.assertNotIn(failed.uuid, reason["text"])
        self.assertFalse(reason["record"])
        self.assertFalse(reason["remedy"])
        failed.user_id = self.plain_user
        self.assertEqual(self.why(job, self.plain_user)["record"], [JOB, failed.id])

    def test_a_manager_of_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        manager = new_test_user(
            self.env,
            "elsewhere",
            groups="base.group_user,queue_job.group_queue_job_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        failed, job = self.chain("failed", "wait_dependencies")
        failed.company_id = self.env.company
        self.assertNotIn(failed.uuid, self.why(job, manager)["text"])
        job.company_id = self.env.company
        self.assertEqual(self.why(job, manager), {})

    def test_the_form_says_it(self):
        job = self.new()
        self.channel.action_pause()
        self.env.invalidate_all()
        self.assertIn("is paused", job.with_user(self.manager).waiting_text)
        self.channel.action_resume()
        job.state = "done"
        self.assertFalse(job.waiting_text)

    def test_who_waits_for_it_is_told(self):
        job = self.new(user_id=self.plain_user.id)
        jobs = self.jobs.with_user(self.plain_user)
        self.assertIs(jobs.wait_state(job.uuid)["waiting"], False)
        self.channel.action_pause()
        self.assertIn("is paused", jobs.wait_state(job.uuid)["waiting"])
        job.state = "started"
        self.assertNotIn("waiting", jobs.wait_state(job.uuid))

    def test_in_the_users_language(self):
        self.env["res.lang"]._activate_lang("de_DE")
        job = self.new()
        self.channel.action_pause()
        self.env.invalidate_all()
        self.assertIn("angehalten", job.with_context(lang="de_DE").waiting_text)


class TestCommand(CliCase):
    def test_why(self):
        job = self.job(uuid="one", eta=fields.Datetime.now() + timedelta(days=1))
        code, text = self.command("why one")
        self.assertEqual(code, 0)
        self.assertIn(self.jobs.waiting_reason(job.uuid)["text"], text)
        data = json.loads(self.command("why one --json")[1])
        self.assertEqual((data[0]["state"], data[0]["code"]), ("pending", "date"))
        self.assertEqual(self.command("why nobody")[0], 4)
