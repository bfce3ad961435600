# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The commands of `odoo-bin queue_job`, with their arguments as they are typed."""

import io
import json
from datetime import datetime
from unittest import mock

from odoo.addons.queue_job.cli import changes, commands, foreground
from odoo.addons.queue_job.cli.queue_job import QueueJob
from odoo.addons.queue_job.exception import JobError

from .helper_case import HelperCase
from .job_case import JobCase


class CliCase(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs.search([]).unlink()

    def command(self, line, answer=None):
        """Run a command; return its exit code and what it has written."""
        options = QueueJob().parser.parse_args(line.split())
        terminal = commands.Console(
            as_json=options.json,
            out=io.StringIO(),
            ask=(lambda question: answer) if answer is not None else None,
        )
        self.patch(commands, "_commit", lambda env: env.flush_all())
        self.patch(changes, "_in_transaction", lambda env, change: change())
        known = {**commands.COMMANDS, **changes.COMMANDS}
        code = known[options.command](self.env, options, terminal)
        return code, terminal.out.getvalue()


class TestCheck(CliCase):
    def test_nothing_to_say(self):
        code, text = self.command("check")
        self.assertEqual((code, text), (0, "All that is declared for jobs exists.\n"))
        self.assertEqual(self.command("check --json"), (0, "[]\n"))

    def test_problems(self):
        function = self.env.ref("queue_job.job_function_queue_job__test_job")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job_function SET method = '_test_jbo' WHERE id = %s",
            [function.id],
        )
        self.env.invalidate_all()
        self.job(channel="root.hihg")
        code, text = self.command("check")
        self.assertEqual(code, 1)
        method, channel = text.splitlines()
        self.assertRegex(method, "_test_jbo is no method of queue.job. .*_test_job?")
        self.assertRegex(channel, "Jobs: .*channel root.hihg.*mean root.high?")
        code, text = self.command("check --json")
        kinds = [problem["kind"] for problem in json.loads(text)]
        self.assertEqual((code, kinds), (1, ["method", "channel"]))

    def test_one_of_each_mistake(self):
        """As data files of earlier versions, imports and SQL may leave it."""
        partner = self.env["ir.model"]._get("res.partner")
        functions = self.env["queue.job.function"]
        for values in (
            {"method": "gone"},
            {"on_fail_method": "gone"},
            {"related_action": '"{\\"func_name\\": \\"related_action_x\\"}"'},
            {"retry_on": "NoSuchError"},
            {"retry_pattern": '"{\\"0\\": 5}"'},
            {"former_names": "exists"},
        ):
            function = functions.create({"model_id": partner.id, "method": "write"})
            self.spoil("queue_job_function", function, **values)
        gone = functions.create({"model_id": partner.id, "method": "write"})
        model = self.env["ir.model"].create({"name": "X", "model": "x_gone"})
        self.spoil("queue_job_function", gone, model_id=model.id)
        self.spoil("ir_model", model, model="gone.model")
        self.job(channel="root.lwo")
        self.job(method_name="gone")
        with mock.patch.dict("os.environ", ODOO_QUEUE_JOB_CHANNELS="root:4,hihg:2"):
            code, text = self.command("check --json")
        kinds = [problem["kind"] for problem in json.loads(text)]
        self.assertEqual(code, 1)
        self.assertEqual(
            sorted(kinds),
            [
                *("channel", "configuration", "former_names", "job_method", "method"),
                *("model", "on_fail_method", "related_action", "retry_on"),
                "retry_pattern",
            ],
        )

    def spoil(self, table, record, **values):
        """Write what no user can write."""
        self.env.flush_all()
        names = ", ".join(f"{name} = %s" for name in values)
        self.env.cr.execute(
            f"UPDATE {table} SET {names} WHERE id = {record.id}", [*values.values()]
        )
        self.env.invalidate_all()
        self.env.registry.clear_cache()

    def test_those_of_an_addon(self):
        self.job(channel="root.hihg")
        self.assertEqual(self.command("check --addon queue_job")[0], 0)
        self.assertEqual(self.command("check --addon no_such_addon")[0], 4)


