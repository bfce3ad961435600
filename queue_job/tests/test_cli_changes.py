# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""`odoo-bin queue_job requeue`, `cancel`, `done`, `undo` and `journal`."""

import json
from unittest.mock import patch

from odoo.addons.queue_job.cli import changes, commands
from odoo.addons.queue_job.cli.queue_job import MODULES, QueueJob

from ..models import queue_job_actions
from .test_cli import CliCase


class TestCliChanges(CliCase):
    def job(self, state="pending", parents=None, **values):
        values.setdefault("channel_method_name", "<a>.b")
        return super().job(state, parents, **values)

    def test_one_job_by_its_uuid_needs_no_confirmation(self):
        job = self.job("failed", uuid="one")
        self.assertEqual(self.command("requeue one")[0], 0)
        self.assertEqual(job.state, "pending")

    def test_all_others_do(self):
        jobs = self.job("failed") + self.job("failed")
        line = "requeue --state failed"
        code, text = self.command(line, answer="n")
        self.assertEqual(code, commands.REFUSED)
        self.assertIn("Will change: 2\n       2  failed  <a>.b\n", text)
        self.assertEqual(jobs.mapped("state"), ["failed", "failed"])
        self.assertEqual(self.command(line, answer="y")[0], 0)
        self.assertEqual(jobs.mapped("state"), ["pending", "pending"])

    def test_nobody_there_means_no(self):
        job = self.job("failed")
        with patch("sys.stdin.isatty", lambda: False):
            code, text = self.command("requeue --state failed --json")
        self.assertEqual((code, job.state), (commands.REFUSED, "failed"))
        self.assertEqual(json.loads(text)["jobs"], 0)

    def test_done_jobs_by_a_word_of_their_own_only(self):
        for words, states in {
            "": ["pending", "done", "cancelled"],
            "--done-too": ["pending", "pending", "cancelled"],
            "--cancelled-too": ["pending", "done", "pending"],
        }.items():
            jobs = self.job("failed") + self.job("done") + self.job("cancelled")
            code, text = self.command(f"requeue --channel root -y {words}")
            self.assertEqual((code, jobs.mapped("state")), (0, states), words)
            self.assertIn("not chosen to run again", text)
            jobs.unlink()

    def test_a_done_job_by_its_uuid(self):
        job = self.job("done", uuid="one")
        code, text = self.command("requeue one")
        self.assertEqual((code, job.state), (commands.NOTHING, "done"))
        self.assertIn("Nothing to change.", text)
        self.command("requeue one --done-too")
        self.assertEqual(job.state, "pending")

    def test_whose_key_is_held(self):
        self.job("pending", uuid="holder", identity_key="k")
        job = self.job("failed", identity_key="k")
        code, text = self.command("requeue --state failed -y")
        self.assertEqual((code, job.state), (commands.NOTHING, "failed"))
        self.assertIn("another job with the same identity key waits: holder", text)

    def test_the_figures_are_data(self):
        self.job("pending"), self.job("started"), self.job("failed")
        code, text = self.command("done --channel root --yes --json --reason Moved")
        told = json.loads(text)
        self.assertEqual((code, told["jobs"], told["left"]), (0, 2, {}))
        self.assertEqual(
            told["left_out"],
            [{"state": "started", "function": "<a>.b", "jobs": 1, "reason": "running"}],
        )
        row = self.env["queue.job.journal"].browse(told["journal"])
        self.assertEqual((row.action, row.reason), ("set_done", "Moved"))

    def test_a_limit(self):
        jobs = self.job() + self.job()
        self.command("cancel --state pending --limit 1 -y")
        self.assertEqual(jobs.mapped("state"), ["pending", "cancelled"])

    def test_undo(self):
        jobs = self.job() + self.job("failed")
        _code, text = self.command("cancel --channel root -y --reason Oops")
        self.assertIn(f"odoo-bin queue_job undo -d {self.env.cr.dbname} ", text)
        line = text.split()[-1]
        jobs[1].requeue()
        listed = json.loads(self.command("journal --json --limit 2")[1])
        self.assertEqual([each["action"] for each in listed], ["requeue", "cancel"])
        self.assertEqual((listed[1]["id"], listed[1]["reason"]), (int(line), "Oops"))
        self.assertEqual(self.command(f"undo {line}", answer="n")[0], commands.REFUSED)
        code, text = self.command(f"undo {line}", answer="y")
        self.assertEqual((code, jobs[0].state), (0, "pending"))
        self.assertIn("changed since", text)
        self.assertIn("Changed: 1 job(s)", text)

    def test_nothing_to_undo(self):
        self.assertEqual(self.command("undo 2147483647")[0], commands.NOTHING)
        self.job("failed", uuid="one")
        self.command("requeue one")
        line = self.env["queue.job.journal"].search([], limit=1)
        self.assertEqual(self.command(f"undo {line.id}")[0], commands.NOTHING)

    def test_ctrl_c_stops_between_two_parts(self):
        jobs = self.jobs.concat(*(self.job() for _ in range(4)))
        parts = []

        def interrupted(env, change_part):
            if parts:
                raise KeyboardInterrupt
            parts.append(change_part)
            return change_part()

        options = QueueJob().parser.parse_args(["cancel", "--channel", "root", "-y"])
        terminal = commands.Console()
        with (
            patch.object(queue_job_actions, "CHUNK", 2),
            patch.object(changes, "_in_transaction", interrupted),
            patch.object(self.env.cr, "rollback", lambda: None),
            patch.object(terminal, "say") as say,
        ):
            code = changes.change(self.env, options, terminal)
        self.assertEqual(code, commands.PROBLEM)
        self.assertEqual(jobs.mapped("state"), ["cancelled"] * 2 + ["pending"] * 2)
        say.assert_any_call("Changed: 2 job(s)")

    def test_all_jobs_are_never_meant(self):
        self.job("failed")
        self.assertEqual(self.command("cancel")[0], commands.USAGE)

    def test_the_commands_of_each_module(self):
        named = {name for name, module in MODULES.items() if module == "changes"}
        self.assertEqual(named, set(changes.COMMANDS))
