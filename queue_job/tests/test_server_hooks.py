# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner starts and stops with the server, and only where it should."""

import logging
import os
import threading
import time
from contextlib import ExitStack, contextmanager
from unittest.mock import Mock, patch

from odoo.service import server
from odoo.tests import BaseCase
from odoo.tools import config as odoo_config

from odoo.addons.queue_job import jobrunner
from odoo.addons.queue_job.jobrunner.server import server_hooks, shared_heap
from odoo.addons.queue_job.jobrunner.server.server_hooks import Respawn

LOGGER = "odoo.addons.queue_job.jobrunner.server.server_hooks"
IS_ONE_OFF = server_hooks._is_one_off  # before the tests replace it


class FakeRunner:
    """Runs until it is stopped."""

    def __init__(self):
        self.running = threading.Event()
        self.stopped = threading.Event()

    @classmethod
    def from_environ_or_config(cls):
        return cls()

    def run(self):
        self.running.set()
        self.stopped.wait(10)

    def stop(self):
        self.stopped.set()


class HooksCase(BaseCase):
    def setUp(self):
        super().setUp()
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.patch_package = lambda name, value: stack.enter_context(
            patch.object(jobrunner, name, value)
        )
        self.patch_package("QueueJobRunner", FakeRunner)
        self.patch_package("runner_thread", None)
        self.freeze = stack.enter_context(patch.object(shared_heap, "freeze"))
        # a server that serves, as opposed to the one that runs these tests
        self.one_off = stack.enter_context(
            patch.object(server_hooks, "_is_one_off", return_value=False)
        )

    def set_channels(self, text):
        self.patch_package("_channels", lambda: text)


class TestEnabled(HooksCase):
    def test_enabled_unless_the_capacity_of_root_is_0(self):
        for text, expected in (
            ("root:4", True),
            (" root:0 ", False),
            ("root:01", True),
            ("A:1,root:0", False),
        ):
            with self.subTest(text=text):
                self.set_channels(text)
                self.assertIs(jobrunner._is_runner_enabled(), expected)

    def test_a_malformed_configuration_stops_the_start(self):
        environ = {"ODOO_QUEUE_JOB_CHANNELS": "root:4,mail:x"}
        with (
            patch.dict(os.environ, environ),
            self.assertRaisesRegex(ValueError, "mail:x: invalid capacity x"),
        ):
            jobrunner._is_runner_enabled()

    def test_this_server_only_tests(self):
        self.assertTrue(IS_ONE_OFF())
        options = odoo_config.options.new_child({"stop_after_init": False})
        with patch.object(server_hooks, "config", options):
            self.assertFalse(IS_ONE_OFF())


class TestThreadedServer(HooksCase):
    def setUp(self):
        super().setUp()
        self.set_channels("root:1")
        self.server = Mock(spec=server.ThreadedServer)
        for name in ("orig_threaded_start", "orig_threaded_stop"):
            patcher = patch.object(server_hooks, name)
            setattr(self, name, patcher.start())
            self.addCleanup(patcher.stop)

    def test_classes_are_patched(self):
        self.assertIs(server.ThreadedServer.start, jobrunner.threaded_start)
        self.assertIs(server.ThreadedServer.stop, jobrunner.threaded_stop)
        self.assertIs(server.PreforkServer.__init__, jobrunner.prefork__init__)
        self.assertIs(
            server.PreforkServer.process_spawn, jobrunner.prefork_process_spawn
        )
        self.assertIs(server.PreforkServer.worker_pop, jobrunner.prefork_worker_pop)

    def test_runs_from_start_to_stop(self):
        with self.assertLogs(LOGGER, logging.INFO) as logs:
            jobrunner.threaded_start(self.server)
        self.assertIn("starting jobrunner thread (in threaded server)", logs.output[0])
        thread = jobrunner.runner_thread
        self.assertTrue(thread.daemon)
        self.assertTrue(thread.runner.running.wait(2), "no fixed delay")
        jobrunner.threaded_stop(self.server)
        self.orig_threaded_stop.assert_called_once_with(self.server)
        self.assertFalse(thread.is_alive())

    def test_stop_interrupts_the_start_delay(self):
        self.patch_package("START_DELAY", 60)
        jobrunner.threaded_start(self.server)
        thread = jobrunner.runner_thread
        began = time.monotonic()
        jobrunner.threaded_stop(self.server)
        self.assertFalse(thread.is_alive())
        self.assertLess(time.monotonic() - began, 2)
        self.assertFalse(thread.runner.running.is_set())

    def test_not_started_when_the_server_is_to_stop(self):
        jobrunner.threaded_start(self.server, stop=True)
        jobrunner.threaded_start(self.server, True)
        self.one_off.return_value = True
        jobrunner.threaded_start(self.server)
        self.assertIsNone(jobrunner.runner_thread)
        self.assertEqual(self.orig_threaded_start.call_count, 3)
        jobrunner.threaded_stop(self.server)

    def test_not_started_without_capacity(self):
        self.set_channels("root:0")
        with self.assertLogs(LOGGER, logging.INFO) as logs:
            jobrunner.threaded_start(self.server)
        self.assertIn(
            "NOT started, because the root channel's capacity is set to 0",
            logs.output[0],
        )
        self.assertIsNone(jobrunner.runner_thread)

    def test_deployment_code_may_replace_the_start(self):
        start = Mock()
        self.patch_package("_start_runner_thread", start)
        jobrunner.threaded_start(self.server)
        start.assert_called_once_with("threaded server")


