# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Job workers: which a prefork server has, what they serve, what limits them."""

import logging
import os
import socket
from unittest.mock import Mock, patch

from werkzeug.test import Client, EnvironBuilder

from odoo.service import server
from odoo.tools import config as odoo_config

from odoo.addons.queue_job import jobrunner
from odoo.addons.queue_job.jobrunner.runner import QueueJobRunner
from odoo.addons.queue_job.jobrunner.server import job_workers, server_hooks
from odoo.addons.queue_job.jobrunner.server.job_workers import (
    JobWorkers,
    WorkerJob,
    only_jobs,
)
from odoo.addons.queue_job.jobrunner.session import config
from odoo.addons.queue_job.jobrunner.session.config import LIMITS, RunnerConfig

from .test_server_hooks import LOGGER, HooksCase

SETTINGS = RunnerConfig(
    workers=2,
    limit_time_real=40,
    limit_time_cpu=0,
    limit_memory_soft=1000,
    limit_memory_hard=2000,
)


class JobWorkersCase(HooksCase):
    def pool(self, settings=SETTINGS):
        pool = JobWorkers(settings)
        self.addCleanup(pool.socket.close)
        return pool


class TestPreforkServer(JobWorkersCase):
    def setUp(self):
        super().setUp()
        self.set_channels("root:1")
        environ = {"ODOO_QUEUE_JOB_WORKERS": "2"}
        self.environ = patch.dict(os.environ, environ)
        self.environ.start()
        self.addCleanup(self.environ.stop)
        for name in ("__init__", "_process_spawn", "_worker_pop"):
            patcher = patch.object(server_hooks, f"orig_prefork{name}")
            patcher.start()
            self.addCleanup(patcher.stop)
        patcher = patch.object(job_workers, "_refresh_registries")
        self.refresh = patcher.start()
        self.addCleanup(patcher.stop)
        self.pids = iter(range(100, 200))
        self.server = Mock(spec=["worker_spawn"])
        self.server.worker_spawn.side_effect = self.spawn

    def spawn(self, klass, registry):
        registry[next(self.pids)] = Mock(spec=klass, came_to_work=True)

    def start(self):
        jobrunner.prefork__init__(self.server, None)
        if self.server.job_workers:
            self.addCleanup(self.server.job_workers.socket.close)
        jobrunner.prefork_process_spawn(self.server)
        return self.server.job_workers

    def test_they_are_there_before_the_runner(self):
        pool = self.start()
        self.assertEqual(list(pool.register), [100, 101])
        self.assertEqual(list(self.server.jobrunner), [102])

    def test_what_the_parent_has_loaded_is_frozen_before_each_fork(self):
        before = []
        spawn_web_workers = server_hooks.orig_prefork_process_spawn
        spawn_web_workers.side_effect = lambda _server: before.append(
            self.freeze.call_count
        )
        self.refresh.side_effect = self.freeze.reset_mock
        self.start()
        self.assertEqual(before, [1])
        self.assertEqual(self.freeze.call_count, 1, "again, after the refresh")

    def test_the_dead_are_replaced(self):
        pool = self.start()
        for _beat in range(2):
            jobrunner.prefork_process_spawn(self.server)
        self.assertEqual(self.refresh.call_count, 1, "only before a fork")
        jobrunner.prefork_worker_pop(self.server, 100)
        jobrunner.prefork_process_spawn(self.server)
        self.assertEqual(list(pool.register), [101, 103])
        self.assertEqual(list(self.server.jobrunner), [102])

    def test_none_without_a_runner(self):
        self.set_channels("root:0")
        self.assertIsNone(self.start())
        self.server.worker_spawn.assert_not_called()

    def test_none_unless_somebody_wants_them(self):
        os.environ["ODOO_QUEUE_JOB_WORKERS"] = "0"
        self.assertIsNone(self.start())
        self.assertEqual(list(self.server.jobrunner), [100])

    def test_none_in_a_server_that_is_to_stop(self):
        self.one_off.return_value = True
        self.assertIsNone(self.start())

    def test_a_wrong_setting_stops_the_server(self):
        os.environ["ODOO_QUEUE_JOB_WORKERS"] = "many"
        with self.assertRaisesRegex(ValueError, "ODOO_QUEUE_JOB_WORKERS"):
            self.start()

    def test_settings_without_effect_are_named(self):
        os.environ["ODOO_QUEUE_JOB_HOST"] = "there"
        with self.assertLogs(LOGGER, logging.WARNING) as logs:
            self.start()
        self.assertIn("host of section [queue_job] has no effect", logs.output[0])

    def test_a_threaded_server_says_once_that_it_has_none(self):
        with (
            patch.object(server_hooks, "orig_threaded_start"),
            patch.object(jobrunner, "_start_runner_thread"),
            self.assertLogs(LOGGER, logging.WARNING) as logs,
        ):
            jobrunner.threaded_start(Mock(spec=server.ThreadedServer))
        self.assertEqual(len(logs.output), 1)
        self.assertIn("workers = 2 of section [queue_job] is ignored", logs.output[0])


