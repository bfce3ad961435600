# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Delayables, groups, chains and what they become."""

import gc
from unittest import mock

from markupsafe import Markup

from odoo.tests import TransactionCase
from odoo.tools import mute_logger
from odoo.tools.translate import LazyGettext

from ..delay import Delayable, DelayableGraph, DelayableRecordset, chain, group
from ..job import PENDING, WAIT_DEPENDENCIES, Job

LOGGER = "odoo.addons.queue_job.delay"


class DelayCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partners = cls.env["res.partner"].create(
            [{"name": f"Partner {number}"} for number in range(10)]
        )
        cls.partner = cls.partners[0]

    def node(self, name="x", **options):
        """Return a call which is named after its argument."""
        return self.partner.delayable(**options).write({"name": name})

    def names(self, edges):
        return sorted(
            (p._job_args[0]["name"], c._job_args[0]["name"]) for p, c in edges
        )

    def forget(self, *delayables):
        for delayable in delayables:
            delayable._generated_job = True

    def connected(self, top):
        graph = top._graph._connect_graphs()
        self.forget(*graph.vertices())
        return self.names(graph.edges())


class TestDelayable(DelayCase):
    def test_call_is_kept(self):
        delayable = self.node("a", priority=5)
        self.forget(delayable)
        self.assertEqual(delayable._job_method, self.partner.write)
        self.assertEqual(delayable._job_args, ({"name": "a"},))
        self.assertEqual(delayable._job_kwargs, {})
        self.assertEqual(delayable.priority, 5)

    def test_properties(self):
        self.assertEqual(
            Delayable._properties,
            (
                "priority",
                "eta",
                "max_retries",
                "description",
                "channel",
                "identity_key",
            ),
        )

    def test_set(self):
        delayable = self.node()
        self.forget(delayable)
        self.assertIs(delayable.set({"priority": 3}, channel="root.a"), delayable)
        delayable.set(timeout=5)
        self.assertEqual((delayable.priority, delayable.channel), (3, "root.a"))
        self.assertEqual(delayable._extras, {"timeout": 5})
        with self.assertRaisesRegex(ValueError, "No property colour"):
            delayable.set(colour="blue")

    def test_only_methods(self):
        delayable = self.partner.delayable()
        self.forget(delayable)
        with self.assertRaisesRegex(
            AttributeError,
            r"only methods can be delayed \(name called on res.partner\(",
        ):
            delayable.name()
        with self.assertRaises(AttributeError):
            delayable.there_is_no_such_method()

    def test_any_object_may_be_delayed(self):
        class Things(list):
            def __getitem__(self, key):
                return Things(super().__getitem__(key))

            def work(self):
                """Work."""

        delayable = Delayable(Things("abcde")).work()
        parts = delayable.split(2)
        self.assertEqual(len(parts._delayables), 3)
        self.forget(*parts._delayables)

    def test_warning_when_forgotten(self):
        with self.assertLogs(LOGGER, "WARNING") as logs:
            self.partner.delayable().write({"name": "x"})
        self.assertEqual(
            logs.records[0].getMessage(),
            f"Delayable Delayable({self.partner}.write(({{'name': 'x'}},), {{}})) "
            "was prepared but never delayed",
        )

    def test_no_reference_cycles(self):
        gc.disable()
        self.addCleanup(gc.enable)
        with self.assertLogs(LOGGER, "WARNING") as logs:
            chain(self.node("a"), group(self.node("b"), self.node("c")))
        self.assertEqual(len(logs.records), 3)

    def test_split(self):
        for count, size, expected in [(10, 3, 4), (10, 2, 5), (10, 10, 1), (10, 20, 1)]:
            with self.subTest(size=size):
                delayable = self.partners[:count].delayable(priority=4)
                parts = delayable.write({"name": "x"}).split(size)
                self.assertEqual(len(parts._delayables), expected)
                self.forget(*parts._delayables)

    def test_split_parts(self):
        delayable = self.partners.delayable(description="Send", priority=4, timeout=9)
        parts = delayable.write({"name": "x"}).split(6, chain=True)
        first, second = parts._members
        self.forget(first, second)
        self.assertEqual(first.description, "Send (split 1/2)")
        self.assertEqual(first.recordset, self.partners[:6])
        self.assertEqual(second._job_method.__self__, self.partners[6:])
        self.assertEqual(second._job_method.__name__, "write")
        self.assertEqual(second.priority, 4)
        self.assertEqual(second._extras, {"timeout": 9})
        self.assertEqual(parts._graph.edges(), [(first, second)])

    def test_split_needs_a_method(self):
        delayable = self.partners.delayable()
        self.forget(delayable)
        with self.assertRaisesRegex(ValueError, "No method set on the Delayable"):
            delayable.split(2)


