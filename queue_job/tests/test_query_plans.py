# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is asked of the queue is found by an index, however many jobs there are.

The tables of the tests are small, and PostgreSQL would read all of them: it is told not
to, nor to sort. What then still reads or sorts the whole table has no index.
"""

from lxml import etree

from odoo.tests import TransactionCase
from odoo.tools import SQL

from ..claim import claims
from ..jobrunner.session.queries import AFFAIRS
from ..keys import admission
from ..models import queue_job_undo
from ..monitoring import dashboard_queries as queries
from ..monitoring import kind_queries, metrics
from ..sessions import prepared_statements
from ..storage import dependencies
from ..worker import control_session

OPEN_STATES = ("wait_dependencies", "pending", "enqueued", "started", "failed")

_FILL = """
INSERT INTO queue_job (uuid, state, channel, priority, date_created)
SELECT gen_random_uuid(), 'pending', (%(names)s::text[])[1 + i %% 12], 10, now()
  FROM generate_series(1, %(count)s) AS i
"""

_JOIN = """
INSERT INTO queue_job_dependency (parent_id, child_id, condition)
SELECT parent, child, 'done'
  FROM unnest(%(parents)s) AS parent, unnest(%(children)s) AS child
"""


class TestQueryPlans(TransactionCase):
    def plan(self, query):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.env.cr.execute("SET LOCAL enable_sort = off")
        self.env.cr.execute(SQL("EXPLAIN %s", query))
        return "\n".join(line for (line,) in self.env.cr.fetchall())

    def test_the_dashboard_reads_partial_indexes(self):
        for companies in (self.env.companies.ids, None):
            for query in (
                queries.COUNTS,
                queries.WAITING,
                queries.IN_FLIGHT,
                queries.WORKERS,
                queries.FAILURES,
            ):
                plan = self.plan(SQL(query, companies=companies))
                self.assertIn("queue_job_", plan)
                self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)|queue_job_pkey")

    def test_the_kinds_of_failures_are_counted_by_their_index(self):
        values = {"now": "2026-01-01", "longest": 1, "limit": 10, "kind": "k"}
        values["company_id"] = None
        for query in (
            kind_queries.UNSORTED,
            kind_queries.NEW,
            kind_queries.COUNT,
            kind_queries.RECORDS,
        ):
            plan = self.plan(SQL(query, **values))
            self.assertRegex(plan, "queue_job_failed_(kind|channel)_idx")
            self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)|queue_job_pkey")

    def test_totals_and_minutes_have_an_index_each(self):
        since = {"since": "2026-01-01", "step": 60, "functions": None}
        since["companies"] = since["channel"] = None
        of_minutes = "queue_job_statistic_minute_function_channel_uniq"
        for query, index in (
            (metrics.TOTALS, "queue_job_statistic_total_function_channel_uniq"),
            (queries.SERIES, of_minutes),
            (queries.FUNCTIONS, of_minutes),
        ):
            self.assertIn(index, self.plan(SQL(query, **since)))

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

    def test_a_turn_finds_what_it_must_know_by_indexes(self):
        plan = self.plan(SQL(AFFAIRS))
        self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)|queue_job_pkey")

    def test_an_undo_reads_the_jobs_of_its_change(self):
        some = {"journals": [1], "ids": [1, 2], "rows": [1], "first": 0, "end": 9}
        for query in (
            queue_job_undo.FACTS,
            queue_job_undo.JOB_IDS,
            queue_job_undo.WITH_ROWS,
            queue_job_undo.KEPT_AMONG,
            queue_job_undo.RELEASED_CHILDREN,
            queue_job_undo.WRITE_BACK,
            queue_job_undo.FORGET,
        ):
            plan = self.plan(SQL(query, **some))
            self.assertNotRegex(plan, r"Seq Scan on queue_job")

    def test_a_lease_of_several_channels_reads_no_more_than_their_first_jobs(self):
        names = [f"root.channel{number}" for number in range(12)]
        self.env.cr.execute(SQL(_FILL, names=names, count=1200))
        self.env["queue.job.runner"].create({"uuid": "the leader", "leader": True})
        self.env.flush_all()
        self.env.cr.execute(
            prepared_statements.SETTLE_DOWN, [self.env.cr._cnx.info.backend_pid]
        )
        query = f"PREPARE take AS {control_session._next(len(names), 5) % ('$1', '$2')}"
        self.env.cr.execute(query)  # pylint: disable=sql-injection
        self.env.cr.execute("EXPLAIN (ANALYZE) EXECUTE take(%s, 'the leader')", [names])
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.env.cr.execute("DEALLOCATE take")
        self.assertRegex(
            plan, r"queue_job_pkey on queue_job .*\n *Index Cond: \(id = ANY"
        )
        self.assertNotIn("Rows Removed by Filter", plan)

    def test_what_comes_next_in_an_order_is_read_by_indexes(self):
        self.env.cr.execute(SQL(_FILL, names=["root.a"] * 12, count=1200))
        self.env.cr.execute(
            "UPDATE queue_job"
            "   SET gate = 'sequence:k', gate_limit = 0, scheduled = true,"
            " gate_state = 'waiting' WHERE channel = 'root.a' AND id % 2 = 0"
        )
        self.env["queue.job.runner"].create({"uuid": "the leader", "leader": True})
        self.env.flush_all()
        self.env.cr.execute(
            prepared_statements.SETTLE_DOWN, [self.env.cr._cnx.info.backend_pid]
        )
        key = ["root.a", "sequence:k"]
        self.env.cr.execute(admission.TRY_KEY, key)
        for query, params in (
            (claims.NEXT_IN_ORDER, ["root.a", 0, "the leader"]),
            (admission.NEXT_OF_KEY, [*key, "the leader", ["root.b"]]),
        ):
            numbers = tuple(f"${number}" for number in range(1, len(params) + 1))
            prepare = f"PREPARE take AS {query % numbers}"
            self.env.cr.execute(prepare)  # pylint: disable=sql-injection
            values = SQL(", ").join(SQL("%s", value) for value in params)
            self.env.cr.execute(SQL("EXPLAIN (ANALYZE) EXECUTE take(%s)", values))
            plan = "\n".join(line for (line,) in self.env.cr.fetchall())
            self.env.cr.execute("DEALLOCATE take")
            self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)")
            self.assertNotRegex(plan, r"Rows Removed by Filter: \d\d")
            self.assertRegex(plan, r"LockRows.*rows=1 ")

    def test_the_sweep_asks_for_the_parents_of_each_child_whatever_was_before(self):
        """Statistics of a graph with one child call all edges those of one child."""
        self.env.cr.execute(SQL(_FILL, names=["root"] * 12, count=1000))
        self.env.cr.execute("SELECT array_agg(id ORDER BY id) FROM queue_job")
        parent, *others = self.env.cr.fetchone()[0]
        self.env.cr.execute(SQL(_JOIN, parents=others, children=[parent]))
        self.env.cr.execute("ANALYZE queue_job_dependency")
        self.env.cr.execute("TRUNCATE queue_job_dependency")
        self.env.cr.execute(SQL(_JOIN, parents=[parent], children=others))
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'wait_dependencies' WHERE id <> %s", [parent]
        )
        self.env.cr.execute(
            prepared_statements.SETTLE_DOWN, [self.env.cr._cnx.info.backend_pid]
        )
        self.env.cr.execute(
            "EXPLAIN (ANALYZE) " + dependencies.REPAIR_RELEASES,
            {"ids": others[:20], "not_failed": "never", "parent_deleted": "never"},
        )
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.assertNotRegex(plan, r"Rows Removed by Filter: \d\d")
