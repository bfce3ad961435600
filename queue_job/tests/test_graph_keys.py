# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""No call of a graph is lost to an identity key, and each key has one waiting job."""

from concurrent.futures import ThreadPoolExecutor

from psycopg2.errors import SerializationFailure

from odoo.tools import mute_logger

from ..delay import chain, delay_many, group
from ..job import CANCELLED, DONE, PENDING, STARTED, WAIT_DEPENDENCIES, Job
from .test_delay import DelayCase
from .test_insertion import RaceCase

GRAPH_LOGGER = "odoo.addons.queue_job.enqueue.graph_keys"
INSERT_LOGGER = "odoo.addons.queue_job.storage.insert"


def record_of(node):
    """Return the record of the job which a delayable has become."""
    job = node._generated_job
    return job.db_record() if isinstance(job, Job) else job


class GraphKeysCase(DelayCase):
    def keyed(self, key="key", name="keyed", **options):
        return self.node(name, identity_key=key, **options)

    def held(self, key="key", state=PENDING):
        """Return the record of a job which holds the key."""
        node = self.keyed(key, "held")
        node.delay()
        record = record_of(node)
        if state != PENDING:
            self.set_state(record, state)
        return record

    def set_state(self, record, state):
        self.env.cr.execute(
            "UPDATE queue_job SET state = %s WHERE id = %s", [state, record.id]
        )
        record.invalidate_recordset()

    def created(self, graph):
        """Delay a graph; return how many rows there are more."""
        count = self.env["queue.job"].search_count([])
        graph.delay()
        return self.env["queue.job"].search_count([]) - count

    def assert_waits(self, child, parents, conditions=("done",)):
        self.assertEqual(child.state, WAIT_DEPENDENCIES)
        self.assertEqual(child.dependency_ids, parents)
        found = child.parent_edge_ids.mapped("condition")
        self.assertEqual(set(found), set(conditions))


class TestHeldKeys(GraphKeysCase):
    """Keys of a graph which jobs hold that exist."""

    def test_a_call_without_a_key_is_created_behind_the_job(self):
        held, sync, order = self.held(), self.keyed(), self.node("order")
        self.assertEqual(self.created(chain(sync, order)), 1)
        self.assertEqual(sync._generated_job, held)
        self.assertEqual(held.state, PENDING)
        self.assert_waits(record_of(order), held)

    def test_a_call_without_a_key_is_created_before_the_job(self):
        held, sync, order = self.held(), self.keyed(), self.node("order")
        self.assertEqual(self.created(chain(order, sync)), 1)
        self.assertEqual(record_of(order).state, PENDING)
        self.assert_waits(held, record_of(order))
        self.assertEqual(
            Job.load(self.env, held.uuid).depends_on, {order._generated_job}
        )

    def test_a_group(self):
        held, plain = self.held(), self.node("plain")
        self.assertEqual(self.created(group(self.keyed(), plain)), 1)
        self.assertEqual(record_of(plain).state, PENDING)
        self.assertFalse(held.dependency_ids)

    def test_conditions(self):
        held, sync, rescue = self.held(), self.keyed(), self.node("rescue")
        self.assertEqual(self.created(sync.on_failed(rescue)), 1)
        self.assert_waits(record_of(rescue), held, ["failed"])
        first = self.node("first").on_end(self.keyed())
        self.assertEqual(self.created(first), 1)
        self.assert_waits(held, record_of(first), ["always"])

    def test_all_held(self):
        records = self.held("a") + self.held("b")
        nodes = [self.keyed("a"), self.keyed("b")]
        self.assertEqual(self.created(chain(*nodes)), 0)
        self.assertEqual([node._generated_job for node in nodes], list(records))
        self.assert_waits(records[1], records[0])

    def test_all_held_and_linked_writes_nothing(self):
        chain(self.keyed("a"), self.keyed("b"), self.keyed("c")).delay()
        nodes = [self.keyed(key) for key in "abc"]
        self.env.flush_all()
        with self.assertQueryCount(2):  # the jobs, their edges
            chain(*nodes).delay()

    def test_a_job_that_may_have_begun_is_not_made_to_wait(self):
        for state, options in (
            ("enqueued", {}),
            (STARTED, {"identity_scope": "done"}),
        ):
            with self.subTest(state=state):
                held = self.keyed(state, **options)
                held.delay()
                held = record_of(held)
                self.set_state(held, state)
                first, again = self.node("first"), self.keyed(state)
                with self.assertLogs(GRAPH_LOGGER) as logs:
                    self.assertEqual(self.created(chain(first, again)), 2)
                self.assertEqual(held.state, state)
                self.assert_waits(record_of(again), record_of(first))
                self.assertIn(
                    f"enqueued again, <res.partner>.write cannot be job {held.uuid}"
                    f" which is in state {state}",
                    logs.output[0],
                )

    def test_nor_is_it_where_all_are_held(self):
        held, first = self.held("busy", "enqueued"), self.held("first")
        with self.assertLogs(GRAPH_LOGGER) as logs:
            graph = chain(self.keyed("first"), self.keyed("busy"))
            self.assertEqual(self.created(graph), 0)
        self.assertEqual(held.state, "enqueued")
        self.assertFalse(held.dependency_ids + first.dependency_ids)
        self.assertIn(
            f"is job {held.uuid} already, which does not wait", logs.output[0]
        )

    def test_a_job_that_runs_is_waited_for_and_its_row_left_alone(self):
        held = self.held("busy", "enqueued")
        last = self.node("last")
        before = self.row_version(held)
        chain(self.keyed("busy"), last).delay()
        self.assertEqual(self.row_version(held), before)
        self.assert_waits(record_of(last), held)

    def row_version(self, record):
        self.env.flush_all()
        self.env.cr.execute("SELECT ctid FROM queue_job WHERE id = %s", [record.id])
        return self.env.cr.fetchone()

    def test_jobs_never_wait_for_each_other(self):
        """What exists says first a, then b, through a job of neither key."""
        chain(self.keyed("a"), self.node("between"), self.keyed("b")).delay()
        b, a, last = self.keyed("b"), self.keyed("a"), self.node("last")
        with self.assertLogs(GRAPH_LOGGER) as logs:
            self.assertEqual(self.created(chain(b, a, last)), 2)
        self.assert_waits(record_of(a), record_of(b))
        self.assert_waits(record_of(last), record_of(a))
        self.assertIn("which has to run before it", logs.output[0])
        b, a = self.keyed("b"), self.keyed("a")
        self.assertEqual(self.created(chain(b, a)), 0)

    def test_the_log_names_the_job(self):
        held = self.held()
        with self.assertLogs(GRAPH_LOGGER, "DEBUG") as logs:
            job = self.partner.with_delay(identity_key="key").write({})
        self.assertEqual(job, held)
        self.assertEqual(
            logs.records[0].getMessage(),
            f"not enqueued, <res.partner>.write is job {held.uuid} already",
        )