class TestGraphs(DelayCase):
    def test_job_to_group(self):
        top = self.node("a").on_done(group(self.node("b"), self.node("c")))
        self.assertEqual(self.connected(top), [("a", "b"), ("a", "c")])

    def test_group_to_group(self):
        top = group(self.node("a"), self.node("b"))
        top.on_done(group(self.node("c"), self.node("d")))
        self.assertEqual(
            self.connected(top), [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]
        )

    def test_chain_of_chains(self):
        top = chain(
            chain(self.node("a"), self.node("b")), chain(self.node("c"), self.node("d"))
        )
        self.assertEqual(self.connected(top), [("a", "b"), ("b", "c"), ("c", "d")])

    def test_chain_on_done(self):
        top = chain(self.node("a"), self.node("b"))
        top.on_done(self.node("c"), self.node("d"))
        self.assertEqual(self.connected(top), [("a", "b"), ("b", "c"), ("b", "d")])

    def test_group_of_chains_to_chains(self):
        top = group(
            chain(self.node("a"), self.node("b")), chain(self.node("c"), self.node("d"))
        )
        top.on_done(chain(self.node("e"), self.node("f")))
        self.assertEqual(
            self.connected(top),
            [("a", "b"), ("b", "e"), ("c", "d"), ("d", "e"), ("e", "f")],
        )

    def test_diamond(self):
        end = self.node("d")
        top = self.node("a").on_done(
            self.node("b").on_done(end), self.node("c").on_done(end)
        )
        self.assertEqual(
            self.connected(top), [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
        )

    def test_conditions(self):
        rescue, report = self.node("rescue"), self.node("report")
        top = chain(self.node("a"), self.node("b")).on_failed(rescue).on_end(report)
        graph = top._graph._connect_graphs()
        self.forget(*graph.vertices())
        conditions = {
            child._job_args[0]["name"]: condition
            for (_parent, child), condition in graph._conditions.items()
        }
        self.assertEqual(conditions, {"rescue": "failed", "report": "always"})

    def test_repr(self):
        one = self.node("a")
        self.assertEqual(repr(group(one)), f"DelayableGroup(\n\t{one!r}\n)")
        self.assertEqual(repr(chain(one)), f"DelayableChain(\n\t{one!r}\n)")
        self.forget(one)

    def test_empty(self):
        for top in (group(), chain()):
            with self.assertRaisesRegex(ValueError, "Expecting jobs"):
                top.delay()

    def test_a_split_of_no_records_is_nothing_to_do(self):
        none = self.partners.browse()
        split = none.delayable().write({}).split
        follower = self.node("follower")
        count = self.env["queue.job"].search_count([])
        for top in (
            split(2),
            split(2, chain=True),
            chain(split(2)),
            group(split(2), chain(split(3))),
        ):
            with self.subTest(top):
                top.delay()
        self.assertEqual(self.env["queue.job"].search_count([]), count)
        split(2, chain=True).on_done(follower).delay()
        self.assertEqual(follower._generated_job.state, PENDING)

    def test_stored_dependencies_have_both_sides(self):
        nodes = [self.node(name) for name in "abc"]
        chain(*nodes).delay()
        records = [node._generated_job.db_record() for node in nodes]
        records[0].invalidate_recordset()
        sides = [
            (
                len(r.dependencies["depends_on"]),
                len(r.dependencies["reverse_depends_on"]),
            )
            for r in records
        ]
        self.assertEqual(sides, [(0, 1), (1, 1), (1, 0)])

    def test_the_size_of_a_split(self):
        delayable = self.node()
        for size in (0, -1, "2", 1.5, None, True):
            with (
                self.subTest(size),
                self.assertRaisesRegex(
                    ValueError, r"split\(.*\): give the number of records of each part"
                ),
            ):
                delayable.split(size)
        self.forget(delayable)

    def test_members_are_calls(self):
        nodes = [self.node(), self.node()]
        proxy = self.partner.with_delay()
        self.forget(*nodes, proxy.delayable)
        for make, name in ((chain, "chain"), (group, "group")):
            for wrong, kind in (
                (nodes, "list"),
                (tuple(nodes), "tuple"),
                (iter(nodes), "list_iterator"),
                (self.partner, "res.partner"),
                (Job(self.partner.write), "Job"),
                (proxy, "DelayableRecordset"),
                (None, "NoneType"),
            ):
                message = rf"{name}\(\) takes the calls .*\*calls.* is a {kind}"
                with (
                    self.subTest(name=name, kind=kind),
                    self.assertRaisesRegex(TypeError, message),
                ):
                    make(wrong)

    def test_a_lazy_translation_as_description(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        text = "A timeout cannot be negative."
        lazy = LazyGettext(text, _module="queue_job")
        partners = self.partners[:2].with_context(lang="fr_FR")
        job = partners.with_delay(description=lazy).write({})
        expected = lazy._translate("fr_FR")
        self.assertNotEqual(expected, text)
        self.assertEqual(job.db_record().name, expected)
        parts = partners.delayable(description=lazy).write({}).split(1)
        parts.delay()
        names = {part._generated_job.db_record().name for part in parts._members}
        self.assertEqual(names, {f"{expected} (split {n}/2)" for n in (1, 2)})
        self.assertEqual(
            Job(partners.write, ({},), description=lazy).description, expected
        )

    def test_a_lazy_translation_without_a_language(self):
        lazy = LazyGettext("Job", _module="queue_job")
        partner = self.partner.with_context(lang=False)
        self.env.user.lang = False
        self.assertEqual(
            partner.with_delay(description=lazy).write({}).description, "Job"
        )

    def test_a_key_function_may_give_a_number(self):
        job = self.partner.with_delay(identity_key=lambda job: 0).write({})
        self.assertEqual(job.identity_key, "0")
        parts = (
            self.partners[:2].delayable(identity_key=lambda job: 7).write({}).split(1)
        )
        parts.delay()
        keys = {part._generated_job.identity_key for part in parts._members}
        self.assertEqual(len(keys), 2)
        key = {"sequence_key": lambda job: job.recordset.id}
        job = self.partner.with_delay(**key).write({})
        self.assertEqual(job.sequence_key, str(self.partner.id))

    def test_a_value_of_the_context_is_named(self):
        partner = self.partner.with_context(active_test=[1j])
        message = "The records of .*: the key 'active_test' of the context: .*"
        with self.assertRaisesRegex(TypeError, message):
            partner.with_delay().write({})
        with self.assertRaisesRegex(TypeError, "Argument 1 of .*: the key 'active_t"):
            self.partner.with_delay().write(partner)

    def test_graph_uuid(self):
        jobs = [Job(self.partner.write) for _number in range(3)]
        ensure = DelayableGraph._ensure_same_graph_uuid
        with self.assertRaisesRegex(ValueError, "Expecting jobs"):
            ensure([])
        ensure(jobs[:1])
        self.assertFalse(jobs[0].graph_uuid)
        jobs[1].graph_uuid = "known"
        ensure(jobs)
        self.assertEqual({job.graph_uuid for job in jobs}, {"known"})
        with self.assertRaisesRegex(ValueError, "should not have a graph uuid"):
            ensure(jobs[:1])
        jobs[0].graph_uuid = "other"
        with self.assertRaisesRegex(ValueError, "several graphs"):
            ensure(jobs)


class TestDelay(DelayCase):
    def delayed(self, *nodes):
        return [node._generated_job for node in nodes]

    def test_with_delay(self):
        job = self.partner.with_delay(priority=3).write({"name": "later"})
        self.assertIsInstance(job, Job)
        record = self.env["queue.job"].search([("uuid", "=", job.uuid)])
        self.assertEqual(record, job.db_record())
        self.assertEqual(record.id, job.id)
        self.assertEqual(record.priority, 3)
        self.assertEqual(record.state, PENDING)
        self.assertFalse(record.graph_uuid)
        self.assertEqual(record.records, self.partner)

    def test_proxy(self):
        proxy = self.partner.with_delay()
        self.forget(proxy.delayable)
        self.assertEqual(proxy.recordset, self.partner)
        self.assertEqual(
            str(proxy), f"DelayableRecordset(res.partner({self.partner.id},))"
        )
        self.assertIsInstance(proxy, DelayableRecordset)

    def test_plain_user_may_delay(self):
        user = self.env.ref("base.public_user")
        records = self.partner.with_user(user)
        job = records.with_delay().exists()
        self.assertEqual(job.db_record().user_id, user)
        self.assertEqual(Job.load(self.env, job.uuid).recordset.env.uid, user.id)
        self.assertFalse(Job.load(self.env, job.uuid).recordset.env.su)

    def test_chain(self):
        nodes = [self.node(name) for name in "abc"]
        chain(*nodes).delay()
        first, second, third = self.delayed(*nodes)
        self.assertEqual(
            [job.db_record().state for job in (first, second, third)],
            [PENDING, WAIT_DEPENDENCIES, WAIT_DEPENDENCIES],
        )
        self.assertEqual(len({job.db_record().graph_uuid for job in (first, third)}), 1)
        self.assertEqual(second.db_record().dependency_ids, first.db_record())
        self.assertEqual(second.db_record().dependent_ids, third.db_record())
        self.assertEqual(
            second.db_record().dependencies,
            {"depends_on": [first.uuid], "reverse_depends_on": [third.uuid]},
        )
        self.assertEqual(Job.load(self.env, second.uuid).depends_on, {first})
        self.assertEqual(Job.load(self.env, second.uuid).reverse_depends_on, {third})

    def test_statements_of_a_group(self):
        self.node("warm").delay()
        self.env.flush_all()
        count = self.env.cr.sql_log_count
        nodes = [self.node(str(number)) for number in range(1200)]
        group(*nodes).delay()
        self.assertEqual(self.env.cr.sql_log_count - count, 3)
        ids = [job.id for job in self.delayed(*nodes)]
        self.assertEqual(ids, sorted(ids), "jobs are created in the order of members")

    def test_statements_of_a_group_with_keys(self):
        self.node("warm", identity_key="warm").delay()
        self.env.flush_all()
        nodes = [self.node(str(n), identity_key=f"key {n}") for n in range(1200)]
        with self.assertQueryCount(4):  # are there any already? 500, 500, 200
            group(*nodes).delay()
        ids = [job.id for job in self.delayed(*nodes)]
        self.assertEqual(ids, sorted(ids))
        self.assertEqual(len(set(ids)), 1200)

    def test_statements_of_one(self):
        self.partner.with_delay().exists()
        self.env.flush_all()
        with self.assertQueryCount(1):
            self.partner.with_delay().exists()
        with self.assertQueryCount(2):  # is there one already? insert
            self.partner.with_delay(identity_key="statements").exists()
        with self.assertQueryCount(1):
            self.partner.with_delay(identity_key="statements").exists()

    def test_all_or_nothing_below_the_top(self):
        inner = self.node("b")
        outer = self.node("a").on_done(inner)
        inner.delay()
        with self.assertLogs(LOGGER, "WARNING"):
            del outer

    def test_already_delayed_gets_a_parent(self):
        late = self.node("late")
        late.delay()
        (job,) = self.delayed(late)
        self.assertEqual(job.db_record().state, PENDING)
        parent = self.node("parent").on_done(late)
        parent.delay()
        self.assertEqual(job.db_record().state, WAIT_DEPENDENCIES)
        (parent_job,) = self.delayed(parent)
        self.assertEqual(job.db_record().dependency_ids, parent_job.db_record())

    def test_conditions_reach_the_edges(self):
        first, rescue, report = (self.node(name) for name in "abc")
        first.on_failed(rescue).on_end(report).delay()
        (edge,) = rescue._generated_job.db_record().parent_edge_ids
        self.assertEqual(edge.condition, "failed")
        (edge,) = report._generated_job.db_record().parent_edge_ids
        self.assertEqual(edge.condition, "always")

    def test_cycle(self):
        first, second = self.node("a"), self.node("b")
        first.on_done(second)
        second.on_done(first)
        self.forget(first, second)
        with self.assertRaisesRegex(ValueError, "cycle"):
            first.delay()
        first._children.clear()

    def test_refused_argument_is_named(self):
        with self.assertRaisesRegex(
            TypeError, r"Argument 2 of <res.partner>.write, of type object"
        ):
            self.partner.with_delay().write({"name": "x"}, object())
        with self.assertRaisesRegex(TypeError, r"Argument 'vals' .* of type dict"):
            self.partner.with_delay().write(vals={"name": [1j]})
        new = self.partner.new({"name": "x"})
        with self.assertRaisesRegex(TypeError, "Argument 1 of .*: .*is not saved"):
            self.partner.with_delay().write(new)
        with self.assertRaisesRegex(TypeError, "The records of .*: .*is not saved"):
            new.with_delay().write({})
        values = {}
        values["self"] = [values]
        with self.assertRaisesRegex(TypeError, "Argument 'vals' of .* holds itself"):
            self.partner.with_delay().write(vals=values)

    def test_nothing_is_written_where_an_argument_is_refused(self):
        calls = [self.node("a"), self.partner.delayable().write({1j: 1})]
        jobs = self.env["queue.job"].search_count([])
        with self.assertRaisesRegex(TypeError, "Argument 1"):
            group(*calls).delay()
        self.assertEqual(self.env["queue.job"].search_count([]), jobs)

    def test_arguments_that_are_in_the_database(self):
        """PostgreSQL holds each text, and each kind of key."""
        values = {
            "text": "NUL \0, half a pair \udcff",
            "bound": float("inf"),
            "keys": {self.partner: {1: Markup("<b/>")}, 1: "a", "1": "b"},
            "payload": {"_type": "odoo_recordset", "model": "res.users", "ids": [1]},
        }
        job = self.partner.with_delay().write(values, _type="python_set", value=[1])
        loaded = Job.load(self.env, job.uuid)
        self.assertEqual(loaded.args, (values,))
        self.assertEqual(repr(loaded.args), repr((values,)))
        self.assertEqual(loaded.kwargs, {"_type": "python_set", "value": [1]})
        self.assertEqual(loaded.db_record().args, [values])

    def test_store_may_be_replaced(self):
        with mock.patch.object(Job, "store") as store:
            job = self.partner.with_delay().exists()
        store.assert_called_once_with()
        self.assertFalse(job.db_record())

    def test_options_reach_the_row(self):
        job = self.partner.with_delay(
            priority="high",
            countdown=60,
            timeout=30,
            expires=3600,
            notify="failed",
            identity_key="options",
            identity_scope="done",
        ).exists()
        record = job.db_record()
        self.assertEqual((record.priority, record.timeout), (1, 30))
        self.assertEqual(record.identity_slot, "options")
        self.assertEqual(record.identity_scope, "done")
        self.assertEqual(record.options["notify"], "failed")
        self.assertEqual(record.options["expires"], job.options["expires"])
        self.assertTrue(record.scheduled)
        loaded = Job.load(self.env, job.uuid)
        self.assertEqual(loaded.options, job.options)
        self.assertEqual(loaded.timeout, 30)

    def test_countdown_and_eta(self):
        with self.assertRaisesRegex(ValueError, "give one of them"):
            self.partner.with_delay(countdown=1, eta=1).exists()


class TestDirect(DelayCase):
    @mute_logger("odoo.addons.queue_job.utils")
    def test_no_delay(self):
        record = self.partner.with_context(queue_job__no_delay=True)
        job = record.with_delay().write({"name": "at once"})
        self.assertEqual(self.partner.name, "at once")
        self.assertEqual(job.retry, 1)
        self.assertFalse(job.db_record())

    @mute_logger("odoo.addons.queue_job.utils")
    def test_parents_first(self):
        record = self.partner.with_context(test_queue_job_no_delay=True)
        first = self.node("first")
        last = record.delayable().write({"name": "last"})
        chain(first, last).delay()
        self.assertEqual(self.partner.name, "last")

    def test_allow_nested(self):
        inside = self.partner.with_context(job_uuid="outer")
        with self.assertLogs(LOGGER, "WARNING") as logs:
            job = inside.with_delay(allow_nested=False).write({"name": "nested"})
        self.assertIn("outer", logs.output[0])
        self.assertEqual(self.partner.name, "nested")
        self.assertFalse(job.db_record())
        job = inside.with_delay().write({"name": "again"})
        self.assertTrue(job.db_record())
        job = self.partner.with_delay(allow_nested=False).write({"name": "outside"})
        self.assertTrue(job.db_record())
