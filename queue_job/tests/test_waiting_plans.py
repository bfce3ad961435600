# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Why jobs wait is read by a few statements which look at few rows of many."""

import re

from odoo.tools import SQL

from ..monitoring.waiting_facts import read_facts
from ..monitoring.waiting_line import MOST, MOST_OF_PAGE
from .test_waiting_reason import FILL, WaitingCase


class Explained:
    """A cursor that keeps the plan of each query."""

    def __init__(self, cr):
        self._cr, self.plans = cr, []

    def execute(self, query, params=None):
        if query.lstrip().startswith(("SELECT", "WITH")):
            self._cr.execute("EXPLAIN (ANALYZE) " + query, params)
            self.plans.append("\n".join(line for (line,) in self._cr.fetchall()))
        self._cr.execute(query, params)

    def __getattr__(self, name):
        return getattr(self._cr, name)


class TestPlan(WaitingCase):
    """Of a line of many jobs, which nobody has analyzed yet, and then somebody has."""

    COUNT = 20 * MOST

    def setUp(self):
        super().setUp()
        self.channel.capacity = 1
        self.new("started")
        self.new("failed", channel="root.other")
        self.env.cr.execute(SQL(FILL, channel=self.name, count=self.COUNT))
        self.env.cr.execute("SELECT max(id) FROM queue_job")
        self.last = self.env.cr.fetchone()[0]
        self.env.flush_all()

    def explain(self, ids):
        cursor = Explained(self.env.cr)
        self.assertEqual(set(read_facts(cursor, ids)), set(ids))
        for plan in cursor.plans:
            self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)")
            self.assertNotRegex(plan, r"Rows Removed by Filter: \d{3}")
        return cursor.plans

    def test_it_reads_no_more_of_a_long_line_than_it_counts(self):
        for analyze in ("", "ANALYZE queue_job"):
            if analyze:
                self.env.cr.execute(analyze)
            for behind in (0, self.COUNT - MOST, self.COUNT - 1):
                plans = "".join(self.explain([self.last - behind]))
                rows = re.findall(r"queue_job_ready_idx.*actual.* rows=(\d+)", plans)
                self.assertTrue(rows)
                self.assertLessEqual(max(map(int, rows)), MOST)

    def test_a_page_takes_as_many_queries_as_two_jobs(self):
        page = list(range(self.last - 79, self.last + 1))
        for analyze in ("", "ANALYZE queue_job"):
            if analyze:
                self.env.cr.execute(analyze)
            plans = self.explain(page)
            self.assertEqual(len(plans), len(self.explain(page[:2])))
            rows = re.findall(
                r"queue_job_ready_idx.*actual.* rows=(\d+)", "".join(plans)
            )
            self.assertLessEqual(max(map(int, rows)), MOST_OF_PAGE)

    def test_a_page_of_the_list(self):
        """Its texts as well, of jobs that wait for others."""
        failed = self.new("failed")
        children = [self.new("wait_dependencies", parents=failed) for _each in range(9)]
        self.env.flush_all()
        counts = []
        for count in (2, 2, 9):  # what is cached is read before
            self.env.invalidate_all()
            jobs = self.jobs.browse([job.id for job in children[:count]])
            before = self.env.cr.sql_log_count
            texts = jobs.with_user(self.manager).mapped("waiting_text")
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(len(texts), count)
            self.assertIn(failed.uuid, texts[0])
        self.assertEqual(counts[1], counts[2])

    def test_groups_are_told_by_one_scan(self):
        query = self.jobs._search([("waiting_cause", "!=", False)])
        cause = self.jobs._field_to_sql("queue_job", "waiting_cause", query)
        query.groupby = cause
        self.env.cr.execute(SQL("EXPLAIN (ANALYZE) %s", query.select(cause)))
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.assertNotRegex(plan, r"loops=\d{3}")
        groups = self.jobs._read_group([], ["waiting_cause"], ["__count"])
        self.assertEqual(dict(groups), {"full": self.COUNT, False: 2})