class TestPool(JobWorkersCase):
    def test_it_listens_before_there_are_workers_and_only_here(self):
        pool = self.pool()
        self.assertEqual(pool.socket.getsockname(), ("127.0.0.1", pool.port))
        with socket.create_connection(("127.0.0.1", pool.port), timeout=5):
            pass

    def test_the_runner_sends_its_leases_there(self):
        pool = self.pool()
        runner = QueueJobRunner(
            "https", "there", 443, "me", "secret", config=RunnerConfig(host="there")
        )
        runner.send_to(pool)
        self.assertEqual(runner.dispatcher.url, f"http://127.0.0.1:{pool.port}")
        self.assertIsNone(runner.config.http_auth_user)
        self.assertEqual(runner.worker_limit.seconds, 40)
        self.assertIn("[queue_job]", runner.worker_limit.setting)
        self.assertEqual(runner.root_capacity, 2)


class TestOnlyJobs(HooksCase):
    def status(self, path, **environ):
        def app(_environ, start_response):
            start_response("200 OK", [])
            return [b"job"]

        builder = EnvironBuilder(path=path, environ_overrides=environ)
        return Client(only_jobs(app)).open(builder).status_code

    def test_the_doors_of_the_runner_are_open(self):
        self.assertEqual(self.status("/queue_job/lease"), 200)
        self.assertEqual(self.status("/queue_job/runjob?job_uuid=x"), 200)

    def test_all_others_are_closed(self):
        for path in (
            "/",
            "/web/login",
            "/jsonrpc",
            "/queue_job/lease/",
            "/queue_job/metrics",
            "/queue_job/create_test_job",
            "/queue_job/lease/../../web/login",
            "//queue_job/lease",
        ):
            with self.subTest(path=path):
                self.assertEqual(self.status(path), 404)

    def test_a_header_opens_none(self):
        for name in ("HTTP_X_FORWARDED_PREFIX", "HTTP_X_ORIGINAL_URL"):
            environ = {name: "/queue_job/lease"}
            self.assertEqual(self.status("/web/login", **environ), 404)


class TestWorker(JobWorkersCase):
    def setUp(self):
        super().setUp()
        self.options = odoo_config.options.new_child()
        patcher = patch.object(odoo_config, "options", self.options)
        patcher.start()
        self.addCleanup(patcher.stop)

    def worker(self, settings=SETTINGS):
        self.multi = Mock(
            timeout=120, beat=4, limit_request=10, job_workers=self.pool(settings)
        )
        self.multi.pipe_new.side_effect = os.pipe
        worker = WorkerJob(self.multi)
        self.addCleanup(worker.close)
        return worker

    def start(self, worker):
        self.http_socket = self.multi.socket
        with patch.object(server.WorkerHTTP, "start"):
            worker.start()

    def test_the_watchdog_has_its_own_limit(self):
        self.assertEqual(self.worker().watchdog_timeout, 40)
        unlimited = self.worker(RunnerConfig(workers=1, limit_time_real=0))
        self.assertIsNone(unlimited.watchdog_timeout)

    def test_it_serves_the_private_socket_alone(self):
        worker = self.worker()
        self.start(worker)
        self.assertIs(self.multi.socket, worker.pool.socket)
        self.http_socket.close.assert_called_once_with()

    def test_an_idle_worker_gives_signs_in_time(self):
        worker = self.worker(RunnerConfig(workers=1, limit_time_real=8))
        self.start(worker)
        self.assertEqual(self.multi.beat, 2)

    def test_its_limits_are_those_of_its_process(self):
        self.start(self.worker())
        limits = {name: odoo_config[name] for name in LIMITS}
        self.assertEqual(limits.pop("limit_time_cpu"), job_workers.NO_CPU_LIMIT)
        self.assertEqual(
            limits,
            {
                "limit_time_real": 40,
                "limit_memory_soft": 1000,
                "limit_memory_hard": 2000,
            },
        )

    def test_memory_is_no_matter_before_the_first_lease(self):
        worker = self.worker()
        seen = []
        with patch.object(
            server.Worker,
            "check_limits",
            lambda self: seen.append(odoo_config["limit_memory_soft"]),
        ):
            worker.check_limits()
            worker.request_count = 1
            worker.check_limits()
        self.assertEqual(seen, [0, 1000])

    def test_who_has_to_go_does_not_wait(self):
        worker = self.worker()
        with patch.object(server.WorkerHTTP, "sleep") as sleep:
            worker.sleep()
            sleep.assert_called_once_with()
            worker.alive = False
            worker.sleep()
            sleep.assert_called_once_with()

    def test_a_lease_has_the_whole_time(self):
        worker = self.worker()
        calls = Mock()
        self.multi.pipe_ping = calls.ping
        with patch.object(server.WorkerHTTP, "process_request", calls.serve):
            worker.process_request("client", "address")
        self.assertEqual([call[0] for call in calls.mock_calls], ["ping", "serve"])

    def test_what_was_loaded_for_a_lease_is_frozen_after_it(self):
        worker = self.worker()
        with patch.object(server.WorkerHTTP, "process_request") as serve:
            serve.side_effect = lambda *_args: self.freeze.assert_not_called()
            worker.process_request("client", "address")
        self.freeze.assert_called_once_with()


class TestDefaultCapacity(HooksCase):
    def test_root_is_as_wide_as_the_job_workers(self):
        from odoo.addons.queue_job.monitoring.effective_settings import (
            effective_settings,
        )

        options = odoo_config.options.new_child({"workers": 2})
        with (
            patch.dict(os.environ, {"ODOO_QUEUE_JOB_WORKERS": "3"}),
            patch.object(config, "odoo_config", options),
        ):
            self.assertEqual(effective_settings("root", None, {})["capacity"], 3)
            self.assertIsNone(effective_settings("root.a", None, {})["capacity"])
        self.assertEqual(effective_settings("root", None, {})["capacity"], 1)
