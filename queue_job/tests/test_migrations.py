# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Databases of the community addon: what the migration to 19.0.3.0.0 does."""

import importlib.util
import json
from pathlib import Path

from .job_case import JobCase

MIGRATIONS = Path(__file__).parent.parent / "migrations" / "19.0.3.0.0"


def migration(name):
    spec = importlib.util.spec_from_file_location(name, MIGRATIONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestMigration(JobCase):
    def post(self):
        self.env.flush_all()
        migration("post-migration").migrate(self.env.cr, "19.0.2.4.0")
        self.env.invalidate_all()

    def test_dependencies_become_edges(self):
        parent, child = self.job("pending"), self.job("wait_dependencies")
        self.env.flush_all()
        links = [
            ({"depends_on": [], "reverse_depends_on": [child.uuid]}, parent),
            ({"depends_on": [parent.uuid, "gone"], "reverse_depends_on": []}, child),
        ]
        for value, job in links:
            self.env.cr.execute(
                "UPDATE queue_job SET dependencies = %s WHERE id = %s",
                [json.dumps(value), job.id],
            )
        self.env.invalidate_all()
        self.assertFalse(child.dependency_ids)
        for _ in range(2):
            self.post()
            self.assertEqual(child.dependency_ids, parent)

    def test_future_jobs_are_scheduled(self):
        job = self.job(eta="2999-01-01 00:00:00", scheduled=False)
        past = self.job(eta="2020-01-01 00:00:00")
        self.post()
        self.assertTrue(job.scheduled)
        self.assertFalse(past.scheduled)

    def test_the_oldest_holds_the_key(self):
        keys = {"identity_key": "key"}
        first, second = self.job(**keys), self.job(**keys)
        done = self.job("done", identity_key="other")
        for _ in range(2):
            self.post()
        self.assertEqual(
            (first + second + done).mapped("identity_slot"), ["key", False, False]
        )

    def test_failures_are_told_one_by_one_as_before(self):
        root = self.env.ref("queue_job.channel_root")
        self.assertFalse(root.failure_notice)
        self.post()
        self.assertEqual(root.failure_notice, "each")
        root.failure_notice = "none"
        self.post()
        self.assertEqual(root.failure_notice, "none")

    def test_text_columns_become_jsonb(self):
        pre = migration("pre-migration")
        cr = self.env.cr
        cr.execute("CREATE TABLE test_old_job (args text)")
        cr.execute("INSERT INTO test_old_job VALUES ('[1, {\"a\": 2}]'), (''), (NULL)")
        for _ in range(2):
            pre._text_to_jsonb(cr, "test_old_job", "args")
        cr.execute("SELECT args FROM test_old_job")
        self.assertEqual(cr.fetchall(), [([1, {"a": 2}],), (None,), (None,)])

    def test_nothing_at_a_fresh_installation(self):
        for name in ("pre-migration", "post-migration"):
            migration(name).migrate(None, None)
