# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs with keys: what blocks them, what admits them, and races about that."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from unittest import mock

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase
from odoo.tools import mute_logger

from odoo.addons.queue_job.cli import foreground
from odoo.addons.queue_job.delay import chain, delay_many
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.jobrunner.session.queries import PROMOTE
from odoo.addons.queue_job.jobs import DeferredType
from odoo.addons.queue_job.keys import admission

from .helper_case import HelperCase
from .job_case import JobCase

SEQUENCE = {"gate": "sequence:x", "gate_limit": 0, "gate_state": "new"}
LIMITED = {"gate": "concurrency:x", "gate_limit": 2, "gate_state": "new"}


class TestOptions(HelperCase):
    def test_a_sequence_key(self):
        job = self.partner.with_delay(sequence_key="order-42").write({})
        record = job.db_record()
        self.assertEqual(record.gate, "sequence:order-42")
        self.assertEqual((record.gate_limit, record.gate_state), (0, "new"))
        self.assertTrue(record.scheduled)
        self.assertFalse(record.eta)

    def test_a_concurrency_key(self):
        options = {"concurrency_key": "shop", "concurrency_limit": 3}
        record = self.partner.with_delay(**options).write({}).db_record()
        self.assertEqual((record.gate, record.gate_limit), ("concurrency:shop", 3))
        default = self.partner.with_delay(concurrency_key="shop").write({})
        self.assertEqual(default.concurrency_limit, 1)

    def test_a_function_of_the_job(self):
        job = self.partner.with_delay(
            sequence_key=lambda job: f"partner {job.recordset.id}"
        ).write({})
        self.assertEqual(job.sequence_key, f"partner {self.partner.id}")
        loaded = Job.load(self.env, job.uuid)
        self.assertEqual(loaded.sequence_key, job.sequence_key)
        self.assertIsNone(loaded.concurrency_key)

    def test_everywhere(self):
        calls = [
            self.partner.delayable(sequence_key="a").write({}),
            self.partner.delayable().set(sequence_key="a").write({}),
        ]
        jobs = delay_many(calls)
        jobs.append(DeferredType(sequence_key="a")(self.partner.write, {}))
        parts = (self.partner + self.partner.copy()).delayable(sequence_key="a")
        parts = parts.write({}).split(1)
        parts.delay()
        jobs += [part._generated_job for part in parts._members]
        self.assertEqual({job.sequence_key for job in jobs}, {"a"})
        # one of a batch is enough to have a decision about the key
        states = [job.db_record().gate_state for job in jobs]
        self.assertEqual(states, ["new", "waiting", "new", "new", "waiting"])

    def test_refused_before_anything_is_written(self):
        for options in (
            {"sequence_key": "a", "concurrency_key": "b"},
            {"concurrency_limit": 2},
            {"concurrency_key": "b", "concurrency_limit": 0},
        ):
            with self.assertRaises(ValueError):
                self.partner.with_delay(**options).write({})
        self.assertEqual(self.counter.count_all(), 0)

    def test_children_are_blocked_when_they_are_released(self):
        first = self.partner.delayable().write({})
        second = self.partner.delayable(sequence_key="a").write({})
        chain(first, second).delay()
        record = second._generated_job.db_record()
        self.assertEqual(
            (record.state, record.gate_state), ("wait_dependencies", False)
        )
        first._generated_job.db_record().button_done()
        self.env.invalidate_all()
        self.assertEqual((record.state, record.gate_state), ("pending", "new"))
        self.assertTrue(record.scheduled)

    def test_enqueued_again_with_its_key(self):
        job = self.partner.with_delay(concurrency_key="a", concurrency_limit=4)
        record = job.write({}).db_record()
        record.button_cancelled()
        record.action_duplicate()
        found = self.env["queue.job"].search([("gate", "=", "concurrency:a")])
        self.assertEqual(found.mapped("gate_limit"), [4, 4])

    def test_in_a_trap_it_is_a_property_like_others(self):
        with self.trap_jobs() as trap:
            self.partner.with_delay(sequence_key="a").write({})
            trap.assert_enqueued_job(
                self.partner.write, args=({},), properties={"sequence_key": "a"}
            )
            trap.perform_enqueued_jobs()

    def test_drain_keeps_the_order_and_stops_behind_a_failure(self):
        ran = []

        def testing(partner, number):
            ran.append(number)
            if number == 2:
                raise ValueError("As I was told")

        with (
            self.job_method(testing),
            self.assertLogs("odoo.addons.queue_job.controllers.main", "ERROR"),
        ):
            for number in (1, 2, 3):
                self.partner.with_delay(sequence_key="a").testing(number)
            self.partner.with_delay(sequence_key="b").testing(4)
            result = self.drain_new()
        self.assertEqual(ran, [1, 2, 4])
        self.assertEqual(len(result.waiting), 1)

    def test_in_the_foreground(self):
        """As the command line does; the test has one transaction only."""
        with (
            self.enter_registry_test_mode(),
            mock.patch.object(foreground, "autocommit"),
        ):
            options = {"channel": "root.drained", "sequence_key": "a"}
            for name, priority in (("First", 5), ("Last", 7)):
                self.partner.with_delay(**options, priority=priority).write(
                    {"name": name}
                )
            self.partner.with_delay(**options, eta=60, priority=9).write({})
            self.env.flush_all()
            outcome = list(
                foreground.run_jobs(self.env.registry, channel="root.drained")
            )
        self.env.invalidate_all()
        self.assertEqual([state for _uuid, state in outcome], ["done", "done"])
        self.assertEqual(self.partner.name, "Last")


