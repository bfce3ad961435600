# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What others derive from jobs follows each change, whether SQL or the ORM writes.

The fields of others are custom fields here, as an administrator makes them.
"""

from contextlib import contextmanager
from unittest import mock

from odoo.tests import tagged

from ..core.states import CANCELLED, DONE, FAILED, PENDING, STARTED, WAIT_DEPENDENCIES
from ..storage import caches, orm_bypass
from .test_repository import RepositoryCase


class ForeignCase(RepositoryCase):
    """Fields of others: {model: {name: values of ir.model.fields}}."""

    foreign: dict = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for model, fields in cls.foreign.items():
            for name, values in fields.items():  # in an order in which they exist
                cls.env["ir.model.fields"].create(
                    {
                        "name": name,
                        "model_id": cls.env["ir.model"]._get_id(model),
                        "field_description": name,
                        "state": "manual",
                        **cls.values(name, **values),
                    }
                )

    @classmethod
    def values(cls, name, expression=None, **values):
        if expression is None:
            return values
        code = f"for rec in self: rec[{name!r}] = {expression}"
        return {"store": False, "readonly": True, **values, "compute": code}

    def change(self, job, method, **values):
        getattr(job, method)(**values)
        job.store()


LINK = {"ttype": "many2one", "relation": "queue.job"}


@tagged("-at_install", "post_install")
class TestNotStored(ForeignCase):
    foreign = {
        "queue.job": {
            "x_partner_id": {"ttype": "many2one", "relation": "res.partner"},
            "x_over": {
                "ttype": "boolean",
                "depends": "state,date_done",
                "expression": "bool(rec.state == 'done' and rec.date_done)",
            },
            "x_blockers": {
                "ttype": "integer",
                "depends": "dependency_ids.state",
                "expression": "len(rec.dependency_ids.filtered("
                "lambda job: job.state != 'done'))",
            },
        },
        "res.partner": {
            "x_job_id": LINK,
            "x_job_ids": {
                "ttype": "one2many",
                "relation": "queue.job",
                "relation_field": "x_partner_id",
            },
            "x_state": {
                "ttype": "char",
                "depends": "x_job_id.state",
                "expression": "rec.x_job_id.state",
            },
            "x_related": {
                "ttype": "selection",
                "related": "x_job_id.state",
                "store": False,
            },
            "x_open": {
                "ttype": "integer",
                "depends": "x_job_ids.state",
                "expression": "len(rec.x_job_ids.filtered("
                "lambda job: job.state not in ('done', 'failed', 'cancelled')))",
            },
            "x_of_state": {
                "ttype": "char",
                "depends": "x_state",
                "expression": "'the job is ' + (rec.x_state or 'away')",
            },
        },
    }

    def linked(self, job):
        record = job.db_record()
        self.partner.write({"x_job_id": record.id, "x_job_ids": record.ids})
        self.env.flush_all()
        return record

    def seen(self):
        """What the fields of others show; from now on it is cached."""
        partner = self.partner
        values = partner.x_state, partner.x_related, partner.x_of_state, partner.x_open
        return *values, partner.x_job_id.x_over

    def expected(self, state):
        is_open = state not in (DONE, FAILED, CANCELLED)
        shown = f"the job is {state}"
        return state, state, shown, int(is_open), state == DONE

    def test_the_fast_path_stays_open(self):
        self.assertTrue(orm_bypass.allows(self.env, "create"))
        self.assertTrue(orm_bypass.allows(self.env, "write"))

    def test_each_change_is_seen_at_once(self):
        for way in (mock.MagicMock, self.by_orm):
            with self.subTest(way=way), way():
                job = self.stored()
                self.linked(job)
                self.assertEqual(self.seen(), self.expected(PENDING))
                for method, state in (
                    ("set_started", STARTED),
                    ("set_failed", FAILED),
                    ("set_pending", PENDING),
                    ("set_started", STARTED),
                    ("set_done", DONE),
                ):
                    self.change(job, method)
                    self.assertEqual(self.seen(), self.expected(state))

    def test_a_claimed_job(self):
        job = self.claimed()
        self.linked(job)
        self.assertEqual(self.seen(), self.expected(STARTED))
        self.change(job, "set_done")
        self.assertEqual(self.seen(), self.expected(DONE))

    def test_by_context(self):
        """A value is cached for each context on which its field depends."""
        field = self.partner._fields["x_state"]
        in_context = {field: ("lang",)}
        with mock.patch.dict(self.registry.field_depends_context, in_context):
            job = self.stored()
            self.linked(job)
            envs = [self.partner, self.partner.with_context(lang="en_GB")]
            self.assertEqual([p.x_state for p in envs], [PENDING] * 2)
            self.change(job, "set_cancelled")
            self.assertEqual([p.x_state for p in envs], [CANCELLED] * 2)

    def test_display_name(self):
        """Names of jobs may tell their state."""

        def compute(jobs):
            for job in jobs:
                job.display_name = job.state

        job = self.stored()
        cls = type(self.linked(job))
        with (
            self.depends(cls._fields["display_name"], "state"),
            mock.patch.object(cls, "_compute_display_name", compute),
        ):
            self.assertEqual(self.partner.x_job_id.display_name, PENDING)
            self.change(job, "set_cancelled")
            self.assertEqual(self.partner.x_job_id.display_name, CANCELLED)

    @contextmanager
    def depends(self, field, *names):
        """Let a field depend on others for a while."""

        def forget():
            self.registry.__dict__.pop("_field_triggers", None)
            self.registry._field_trigger_trees.clear()
            self.registry.__dict__.pop("_queue_job_findings", None)

        with mock.patch.dict(self.registry.field_depends, {field: names}):
            forget()
            yield
        forget()

    def test_release_and_cancel(self):
        for way in (mock.MagicMock, self.by_orm):
            for method, follow, state in (
                ("set_done", "enqueue_waiting", PENDING),
                ("set_cancelled", "cancel_dependent_jobs", CANCELLED),
            ):
                with self.subTest(way=way, method=method), way():
                    parent = self.stored()
                    child = self.stored(parent)
                    record = self.linked(child)
                    self.assertEqual(self.seen(), self.expected(WAIT_DEPENDENCIES))
                    self.assertEqual(record.x_blockers, 1)
                    self.change(parent, method)
                    self.assertEqual(record.x_blockers, int(method != "set_done"))
                    getattr(parent, follow)()
                    self.assertEqual(self.seen(), self.expected(state))

    def test_buttons(self):
        for button, state in (
            ("button_cancelled", CANCELLED),
            ("requeue", PENDING),
            ("button_done", DONE),
        ):
            with self.subTest(button=button):
                job = self.stored()
                if button == "requeue":
                    self.change(job, "set_failed")
                self.linked(job)
                self.seen()
                getattr(job.db_record(), button)()
                self.assertEqual(self.seen(), self.expected(state))

    def test_buttons_and_dependents(self):
        for button, state in (
            ("button_cancelled", CANCELLED),
            ("button_done", PENDING),
        ):
            with self.subTest(button=button):
                parent = self.stored()
                self.linked(self.stored(parent))
                self.assertEqual(self.seen(), self.expected(WAIT_DEPENDENCIES))
                getattr(parent.db_record(), button)()
                self.assertEqual(self.seen(), self.expected(state))

    def test_a_new_edge(self):
        job = self.stored()
        record = self.linked(job)
        self.assertEqual(record.x_blockers, 0)
        parent = self.job()
        job.add_depends({parent})
        parent.store()
        job.store()
        self.assertEqual(record.x_blockers, 1)

    def test_an_edge_from_json(self):
        parent = self.linked(self.stored())
        self.assertFalse(parent.dependent_ids)
        child = self.env["queue.job"].create(
            {
                "uuid": "child",
                "state": WAIT_DEPENDENCIES,
                "model_name": "res.partner",
                "method_name": "read",
                "dependencies": {"depends_on": [parent.uuid]},
            }
        )
        self.assertEqual(parent.dependent_ids, child)
        self.assertEqual(child.x_blockers, 1)

    def test_stuck_jobs(self):
        job = self.stored()
        self.change(job, "set_enqueued")
        self.linked(job)
        self.env.cr.execute(
            "UPDATE queue_job SET date_enqueued = '2020-01-01' WHERE id = %s", [job.id]
        )
        self.assertEqual(self.seen()[0], "enqueued")
        self.env["queue.job"].requeue_stuck_jobs(enqueued_delta=1)
        self.assertEqual(self.seen(), self.expected(PENDING))

    def test_nothing_is_told_where_nothing_is_stored(self):
        with mock.patch.object(type(self.registry), "cursor") as cursor:
            caches.tell_started(self.registry, 1)
            caches.tell_released(self.registry, [1])
        cursor.assert_not_called()

    def test_a_patched_write_sees_what_it_has_to(self):
        job = self.stored()
        cls = type(job.db_record())
        origin, calls = cls.write, []

        def write(self, vals):
            calls.append(vals.get("state"))
            return origin(self, vals)

        with mock.patch.object(cls, "write", write):
            for method in ("set_started", "set_done"):
                self.change(job, method)
        self.assertEqual(calls, [STARTED, DONE])


@tagged("-at_install", "post_install")
class TestStored(ForeignCase):
    foreign = {
        "res.partner": {
            "x_job_id": LINK,
            "x_state": {
                "ttype": "char",
                "depends": "x_job_id.state",
                "expression": "rec.x_job_id.state",
                "store": True,
            },
        },
        "queue.job": {"x_note": {"ttype": "char"}},
    }

    def linked(self, job):
        self.partner.x_job_id = job.id
        self.env.flush_all()
        self.assertEqual(self.shown(), job.state)

    def shown(self):
        """What others would see after a commit."""
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT x_state FROM res_partner WHERE id = %s", [self.partner.id]
        )
        return self.env.cr.fetchone()[0]

    def test_the_orm_writes(self):
        self.assertFalse(orm_bypass.allows(self.env, "create"))
        self.assertFalse(orm_bypass.allows(self.env, "write"))
        self.assertIn("state", orm_bypass.findings(self.registry).stored_from)

    def test_each_change(self):
        job = self.stored()
        self.linked(job)
        for method, state in (
            ("set_started", STARTED),
            ("set_failed", FAILED),
            ("set_pending", PENDING),
            ("set_started", STARTED),
            ("set_done", DONE),
        ):
            self.change(job, method)
            self.assertEqual(self.partner.x_state, state)
            self.assertEqual(self.shown(), state)

    def test_release_and_cancel(self):
        for method, follow, state in (
            ("set_done", "enqueue_waiting", PENDING),
            ("set_cancelled", "cancel_dependent_jobs", CANCELLED),
        ):
            with self.subTest(method=method):
                parent = self.stored()
                child = self.stored(parent)
                self.linked(child)
                self.change(parent, method)
                getattr(parent, follow)()
                self.assertEqual(self.shown(), state)

    def test_two_stores_of_a_claimed_job(self):
        job = self.claimed()
        self.change(job, "set_done")
        job.result = "more"
        job.store()
        row = self.row(job)
        self.assertEqual((row["state"], row["result"]), (DONE, "more"))

    def test_stuck_jobs(self):
        job = self.stored()
        self.change(job, "set_enqueued")
        self.linked(job)
        self.env.cr.execute(
            "UPDATE queue_job SET date_enqueued = '2020-01-01' WHERE id = %s", [job.id]
        )
        self.env["queue.job"].requeue_stuck_jobs(enqueued_delta=1)
        self.assertEqual(self.shown(), PENDING)

    # -- what a worker has written beside the transaction of the job ---------------

    def start(self, job, state=STARTED):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET state = %s WHERE id = %s", [state, job.id]
        )
        self.env.invalidate_all()

    def test_a_start_is_brought_to_stored_fields(self):
        job = self.stored()
        self.linked(job)
        self.start(job)
        caches.update_stored(self.env, [job.id], caches.STARTED)
        self.assertEqual(self.shown(), STARTED)

    def test_what_has_not_changed_is_not_written(self):
        job = self.stored()
        self.linked(job)
        self.env.invalidate_all()
        executed = self.executed(
            lambda: caches.update_stored(self.env, [job.id], caches.STARTED)
        )
        self.assertFalse([q for q in executed if "UPDATE" in q])

    def executed(self, call):
        cls, queries = type(self.env.cr), []
        origin = cls.execute

        def execute(cr, query, *args, **kwargs):
            queries.append(str(getattr(query, "code", query)))
            return origin(cr, query, *args, **kwargs)

        with mock.patch.object(cls, "execute", execute):
            call()
        return queries

    def test_an_error_is_logged_and_stops_no_job(self):
        with (
            mock.patch.object(type(self.registry), "cursor") as cursor,
            self.assertLogs("odoo.addons.queue_job.storage.caches", "WARNING") as logs,
        ):
            cursor.side_effect = ValueError("no session")
            caches.tell_started(self.registry, 1)
            caches.tell_released(self.registry, [2])
            caches.tell_released(self.registry, [])
        self.assertEqual(len(logs.output), 2)
        self.assertIn("jobs [1]: no session", logs.output[0])


@tagged("-at_install", "post_install")
class TestUnflushed(ForeignCase):
    """What the method of a job leaves unwritten on its own row is neither lost nor
    taken for the end of its claim."""

    foreign = {"queue.job": {"x_note": {"ttype": "char"}}}

    def test_own_writes_of_a_job(self):
        for way in (mock.MagicMock, self.by_orm):
            with self.subTest(way=way), way():
                job = self.claimed()
                record = job.db_record()
                record.write({"priority": 3, "x_note": "mine"})
                record.message_post(body="Half of it is done")
                self.change(job, "set_done", result="r")
                self.assertEqual((record.x_note, record.state), ("mine", DONE))
                row = self.row(job)
                self.assertEqual(
                    (row["priority"], row["x_note"], row["state"], row["result"]),
                    (3, "mine", DONE, "r"),
                )

    def test_the_orm_holds_back_what_sql_compares_with(self):
        job = self.claimed()
        with self.by_orm():  # another addon patches the model for a while
            self.change(job, "set_done")
        job.result = "more"
        job.store()
        row = self.row(job)
        self.assertEqual((row["state"], row["result"]), (DONE, "more"))

    def test_own_overviews(self):
        channel = self.env.ref("queue_job.channel_root")
        waiting = channel.waiting_count
        first = self.job()
        first.graph_uuid = "graph"
        first.store()
        record = first.db_record()
        self.assertEqual(channel.waiting_count, waiting + 1)
        self.assertEqual(record.graph_jobs_count, 1)
        self.assertEqual(len(record.dependency_graph["nodes"]), 1)
        second = self.job()
        second.graph_uuid = "graph"
        second.store()
        self.assertEqual(record.graph_jobs_count, 2)
        self.assertEqual(len(record.dependency_graph["nodes"]), 2)
        self.change(second, "set_started")
        self.assertEqual(channel.waiting_count, waiting + 1)
        states = {node["state"] for node in record.dependency_graph["nodes"]}
        self.assertEqual(states, {PENDING, STARTED})

    def test_the_key_of_a_requeued_job_is_judged_again(self):
        """A trigger holds the job when its state is written."""
        job = self.stored(sequence_key="x")
        self.change(job, "set_failed")
        record = job.db_record()
        self.env.cr.execute(
            "UPDATE queue_job SET gate_state = NULL WHERE id = %s", [job.id]
        )
        self.env.invalidate_all()
        self.assertFalse(record.held_by)
        record.requeue()
        self.assertEqual(record.gate_state, "new")
        self.assertTrue(record.held_by)

    def test_a_renamed_channel(self):
        channel = self.env["queue.job.channel"].create(
            {"name": "old", "parent_id": self.env.ref("queue_job.channel_root").id}
        )
        record = self.stored(channel="root.old").db_record()
        self.assertEqual(record.channel, "root.old")
        channel.name = "new"
        self.assertEqual(record.channel, "root.new")

    def test_own_fields(self):
        job = self.stored()
        record = job.db_record()
        job.date_created = record.date_created
        self.assertEqual((record.wait_time, record.progress), (0, 0))
        self.change(job, "set_started")
        self.assertTrue(record.wait_time > 0)
        self.change(job, "set_done")
        self.assertEqual(record.progress, 100)
        self.assertTrue(record.exists())