class TestEqualKeys(GraphKeysCase):
    """One key, several times in a graph."""

    def test_one_job(self):
        first, second, last = self.keyed(), self.keyed(), self.node("last")
        with self.assertLogs(GRAPH_LOGGER, "DEBUG") as logs:
            self.assertEqual(self.created(group(first, second).on_done(last)), 2)
        self.assertEqual(first._generated_job, second._generated_job)
        self.assertIsInstance(second._generated_job, Job)
        self.assert_waits(record_of(last), record_of(first))
        self.assertIn(f"is job {first._generated_job.uuid} already", logs.output[0])

    def test_it_has_the_edges_of_all(self):
        first, second = self.keyed(), self.keyed()
        before, after = self.node("before"), self.node("after")
        graph = group(chain(before, first), chain(second, after))
        self.assertEqual(self.created(graph), 3)
        self.assert_waits(record_of(first), record_of(before))
        self.assert_waits(record_of(after), record_of(first))

    def test_a_function_of_the_job(self):
        nodes = [self.keyed(lambda job: job.method_name) for _number in range(3)]
        self.assertEqual(self.created(group(*nodes)), 1)

    def test_one_that_runs_after_the_other(self):
        """The work between the two needs the second one: it is no repetition."""
        first, between, again = self.keyed(), self.node("between"), self.keyed()
        with self.assertLogs(GRAPH_LOGGER):
            self.assertEqual(self.created(chain(first, between, again)), 3)
        slots = [record_of(node).identity_slot for node in (first, again)]
        self.assertEqual(slots, ["key", False])
        self.assert_waits(record_of(again), record_of(between))

    def test_one_that_would_run_after_itself(self):
        """Each pair could be one job; both together would wait for each other."""
        graph = group(
            chain(self.keyed("a"), self.keyed("b")),
            chain(self.keyed("b"), self.keyed("a")),
        )
        self.assertEqual(self.created(graph), 3)

    def test_the_first_of_them_is_a_job_that_exists(self):
        held, first, again = self.held(), self.keyed(), self.keyed()
        between = self.node("between")
        self.assertEqual(self.created(chain(first, between, again)), 2)
        self.assertEqual(first._generated_job, held)
        self.assert_waits(record_of(between), held)
        self.assert_waits(record_of(again), record_of(between))

    def test_one_call_twice(self):
        call = self.keyed()
        self.assertEqual(self.created(group(call, call)), 1)
        plain = self.node("plain")
        self.assertEqual(delay_many([plain, plain]), [plain._generated_job] * 2)

    def test_added_for_both_ends(self):
        first, last = self.node("first"), self.node("last")
        first.on_done(last).on_failed(last).delay()
        self.assert_waits(record_of(last), record_of(first), ["always"])

    def test_no_delay_knows_no_keys(self):
        names = []
        partner = self.partner.with_context(queue_job__no_delay=True)

        def write(partner, vals):
            names.append(vals["name"])

        self.patch(type(partner), "write", write)
        calls = [
            partner.delayable(identity_key="key").write({"name": name}) for name in "ab"
        ]
        self.assertEqual(self.created(group(*calls)), 0)
        self.assertEqual(names, ["a", "b"])