class TestLooking(CliCase):
    def test_list(self):
        self.job("failed", uuid="one", channel="root.a", exc_name="ValueError")
        self.job("done", uuid="two", channel="root.a.b")
        code, text = self.command("list")
        self.assertEqual(code, 0)
        self.assertIn("one", text)
        self.assertIn("two", text)

    def test_filters(self):
        self.job("failed", uuid="one", channel="root.a", exc_name="ValueError")
        self.job("done", uuid="two", channel="root.a.b", method_name="write")
        self.job("pending", uuid="three", channel="root.ab", user_id=self.env.uid)
        login = self.env.user.login
        for line, expected in {
            "--state failed --state done": "one two",
            "--channel root.a": "one two",
            "--exception value": "one",
            "--method write": "two",
            f"--user {login}": "three",
            "--newer 1": "",
            "--older 1 --limit 1 --state failed": "one",
        }.items():
            with self.subTest(line):
                _code, text = self.command(f"list --json {line}")
                uuids = sorted(row["uuid"] for row in json.loads(text))
                self.assertEqual(uuids, sorted(expected.split()))

    def test_nothing_found(self):
        self.assertEqual(self.command("list")[0], commands.NOTHING)
        self.assertEqual(self.command("show nobody")[0], commands.NOTHING)

    def test_show(self):
        job = self.job("failed", uuid="one", exc_info="Traceback")
        self.env["queue.job.attempt"].create(
            {"job_id": job.id, "number": 1, "outcome": "failed", "message": "Wrong"}
        )
        code, text = self.command("show one")
        self.assertEqual(code, 0)
        self.assertIn("Traceback", text)
        self.assertIn("Wrong", text)
        data = json.loads(self.command("show one --json")[1])
        self.assertEqual(data[0]["attempts"][0]["outcome"], "failed")

    def test_stats(self):
        self.job("failed")
        self.job("failed")
        rows = json.loads(self.command("stats --json")[1])
        self.assertEqual(rows, [{"channel": "root", "state": "failed", "jobs": 2}])

    def test_doctor(self):
        Dashboard = type(self.env["queue.job.dashboard"])
        problem = {"code": "x", "level": "danger", "text": "No job runs. Do this."}
        with mock.patch.object(Dashboard, "get_problems", lambda self: [problem]):
            code, text = self.command("doctor")
        self.assertEqual((code, text), (1, "DANGER: No job runs. Do this.\n"))
        with mock.patch.object(Dashboard, "get_problems", lambda self: []):
            self.assertEqual(self.command("doctor --json"), (0, "[]\n"))


class TestChanges(CliCase):
    def test_purge_deletes_what_has_ended(self):
        old, open_job = self.job("failed"), self.job("pending")
        self.assertEqual(self.command("purge --older 1 -y")[0], 0)
        self.assertFalse(old.exists())
        self.assertTrue(open_job.exists())

    def test_prune_deletes_what_the_channels_keep_no_longer(self):
        self.patch(commands, "CHUNK", 2)
        old = self.jobs.union(
            *(self.job("done", date_done="2020-01-01 00:00:00") for _ in range(5))
        )
        failed = self.job("failed", date_started="2020-01-01 00:00:00")
        recent = self.job("done", date_done=datetime.now())
        self.assertEqual(self.command("prune"), (0, "prune: 5 job(s)\n"))
        self.assertEqual((old | failed | recent).exists(), failed | recent)
        self.assertEqual(json.loads(self.command("prune --json")[1]), {"jobs": 0})

    def test_pause_and_resume(self):
        channel = self.env.ref("queue_job.channel_low")
        self.assertEqual(self.command("pause root.low")[0], 0)
        self.assertTrue(channel.paused)
        self.command("resume root.low")
        self.assertFalse(channel.paused)
        self.assertEqual(self.command("pause root.nowhere")[0], commands.NOTHING)


class TestRun(HelperCase):
    def run_here(self, function, **options):
        with self.job_method(function), self.enter_registry_test_mode():
            job = self.partner.with_delay().testing()
            self.env.flush_all()
            outcome = list(
                foreground.run_jobs(self.env.registry, uuids=[job.uuid], **options)
            )
        self.env.invalidate_all()
        return job.db_record(), outcome

    def test_a_job(self):
        def function(partner):
            partner.name = "Here"

        record, outcome = self.run_here(function)
        self.assertEqual(outcome, [(record.uuid, "done")])
        self.assertEqual(self.partner.name, "Here")

    def test_a_failure_opens_the_debugger(self):
        def function(partner):
            raise JobError("Look at me")

        with (
            mock.patch.object(foreground.pdb, "post_mortem") as debugger,
            self.assertLogs("odoo.addons.queue_job", "ERROR"),
        ):
            record, outcome = self.run_here(function, debug=True)
        self.assertEqual(outcome, [(record.uuid, "failed")])
        debugger.assert_called_once()

    def test_what_is_not_pending(self):
        outcome = list(foreground.run_jobs(self.env.registry, uuids=[]))
        self.assertEqual(outcome, [])

    def test_a_channel(self):
        with self.enter_registry_test_mode():
            for name in ("First", "Last"):
                self.partner.with_delay(channel="root.drained").write({"name": name})
            self.partner.with_delay(channel="root.drained", eta=60).write({})
            self.env.flush_all()
            outcome = list(
                foreground.run_jobs(self.env.registry, channel="root.drained")
            )
        self.env.invalidate_all()
        self.assertEqual([state for _uuid, state in outcome], ["done", "done"])
        self.assertEqual(self.partner.name, "Last")
