# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the migrations do with databases of the community addon, and of this one."""

import importlib.util
import json
from pathlib import Path

from ..progress import iteration
from .job_case import JobCase

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def migration(name, version="19.0.3.0.0"):
    path = MIGRATIONS / version / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
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

    def test_failed_jobs_get_their_kind(self):
        script = migration("post-failure-kinds", "19.0.3.3.0")
        jobs = self.job("failed") + self.job("failed") + self.job("failed")
        self.env.flush_all()
        script.migrate(self.env.cr, None)
        self.assertFalse(any(jobs.mapped("failure_kind")))
        self.patch(script, "PART", 1)
        self.patch(script, "PARTS", 2)
        for count in (2, 3):
            script.migrate(self.env.cr, "19.0.3.2.0")
            self.env.invalidate_all()
            self.assertEqual(len(jobs.filtered("failure_kind")), count)

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
        migration("pre-migration", "19.0.3.1.0").migrate(None, None)


#: The tables that 19.0.3.0.0 had, and how those that stay looked.
BEFORE = """
CREATE TABLE queue_job_total (
    id serial PRIMARY KEY, function varchar, channel varchar, done float8,
    failed float8, retried float8, cancelled float8, dead float8, run_seconds float8,
    wait_seconds float8, run_histogram bigint[], wait_histogram bigint[]);
CREATE TABLE queue_job_checkpoint (
    id serial PRIMARY KEY, job_id integer, key varchar, position integer);

DROP INDEX queue_job_statistic_minute_function_channel_uniq;
DROP INDEX queue_job_statistic_total_function_channel_uniq;
DELETE FROM queue_job_statistic;
ALTER TABLE queue_job_statistic
  DROP COLUMN dead, DROP COLUMN company,
  ALTER COLUMN minute SET NOT NULL,
  ALTER COLUMN done TYPE integer, ALTER COLUMN failed TYPE integer,
  ALTER COLUMN retried TYPE integer, ALTER COLUMN cancelled TYPE integer,
  ALTER COLUMN run_histogram TYPE integer[], ALTER COLUMN wait_histogram TYPE integer[];
CREATE UNIQUE INDEX queue_job_statistic_minute_function_channel_uniq
    ON queue_job_statistic (minute, function, channel);

DROP INDEX queue_job_progress_job_uniq;
DROP INDEX queue_job_progress_job_key_uniq;
ALTER TABLE queue_job_progress DROP COLUMN key, DROP COLUMN active;
CREATE UNIQUE INDEX queue_job_progress_job_uniq ON queue_job_progress (job_id);

INSERT INTO queue_job_statistic (minute, function, channel, done, run_histogram)
VALUES ('2026-01-01', 'f', 'root', 2, '{2,0}');
INSERT INTO queue_job_total (function, channel, done, dead, run_histogram)
VALUES ('f', 'root', 5000000000, 3, '{5000000000,0}');
INSERT INTO queue_job_progress (job_id, percent) VALUES (%(job)s, 40);
INSERT INTO queue_job_checkpoint (job_id, key, position)
VALUES (%(job)s, 'rows', 1200), (%(job)s, 'mails', 7);
INSERT INTO ir_model (model, name, "order")
VALUES ('queue.job.checkpoint', '{"en_US": "x"}', 'id');
INSERT INTO ir_model_data (module, name, model, res_id) VALUES
    ('queue_job', 'model_queue_job_checkpoint', 'ir.model', 1),
    ('queue_job', 'field_queue_job_checkpoint__key', 'ir.model.fields', 1),
    ('queue_job', 'queue_job_checkpoint_comp_rule', 'ir.rule', 1);
"""

KNOWN = """
SELECT model FROM ir_model WHERE model IN ('queue.job.total', 'queue.job.checkpoint')
 UNION ALL
SELECT name FROM ir_model_data WHERE name ~ 'queue_job_(total|checkpoint)'
 UNION ALL
SELECT relname FROM pg_class WHERE relname ~ '^queue_job_(total|checkpoint)'
"""


class TestTwoTablesFewer(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.moved = cls.job(cls, "started")
        cls.env.flush_all()
        cls.env.cr.execute(BEFORE, {"job": cls.moved.id})
        for _twice in range(2):
            pre = migration("pre-migration", "19.0.3.1.0")
            pre.migrate(cls.env.cr, "19.0.3.0.0")
        cls.env.invalidate_all()

    def rows(self, query):
        self.env.cr.execute(query)
        return self.env.cr.fetchall()

    def test_totals_are_the_rows_without_a_minute(self):
        found = self.rows(
            "SELECT minute::text, done, dead, run_histogram FROM queue_job_statistic"
            " ORDER BY minute"
        )
        total = (None, 5e9, 3, [5_000_000_000, 0])
        self.assertEqual(found, [("2026-01-01 00:00:00", 2, None, [2, 0]), total])

    def test_positions_are_archived_progress(self):
        progress = self.env["queue.job.progress"]
        shown = progress.search([("job_id", "=", self.moved.id)])
        self.assertEqual((shown.percent, shown.key), (40, False))
        kept = progress.search(
            [("job_id", "=", self.moved.id), ("active", "=", False)], order="value"
        )
        self.assertEqual(
            kept.mapped(lambda row: (row.key, row.value)),
            [("mails", 7), ("rows", 1200)],
        )
        self.env.cr.execute(iteration.READ_POSITION, (self.moved.id, "rows"))
        self.assertEqual(self.env.cr.fetchone(), (1200,))

    def test_nothing_is_left(self):
        self.assertEqual(self.rows(KNOWN), [])


class TestHours(JobCase):
    def test_the_minutes_are_summed_up(self):
        cr = self.env.cr
        cr.execute("DELETE FROM queue_job_statistic")
        cr.execute("DELETE FROM queue_job_statistic_hour")
        minutes = ("2026-01-01 10:05:00", "2026-01-01 10:55:00", "2026-01-01 11:00:00")
        self.env["queue.job.statistic"].create(
            [
                {"function": "<a>.b", "channel": "root", "minute": minute, "done": 2}
                for minute in (*minutes, False)
            ]
        )
        self.env.flush_all()
        for _again in range(2):
            migration("post-statistics", "19.0.3.3.0").migrate(cr, "19.0.3.2.0")
            cr.execute("SELECT done FROM queue_job_statistic_hour ORDER BY hour")
            self.assertEqual(cr.fetchall(), [(4,), (2,)])