class TestSplit(GraphKeysCase):
    """Parts carry different records: none is left out for another one's key."""

    def split(self, partners, key, size=2, **options):
        call = partners.delayable(identity_key=key).write({"name": "x"})
        return call.split(size, **options)

    def test_each_part_has_its_key(self):
        for key in ("key", lambda job: "function"):
            for chained in (False, True):
                with self.subTest(key=key, chain=chained):
                    parts = self.split(self.partners[:6], key, chain=chained)
                    self.assertEqual(self.created(parts), 3)
                    records = [record_of(part) for part in parts._members]
                    slots = {record.identity_slot for record in records}
                    self.assertEqual(len(slots - {False}), 3)
                    again = self.split(self.partners[:6], key, chain=chained)
                    self.assertEqual(self.created(again), 0)
                    records[-1].unlink()
                    again = self.split(self.partners[:6], key, chain=chained)
                    self.assertEqual(self.created(again), 1)
                    self.env["queue.job"].search([]).unlink()

    def test_other_records_are_other_parts(self):
        self.assertEqual(self.created(self.split(self.partners[:4], "key")), 2)
        self.assertEqual(self.created(self.split(self.partners[2:8], "key")), 2)

    def test_one_part_has_the_key_itself(self):
        held = self.held()
        parts = self.split(self.partners, "key", size=100)
        self.assertEqual(self.created(parts), 0)
        self.assertEqual(parts._members[0]._generated_job, held)

    def test_nothing_to_split(self):
        parts = self.partner.browse().delayable().write({}).split(2)
        self.assertEqual(self.created(parts), 0)


class TestEmptyGroups(GraphKeysCase):
    def test_order_passes_through(self):
        a, b = self.node("a"), self.node("b")
        self.assertEqual(self.connected(chain(a, group(), group(), b)), [("a", "b")])
        a, b = self.node("a"), self.node("b")
        self.assertEqual(self.connected(chain(a, chain(group(), b))), [("a", "b")])
        a, b = self.node("a"), self.node("b")
        self.assertEqual(self.connected(chain(chain(a, group()), b)), [("a", "b")])
        a, b = self.node("a"), self.node("b")
        self.assertEqual(self.connected(chain(a, group(chain(), b))), [("a", "b")])

    def test_what_follows_is_not_lost(self):
        last = self.node("last")
        self.assertEqual(self.created(group().on_done(last)), 1)
        self.assertEqual(record_of(last).state, PENDING)
        a, b, c = (self.node(name) for name in "abc")
        graph = chain(a, group().on_end(b), c)
        self.assertEqual(self.connected(graph), [("a", "b"), ("a", "c")])

    def test_nothing_cannot_fail(self):
        rescue = self.node("rescue")
        with self.assertLogs("odoo.addons.queue_job.enqueue.calls") as logs:
            top = group().on_failed(rescue)
        self.assertIn("not enqueued, an empty group cannot fail", logs.output[0])
        self.forget(rescue)
        with self.assertRaisesRegex(ValueError, "Expecting jobs"):
            top.delay()

    def test_nothing_at_all(self):
        self.assertEqual(delay_many([]), [])