class TestPreforkServer(HooksCase):
    def setUp(self):
        super().setUp()
        self.set_channels("root:1")
        self.pids = iter(range(100, 200))
        self.server = Mock(spec=["worker_spawn"])
        self.server.worker_spawn.side_effect = self.spawn
        self.startup = patch.multiple(
            server_hooks,
            orig_prefork__init__=Mock(),
            orig_prefork_process_spawn=Mock(),
            orig_prefork_worker_pop=Mock(),
        )
        self.startup.start()
        self.addCleanup(self.startup.stop)
        jobrunner.prefork__init__(self.server, None)

    def spawn(self, klass, registry):
        registry[next(self.pids)] = klass

    @property
    def pid(self):
        return next(iter(self.server.jobrunner), None)

    def test_exactly_one_runner(self):
        for _beat in range(3):
            jobrunner.prefork_process_spawn(self.server)
        self.assertEqual(self.server.jobrunner, {100: jobrunner.WorkerJobRunner})

    def test_the_register_alone_is_enough(self):
        """Deployment code that makes it itself gets a runner."""
        del self.server.jobrunner_respawn
        del self.server.job_workers
        jobrunner.prefork_process_spawn(self.server)
        self.assertEqual(self.pid, 100)

    def test_a_dead_runner_is_replaced_at_once(self):
        jobrunner.prefork_process_spawn(self.server)
        jobrunner.prefork_worker_pop(self.server, 55)  # somebody else
        self.assertEqual(self.pid, 100)
        jobrunner.prefork_worker_pop(self.server, 100)
        jobrunner.prefork_process_spawn(self.server)
        self.assertEqual(self.pid, 101)

    def test_a_server_made_before_the_import_is_left_alone(self):
        del self.server.jobrunner
        del self.server.jobrunner_respawn
        del self.server.job_workers
        jobrunner.prefork_process_spawn(self.server)
        jobrunner.prefork_worker_pop(self.server, 1)
        self.server.worker_spawn.assert_not_called()

    def test_not_started_without_capacity_and_said_once(self):
        self.set_channels("root:0")
        with self.assertLogs(LOGGER, logging.INFO) as logs:
            jobrunner.prefork__init__(self.server, None)
            for _beat in range(3):
                jobrunner.prefork_process_spawn(self.server)
        self.assertEqual(len(logs.output), 1)
        self.assertIsNone(self.pid)

    def test_a_malformed_configuration_stops_it_before_it_has_children(self):
        self.patch_package("_is_runner_enabled", Mock(side_effect=ValueError))
        with self.assertRaises(ValueError):
            jobrunner.prefork__init__(self.server, None)

    def test_not_started_in_a_server_that_is_to_stop(self):
        self.one_off.return_value = True
        jobrunner.prefork__init__(self.server, None)
        jobrunner.prefork_process_spawn(self.server)
        self.assertIsNone(self.pid)

    def test_a_runner_that_keeps_dying_does_not_spin(self):
        respawn, now, births = Respawn(), 0.0, []
        while now < 300:  # it dies as soon as it is born
            if respawn.is_due(now):
                respawn.note(now)
                births.append(now)
            now += 0.5
        self.assertEqual(births[:5], [0.0, 0.5, 1.5, 3.5, 7.5])
        self.assertLess(len(births), 65)
        now = births[-1] + 100  # it lived long enough
        respawn.note(now)
        self.assertTrue(respawn.is_due(now + 0.1))


class TestWorker(HooksCase):
    @contextmanager
    def worker(self):
        multi = Mock(timeout=10, limit_request=10, job_workers=None)
        multi.pipe_new.side_effect = os.pipe
        worker = jobrunner.WorkerJobRunner(multi)
        worker.pid = os.getpid()
        worker._renew_runner()
        try:
            yield worker
        finally:
            worker.close()

    def run_in_thread(self, worker):
        thread = threading.Thread(target=worker.process_work, daemon=True)
        thread.start()
        self.assertTrue(worker.runner.running.wait(2))
        return thread

    def test_no_watchdog(self):
        with self.worker() as worker:
            self.assertIsNone(worker.watchdog_timeout)

    def test_a_signal_ends_it(self):
        with self.worker() as worker:
            thread = self.run_in_thread(worker)
            worker.signal_handler(2, None)
            thread.join(2)
            self.assertFalse(thread.is_alive())
            self.assertFalse(worker.alive)

    def test_the_cpu_limit_renews_the_runner(self):
        with self.worker() as worker:
            first = worker.runner
            thread = self.run_in_thread(worker)
            worker.signal_time_expired_handler(24, None)
            thread.join(2)
            self.assertTrue(worker.alive)
            worker.runner.stop()
            with patch.object(FakeRunner, "run"):
                worker.process_work()
            self.assertIsNot(worker.runner, first)
            self.assertFalse(worker.alive, "a runner that ends by itself is replaced")
