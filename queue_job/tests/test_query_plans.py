# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the web client asks for is found by an index, however many jobs there are.

The tables of the tests are small, and PostgreSQL would read all of them: it is told not
to, nor to sort. What then still reads or sorts the whole table has no index.
"""

from lxml import etree

from odoo.tests import TransactionCase
from odoo.tools import SQL

from ..models import queue_job_dashboard_queries as queries

OPEN_STATES = ("wait_dependencies", "pending", "enqueued", "started", "failed")


class TestQueryPlans(TransactionCase):
    def plan(self, query):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.env.cr.execute("SET LOCAL enable_sort = off")
        self.env.cr.execute(SQL("EXPLAIN %s", query))
        return "\n".join(line for (line,) in self.env.cr.fetchall())

    def test_the_dashboard_reads_partial_indexes(self):
        params = {"companies": self.env.companies.ids}
        for query in (
            queries.COUNTS,
            queries.WAITING,
            queries.IN_FLIGHT,
            queries.WORKERS,
            queries.FAILURES,
        ):
            plan = self.plan(SQL(query, **params))
            self.assertIn("queue_job_", plan)
            self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)|queue_job_pkey")

    def test_the_views_open_in_the_order_of_an_index(self):
        jobs = self.env["queue.job"]
        domains = ([], [("state", "in", OPEN_STATES)], [("channel", "ilike", "mail")])
        for view in ("list", "kanban"):
            arch = etree.fromstring(jobs.get_view(view_type=view)["arch"])
            for domain in domains:
                found = jobs._search(domain, order=arch.get("default_order"), limit=80)
                plan = self.plan(found.select())
                self.assertIn("queue_job_pkey", plan)
                self.assertNotIn("Sort", plan)
