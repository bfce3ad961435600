# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs that wait for others: graphs as rows, release and cancellation."""

from odoo.addons.queue_job.delay import chain, group
from odoo.addons.queue_job.job import (
    CANCELLED,
    DONE,
    PENDING,
    WAIT_DEPENDENCIES,
    Job,
)
from odoo.addons.queue_job.tests.common import JobMixin

from .common import JobCommonCase


class TestDependencies(JobMixin, JobCommonCase):
    def delayable(self, *args, **options):
        return self.env["test.queue.job"].delayable(**options).testing_method(*args)

    def delay_diamond(self):
        """a -> (b, c) -> d; return their records."""
        nodes = [self.delayable(name) for name in "abcd"]
        a, b, c, d = nodes
        chain(a, group(b, c), d).delay()
        self.env.flush_all()
        return [node._generated_job.db_record() for node in nodes]

    def states(self, records):
        self.env.invalidate_all()
        return [record.state for record in records]

    def test_job_in_memory_waits_for_its_parent(self):
        parent, child = Job(self.method), Job(self.method)
        child.add_depends({parent})
        self.assertEqual(child.state, WAIT_DEPENDENCIES)
        self.assertEqual(parent.reverse_depends_on, {child})
        child.store()
        parent.store()
        self.env.flush_all()
        loaded = Job.load(self.env, child.uuid)
        self.assertEqual(loaded.depends_on, {parent})
        self.assertEqual(Job.load(self.env, parent.uuid).reverse_depends_on, {child})

    def test_parent_that_is_done_is_not_waited_for(self):
        parent, child = Job(self.method), Job(self.method)
        parent.set_done()
        child.add_depends({parent})
        self.assertEqual(child.state, PENDING)

    def test_job_cannot_wait_for_itself(self):
        job = Job(self.method)
        with self.assertRaisesRegex(ValueError, "job cannot depend on itself"):
            job.add_depends({job})

    def test_graph_is_stored(self):
        records = self.delay_diamond()
        self.assertEqual(len({record.graph_uuid for record in records}), 1)
        self.assertEqual(self.states(records), [PENDING, *[WAIT_DEPENDENCIES] * 3])
        a, b, c, d = records
        self.assertEqual(a.dependent_ids, b | c)
        self.assertEqual(d.dependency_ids, b | c)
        self.assertEqual(a.graph_jobs_count, 4)
        jobs = self.env["queue.job"]
        self.assertEqual(jobs.search([("dependency_ids", "in", a.ids)]), b | c)
        self.assertEqual(
            jobs.search([("dependent_ids", "any", [("id", "=", d.id)])]), b | c
        )

    def test_graph_as_nodes_and_edges(self):
        a, b, c, d = self.delay_diamond()
        graph = a.dependency_graph
        self.assertCountEqual(
            [node["id"] for node in graph["nodes"]], [a.id, b.id, c.id, d.id]
        )
        edges = [tuple(edge) for edge in graph["edges"]]
        expected = [(a.id, b.id), (a.id, c.id), (b.id, d.id), (c.id, d.id)]
        self.assertCountEqual(edges, expected)
        self.assertFalse(self._create_job().dependency_graph)

    def test_children_are_released_by_the_last_parent(self):
        records = self.delay_diamond()
        a, b, c, _d = records
        for parent, expected in (
            (a, [DONE, PENDING, PENDING, WAIT_DEPENDENCIES]),
            (b, [DONE, DONE, PENDING, WAIT_DEPENDENCIES]),
            (c, [DONE, DONE, DONE, PENDING]),
        ):
            job = Job.load(self.env, parent.uuid)
            job.set_done()
            job.store()
            self.env.flush_all()
            job.enqueue_waiting()
            self.assertEqual(self.states(records), expected)

    def test_button_done_releases(self):
        records = self.delay_diamond()
        records[0].button_done()
        self.assertEqual(
            self.states(records), [DONE, PENDING, PENDING, WAIT_DEPENDENCIES]
        )
        self.assertIn("Manually set to done by", records[0].result)

    def test_cancel_reaches_all_descendants(self):
        records = self.delay_diamond()
        records[0].button_cancelled()
        self.assertEqual(self.states(records), [CANCELLED] * 4)
        self.assertIn("Cancelled by", records[0].result)
        reason = "Cancelled because a job it depends on was cancelled"
        self.assertEqual([r.result for r in records[1:]], [reason] * 3)
        dates = {record.date_cancelled for record in records}
        self.assertEqual(len(dates), 1)

    def test_requeued_child_waits_again(self):
        records = self.delay_diamond()
        records[0].button_cancelled()
        records[1].requeue()
        self.assertEqual(records[1].state, WAIT_DEPENDENCIES)
        records[0].requeue()
        self.assertEqual(records[0].state, PENDING)

    def test_job_delayed_before_gets_a_parent(self):
        child = self.delayable("child")
        child.delay()
        record = child._generated_job.db_record()
        self.assertEqual(record.state, PENDING)
        parent = self.delayable("parent").on_done(child)
        parent.delay()
        self.assertEqual(self.states([record]), [WAIT_DEPENDENCIES])
        self.assertEqual(record.dependency_ids, parent._generated_job.db_record())

    def test_drained_in_order(self):
        counter = self.job_counter()
        records = self.delay_diamond()
        attempts = self.drain(counter).attempts
        self.assertEqual(attempts[0], records[0].uuid)
        self.assertEqual(attempts[3], records[3].uuid)
        self.assertEqual(self.states(records), [DONE] * 4)

    def test_open_graph_jobs(self):
        records = self.delay_diamond()
        action = records[1].open_graph_jobs()
        self.assertEqual(action["name"], f"Jobs for graph {records[0].graph_uuid}")
        found = self.env["queue.job"].search(action["domain"])
        self.assertEqual(found, records[0].browse([r.id for r in records]).sorted())