class TestDelayedBefore(GraphKeysCase):
    """A call that was delayed before is its job, in whatever state that is."""

    def delayed(self, state=PENDING, **options):
        node = self.node("before", **options)
        node.delay()
        self.set_state(record_of(node), state)
        return node

    def test_it_is_not_enqueued_again(self):
        node = self.delayed()
        with self.assertLogs(GRAPH_LOGGER, "DEBUG") as logs:
            self.assertEqual(self.created(node), 0)
        self.assertIn(f"is job {node._generated_job.uuid} already", logs.output[0])

    def test_with_a_key_it_gets_a_parent(self):
        node, parent = self.delayed(identity_key="key"), self.node("parent")
        self.assertEqual(self.created(parent.on_done(node)), 1)
        self.assert_waits(record_of(node), record_of(parent))

    def test_it_is_not_run_again(self):
        for state in (DONE, CANCELLED, STARTED):
            with self.subTest(state=state):
                node, child = self.delayed(state), self.node("child")
                self.assertEqual(self.created(node.on_done(child)), 1)
                self.assertEqual(record_of(node).state, state)
                self.assertEqual(record_of(child).dependency_ids, record_of(node))

    def test_what_may_have_begun_does_not_wait(self):
        for state in ("enqueued", STARTED, DONE):
            node, parent = self.delayed(state), self.node("parent")
            with self.assertRaisesRegex(ValueError, f"because it is in state {state}"):
                parent.on_done(node).delay()

    def test_jobs_never_wait_for_each_other(self):
        a, b = self.node("a"), self.node("b")
        chain(a, b).delay()
        with self.assertRaisesRegex(ValueError, "because it has to run before it"):
            chain(b, a).delay()

    def test_the_job_of_another_call_has_ended(self):
        held, node, child = self.held(), self.keyed(), self.node("child")
        node.delay()
        self.set_state(held, DONE)
        held.identity_slot = False
        self.assertEqual(self.created(node.on_done(child)), 2)
        self.assert_waits(record_of(child), record_of(node))

    def test_a_key_that_its_job_has_left(self):
        node, other = self.delayed(STARTED, identity_key="key"), self.keyed()
        self.assertEqual(self.created(group(node, other)), 1)
        self.assertNotEqual(record_of(node), record_of(other))

    def test_what_was_split_is_not_delayed(self):
        node = self.partners.delayable().write({})
        parts = node.split(5)
        with self.assertRaisesRegex(ValueError, "was split or refused"):
            node.delay()
        parts.delay()


class TestConcurrentGraphs(RaceCase):
    def call(self, env, key=None, name="x"):
        return env.user.delayable(
            identity_key=key, eta=3600, description=self.KEY
        ).exists()

    def forget_jobs(self):
        with self.registry.cursor() as cr:
            cr.execute("DELETE FROM queue_job WHERE name = %s", [self.KEY])

    def count(self):
        with self.registry.cursor() as cr:
            cr.execute("SELECT count(*) FROM queue_job WHERE name = %s", [self.KEY])
            return cr.fetchone()[0]

    def test_a_job_that_is_not_visible(self):
        """The call without a key is created; an edge to the job can't be yet."""
        self.call(self.first, self.KEY).delay()
        self.first.cr.commit()
        order, sync = self.call(self.second), self.call(self.second, self.KEY)
        with self.assertLogs(INSERT_LOGGER) as logs:
            chain(sync, order).delay()
        self.second.cr.commit()
        self.assertEqual(self.count(), 3)
        self.assertIn("enqueued again, <res.users>.exists has the key", logs.output[0])
        self.assertEqual(record_of(order).dependency_ids, record_of(sync))

    def test_all_keys_are_held_by_jobs_that_are_not_visible(self):
        job = self.call(self.first, self.KEY)
        job.delay()
        self.first.cr.commit()
        again = [self.call(self.second, self.KEY) for _number in range(2)]
        with self.assertLogs(INSERT_LOGGER, "DEBUG") as logs:
            group(*again).delay()
        self.second.cr.commit()
        self.assertEqual(self.count(), 1)
        uuid = job._generated_job.uuid
        self.assertEqual([call._generated_job.uuid for call in again], [uuid] * 2)
        self.assertIn(f"not enqueued, <res.users>.exists is job {uuid}", logs.output[0])

    @mute_logger("odoo.sql_db")
    def test_opposite_orders(self):
        """Both join the same two jobs: one comes too late, and is run again."""
        keys = [f"{self.KEY} {name}" for name in "ab"]
        with self.registry.cursor() as cr:
            group(*(self.call(self.env(cr=cr), key) for key in keys)).delay()
        self.first.cr.rollback()
        self.second.cr.rollback()

        def join(env, first, second):
            chain(self.call(env, first), self.call(env, second)).delay()

        join(self.first, *keys)
        with ThreadPoolExecutor(1) as executor:
            self.second.cr.execute("SELECT 1")
            late = executor.submit(join, self.second, *reversed(keys))
            self.wait_for_lock()
            self.first.cr.commit()
            with self.assertRaises(SerializationFailure):
                late.result(timeout=10)
        self.second.cr.rollback()
        join(self.second, *reversed(keys))
        self.second.cr.commit()
        self.assertEqual(self.count(), 2)
        with self.registry.cursor() as cr:
            cr.execute(
                "SELECT count(*) FROM queue_job_dependency edge"
                " JOIN queue_job child ON child.id = edge.child_id WHERE name = %s",
                [self.KEY],
            )
            self.assertEqual(cr.fetchone(), (1,))