class TestKeys(JobCase):
    """What changes a job, in one transaction, by the statements of the runner."""

    def blocked(self, gate=SEQUENCE, state="pending", **values):
        values = {"scheduled": state == "pending", **gate, **values}
        if state != "pending":
            values["gate_state"] = False
        return self.job(state, **values)

    def admit(self):
        self.env.flush_all()
        self.assertFalse(admission.admit_marked(self.env.cr))
        self.env.invalidate_all()

    def states(self, jobs):
        self.env.flush_all()
        self.env.invalidate_all()
        return [job.gate_state for job in jobs]

    def sql(self, values, jobs):
        self.env.flush_all()
        self.env.cr.execute(
            f"UPDATE queue_job SET {values} WHERE id = ANY(%s)", [jobs.ids]
        )
        self.env.invalidate_all()

    def test_one_after_the_other_in_order(self):
        last = self.blocked(priority=20)
        first, second = self.blocked(), self.blocked()
        self.admit()
        jobs = first + second + last
        self.assertEqual(self.states(jobs), ["open", "waiting", "waiting"])
        self.assertEqual(jobs.mapped("scheduled"), [False, True, True])
        for state in ("enqueued", "started"):
            self.sql(f"state = '{state}'", first)
            self.admit()
            self.assertEqual(self.states(jobs), ["open", "waiting", "waiting"])
        self.sql("state = 'done'", first)
        self.admit()
        self.assertEqual(self.states(jobs), [False, "open", "waiting"])

    def test_so_many_at_a_time(self):
        jobs = self.jobs.concat(*(self.blocked(LIMITED) for _number in range(4)))
        self.admit()
        self.assertEqual(self.states(jobs), ["open", "open", "waiting", "waiting"])
        self.sql("state = 'failed'", jobs[0])
        self.admit()
        self.assertEqual(self.states(jobs), [False, "open", "open", "waiting"])

    def test_the_limit_of_the_first_in_the_line_counts(self):
        first = self.blocked({**LIMITED, "gate_limit": 1})
        second = self.blocked({**LIMITED, "gate_limit": 5})
        self.admit()
        self.assertEqual(self.states(first + second), ["open", "waiting"])

    def test_keys_of_other_kinds_and_channels_are_others(self):
        jobs = self.blocked() + self.blocked(LIMITED) + self.blocked(channel="root.b")
        self.admit()
        self.assertEqual(self.states(jobs), ["open"] * 3)

    def test_a_failure_stops_a_sequence_until_somebody_acts(self):
        for change in ("requeue", "button_done", "button_cancelled", "unlink"):
            failed, waiting = self.blocked(state="failed"), self.blocked()
            self.admit()
            self.assertEqual(self.states(waiting), ["waiting"])
            self.assertIn("has failed", waiting.held_by)
            getattr(failed, change)()
            self.admit()
            if change == "requeue":
                self.assertEqual(self.states(failed + waiting), ["open", "waiting"])
                failed.button_cancelled()
                self.admit()
            self.assertEqual(self.states(waiting), ["open"], change)
            self.assertFalse(waiting.held_by)
            waiting.button_cancelled()

    def test_a_retry_blocks_a_sequence_and_takes_no_place_of_a_limit(self):
        for gate, expected in ((SEQUENCE, "waiting"), (LIMITED, "open")):
            gate = {**gate, "gate_limit": gate["gate_limit"] and 1}
            first, second = self.blocked(gate), self.blocked(gate)
            self.admit()
            self.sql("state = 'started'", first)
            self.sql("state = 'pending', eta = now() + interval '1 h'", first)
            self.admit()
            self.assertEqual(self.states(first + second), ["later", expected])
            (first + second).button_cancelled()

    def test_run_now(self):
        job = self.blocked(eta="2999-01-01 00:00:00")
        self.admit()
        self.assertEqual(self.states(job), ["later"])
        job.action_run_now()
        self.admit()
        self.assertEqual(self.states(job), ["open"])

    def test_run_now_does_not_pass_the_key(self):
        self.blocked(state="started")
        job = self.blocked(eta="2999-01-01 00:00:00")
        job.action_run_now()
        self.admit()
        self.assertEqual(self.states(job), ["waiting"])
        self.assertTrue(job.scheduled)

    def test_sql_from_outside_does_not_pass_the_key(self):
        first, second = self.blocked(state="started"), self.blocked(state="enqueued")
        third = self.blocked()
        self.sql("state = 'pending', scheduled = FALSE", first + second)
        self.assertEqual(self.states(first + second), ["new", "new"])
        self.assertEqual((first + second).mapped("scheduled"), [True, True])
        self.admit()
        self.assertEqual(
            self.states(first + second + third), ["open", "waiting", "waiting"]
        )
        self.sql("scheduled = FALSE", second)
        self.assertEqual(self.states(second), ["new"])
        self.assertTrue(second.scheduled)

    def test_one_that_is_before_it_takes_the_turn(self):
        first = self.blocked()
        self.admit()
        urgent = self.blocked(priority=1)
        self.admit()
        self.assertEqual(self.states(first + urgent), ["waiting", "open"])
        first.priority = 0
        self.admit()
        self.assertEqual(self.states(first + urgent), ["open", "waiting"])

    def test_another_channel(self):
        first, second = self.blocked(), self.blocked()
        other = self.blocked(channel="root.b")
        self.admit()
        first.channel = "root.b"
        self.admit()
        self.assertEqual(
            self.states(first + second + other), ["open", "open", "waiting"]
        )
        first.channel = False
        self.admit()
        self.assertEqual(first.channel, "root")
        self.assertEqual(
            self.states(first + second + other), ["open", "waiting", "open"]
        )

    def test_a_parent_that_is_added(self):
        first, second = self.blocked(), self.blocked()
        self.admit()
        self.sql("state = 'wait_dependencies'", first)
        self.admit()
        self.assertEqual(self.states(first + second), [False, "open"])

    def test_the_clock_was_set_back(self):
        """The runner has put a job off that was let through: it comes again."""
        job = self.blocked()
        self.admit()
        self.sql("scheduled = TRUE", job)
        self.env.cr.execute(PROMOTE)
        self.admit()
        self.assertEqual(self.states(job), ["open"])
        self.assertFalse(job.scheduled)

    def test_nobody_forces_the_gate_by_rpc(self):
        job = self.blocked().with_user(self.manager)
        for values in ({"gate_state": "open"}, {"gate": False}, {"gate_limit": 9}):
            with self.assertRaises(AccessError):
                job.write(values)

    def test_the_sweep_finds_what_nobody_has_marked(self):
        held = self.blocked(gate_state="waiting")
        self.admit()
        self.assertEqual(self.states(held), ["waiting"])
        opened, after = admission.sweep(self.env.cr)
        self.assertIn(held.id, opened)
        self.assertIsNone(after)
        self.assertEqual(self.states(held), ["open"])

    def test_the_sweep_goes_page_by_page(self):
        jobs = self.jobs.concat(
            *(
                self.blocked({**SEQUENCE, "gate": f"sequence:{number}"})
                for number in range(3)
            )
        )
        self.env.flush_all()
        rest = admission.NEXT_KEYS.rpartition("LIMIT")[0] + "LIMIT 2"
        found = set()
        with (
            mock.patch.object(admission, "NEXT_KEYS", rest),
            mock.patch.object(admission, "SWEEP_PAGE", 2),
        ):
            opened, after = admission.sweep(self.env.cr)
            found.update(opened)
            while after:
                opened, after = admission.sweep(self.env.cr, after)
                found.update(opened)
        self.assertLessEqual(set(jobs.ids), found)

    def test_why_it_is_held(self):
        running = self.blocked(state="started", name="The first")
        waiting = self.blocked()
        self.admit()
        self.assertIn("The first", waiting.held_by)
        self.assertFalse(running.held_by)
        found = self.jobs.search([("gate_state", "in", ["new", "waiting"])])
        self.assertIn(waiting, found)

    def test_a_job_without_a_key_has_no_gate_state(self):
        job = self.job()
        self.sql("state = 'started'", job)
        self.sql("state = 'pending', scheduled = FALSE", job)
        self.assertFalse(job.gate_state or job.scheduled)


