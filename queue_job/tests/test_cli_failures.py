# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command `odoo-bin queue_job failures`."""

import io
import json

from ..cli import failures
from ..cli.commands import Console
from ..cli.queue_job import QueueJob
from .test_failure_kinds import KindCase


class TestCliFailures(KindCase):
    def command(self, line=""):
        options = QueueJob().parser.parse_args(["failures", *line.split()])
        console = Console(as_json=options.json, out=io.StringIO())
        self.env.flush_all()
        code = failures.failures(self.env, options, console)
        return code, console.out.getvalue()

    def test_a_table(self):
        self.failed("Order 1 is locked")
        self.failed("Order 2 is locked")
        code, text = self.command()
        header, line = text.splitlines()
        self.assertEqual(
            header.split(),
            ["state", "count", "last_seen", "function", "exception", "message"],
        )
        self.assertRegex(
            line,
            r"^open +2 +\d{4}-\d\d-\d\d .*<res.partner>.read +ValueError"
            r" +Order … is locked$",
        )
        self.assertEqual(code, 0)

    def test_json(self):
        self.failed("Order 1")
        kind = self.kind()
        kind.with_user(self.manager).action_acknowledge()
        code, text = self.command("--json")
        (row,) = json.loads(text)
        self.assertEqual(code, 0)
        self.assertEqual(
            {name: row[name] for name in ("kind", "count", "day_before", "by", "new")},
            {
                "kind": kind.fingerprint,
                "count": 1,
                "day_before": 0,
                "by": self.manager.name,
                "new": False,
            },
        )
        self.assertIsNone(row["trial"])

    def test_what_is_done_with_is_listed_with_all(self):
        self.failed("Order 1")
        self.kind().with_user(self.manager).action_ignore()
        self.assertEqual(self.command()[0], 4)
        code, text = self.command("--all")
        self.assertEqual((code, len(text.splitlines())), (0, 2))

    def test_a_limit(self):
        self.failed("Order 1")
        self.failed("Another")
        self.assertEqual(len(self.command("--limit 1")[1].splitlines()), 2)