class TestRaces(TransactionCase):
    """Workers that end jobs of one key at the same time, each with a connection."""

    WORKERS, JOBS = 4, 60

    INSERT = """
    INSERT INTO queue_job (uuid, state, model_name, method_name, channel, priority,
                           date_created, gate, gate_limit, gate_state, scheduled)
    SELECT 'test-gate-' || number, 'pending', 'no.model', 'none', 'root.test_gate', 10,
           now() AT TIME ZONE 'UTC', %(gate)s, %(limit)s, 'new', TRUE
      FROM generate_series(1, %(count)s) AS number
    """
    CLAIM = """
    UPDATE queue_job SET state = 'started'
     WHERE id = (SELECT id FROM queue_job
                  WHERE state = 'pending' AND scheduled IS NOT TRUE
                    AND channel = 'root.test_gate'
                  ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id
    """

    def setUp(self):
        super().setUp()
        self.cursors = [self.book() for _worker in range(self.WORKERS)]
        self.addCleanup(
            self.cursors[0].execute,
            "DELETE FROM queue_job WHERE channel = 'root.test_gate'",
        )

    def book(self):
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        cr._cnx.autocommit = True
        return cr

    def insert(self, gate, limit, count):
        self.cursors[0].execute(
            self.INSERT, {"gate": gate, "limit": limit, "count": count}
        )

    def run_all(self, gate, limit):
        """Run all jobs of the key; return their order, and how many ran at most."""
        self.insert(gate, limit, self.JOBS)
        admission.admit_marked(self.cursors[0])
        order, running, most, lock, full = [], Counter(), [0], Lock(), Event()
        deadline = time.monotonic() + 60

        def work(cr):
            while len(order) < self.JOBS and time.monotonic() < deadline:
                cr.execute(self.CLAIM)
                found = cr.fetchone()
                if not found:
                    continue
                with lock:
                    order.append(found[0])
                    running[found] += 1
                    most[0] = max(most[0], running.total())
                    if most[0] >= max(limit, 1):
                        full.set()
                full.wait(20)  # the first jobs last until all places are taken
                with lock:
                    running[found] -= 1
                cr.execute("UPDATE queue_job SET state = 'done' WHERE id = %s", found)
                admission.admit(cr, [("root.test_gate", gate)], found)

        with ThreadPoolExecutor(self.WORKERS) as executor:
            list(executor.map(work, self.cursors))
        self.assertEqual(len(order), self.JOBS, "nothing is left behind")
        return order, most[0]

    def test_a_limit_of_three_and_four_workers(self):
        _order, most = self.run_all("concurrency:race", 3)
        self.assertEqual(most, 3)

    def test_a_sequence_and_four_workers(self):
        order, most = self.run_all("sequence:race", 0)
        self.assertEqual(most, 1)
        self.assertEqual(order, sorted(order))

    def test_nobody_waits_for_a_user(self):
        """Who holds the row of the first in line delays the key, and nobody else."""
        self.insert("sequence:race", 0, 2)
        with self.registry.cursor() as user:
            user.execute(
                "UPDATE queue_job SET state = 'cancelled' WHERE uuid = 'test-gate-1'"
            )
            self.cursors[0].execute("SET statement_timeout = '5s'")
            admission.admit_marked(self.cursors[0])
            self.assertEqual(self.open_jobs(), [])
        admission.admit_marked(self.cursors[0])
        self.assertEqual(self.open_jobs(), ["test-gate-2"])

    def test_nobody_waits_for_a_frozen_process(self):
        self.insert("sequence:race", 0, 2)
        with self.registry.cursor() as frozen:
            keys = {"channels": ["root.test_gate"], "gates": ["sequence:race"]}
            frozen.execute(admission.LOCK_KEYS, keys)
            with mute_logger("odoo.sql_db"):
                admission.admit_marked(self.cursors[0])
            self.assertEqual(self.open_jobs(), [])
        admission.admit_marked(self.cursors[0])
        self.assertEqual(self.open_jobs(), ["test-gate-1"])

    def open_jobs(self):
        self.cursors[1].execute(
            "SELECT uuid FROM queue_job WHERE gate_state = 'open'"
            " AND channel = 'root.test_gate'"
        )
        return [uuid for (uuid,) in self.cursors[1].fetchall()]
