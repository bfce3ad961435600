# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Threaded job workers: when there are any, how many leases they take, how they end."""

import os
import threading
import time
from unittest.mock import Mock, patch

from odoo.service import server
from odoo.tools import config as odoo_config

from odoo.addons.queue_job.jobrunner.runner import QueueJobRunner
from odoo.addons.queue_job.jobrunner.schedule.worker_pools import PoolSizes
from odoo.addons.queue_job.jobrunner.server import job_workers, threaded_workers
from odoo.addons.queue_job.jobrunner.server.threaded_workers import (
    ThreadedWorkers,
    WorkerThreads,
)
from odoo.addons.queue_job.jobrunner.session.config import RunnerConfig
from odoo.addons.queue_job.sessions import interrupts
from odoo.addons.queue_job.worker import shared_process

from .test_job_workers import JobWorkersCase

SETTINGS = RunnerConfig(
    workers=2, threads=3, threaded_workers=2, limit_time_real=40, limit_time_cpu=7
)


class ThreadsCase(JobWorkersCase):
    def threaded(self, settings=SETTINGS):
        pool = ThreadedWorkers(settings)
        self.addCleanup(pool.socket.close)
        return pool

    def worker(self, settings=SETTINGS):
        self.multi = Mock(timeout=120, beat=0.05, limit_request=10)
        self.multi.job_workers = self.pool(settings)
        self.multi.threaded_workers = self.threaded(settings)
        self.multi.socket = self.multi.threaded_workers.socket
        self.multi.pipe_new.side_effect = os.pipe
        self.multi.pipe_ping.side_effect = lambda pipe: os.write(pipe[1], b".")
        worker = WorkerThreads(self.multi)
        os.set_blocking(worker.wakeup_fd_r, False)
        self.addCleanup(worker.close)
        return worker


class TestPool(ThreadsCase):
    def setUp(self):
        super().setUp()
        patcher = patch.object(job_workers, "_refresh_registries")
        patcher.start()
        self.addCleanup(patcher.stop)
        self.pids = iter(range(100, 200))
        self.server = Mock(spec=["worker_spawn"])
        self.server.worker_spawn.side_effect = self.spawn
        self.workers = self.threaded()

    def spawn(self, klass, register):
        self.assertIs(klass, WorkerThreads)
        register[next(self.pids)] = Mock(spec=klass, is_retired=False)

    def spawned(self):
        self.workers.spawn_missing(self.server)
        return list(self.workers.register)

    def test_the_dead_are_replaced(self):
        self.assertEqual(self.spawned(), [100, 101])
        del self.workers.register[100]
        self.assertEqual(self.spawned(), [101, 102])

    def test_the_retired_are_replaced_before_they_end(self):
        self.spawned()
        self.workers.register[100].is_retired = True
        self.assertEqual(self.spawned(), [100, 101, 102])

    def test_so_many_are_retired_at_most(self):
        for _time in range(5):
            for pid in self.spawned():
                self.workers.register[pid].is_retired = True
        self.assertEqual(len(self.workers.register), 4)

    def test_the_runner_knows_both_pools(self):
        runner = QueueJobRunner(config=RunnerConfig())
        runner.send_to(self.pool(SETTINGS), self.workers)
        port = self.workers.port
        self.assertEqual(runner.thread_dispatcher.url, f"http://127.0.0.1:{port}")
        self.assertNotEqual(runner.dispatcher.url, runner.thread_dispatcher.url)
        self.assertEqual(runner.pool_sizes, PoolSizes(alone=2, threads=6))
        self.assertEqual(runner.root_capacity, 8)


class TestWorker(ThreadsCase):
    def test_the_main_thread_runs_no_jobs(self):
        self.assertIs(WorkerThreads.run, server.Worker.run)

    def test_its_watchdog_waits_for_no_job(self):
        self.assertEqual(self.worker().watchdog_timeout, threaded_workers.STALLED_AFTER)

    def test_its_start(self):
        worker = self.worker()
        options = odoo_config.options.new_child({"db_maxconn": 10})
        with (
            patch.object(odoo_config, "options", options),
            patch.object(server.WorkerHTTP, "start"),
            patch.object(threaded_workers, "_limit_arenas") as arenas,
            patch.object(shared_process, "_process", None),
            patch.object(interrupts, "_shared", None),
        ):
            worker.start()
            self.assertEqual(interrupts._shared.limit_time_cpu, 7)
            self.assertIsNotNone(shared_process._process)
            self.assertGreater(odoo_config["db_maxconn"], 3 * 2)
            self.assertEqual(
                odoo_config["limit_time_cpu"], job_workers.NO_CPU_LIMIT, "of a thread"
            )
        arenas.assert_called_once_with()

    def test_it_accepts_as_many_leases_as_it_has_threads(self):
        worker, served = self.worker(), threading.Semaphore(0)
        over = threading.Event()

        def serve(_self, _client, _addr):
            served.release()
            over.wait()

        accepted = Mock(side_effect=lambda: worker.process_request(None, None))
        with (
            patch.object(server.WorkerHTTP, "process_request", serve),
            patch.object(server.WorkerHTTP, "process_work", lambda _self: accepted()),
        ):
            for _time in range(5):
                worker.process_work()
            for _thread in range(3):
                self.assertTrue(served.acquire(timeout=5))
            self.assertEqual(accepted.call_count, 3)
            over.set()
            worker.sleep()  # until a thread is free
            worker.process_work()
            self.assertEqual(accepted.call_count, 4)

    def test_who_is_retired_says_so_and_waits_for_its_jobs(self):
        worker = self.worker()
        worker._count(1)
        self.assertFalse(worker.is_retired)
        worker.retire()
        self.assertFalse(worker.alive)
        ended = threading.Thread(target=worker.stop)
        ended.start()
        while not worker.is_retired:
            time.sleep(0.01)
        self.assertTrue(ended.is_alive())
        worker._count(-1)
        ended.join(5)
        self.assertFalse(ended.is_alive())

    def test_it_does_not_wait_for_what_can_not_be_ended(self):
        worker = self.worker()
        worker._count(1)
        given_up = patch.object(interrupts, "count_given_up", return_value=1)
        with given_up, patch.object(os, "_exit") as end:
            worker.stop()
        end.assert_called_once_with(0)

    def test_the_time_limit_holds_from_the_beginning_of_the_end(self):
        worker = self.worker(RunnerConfig(workers=1, threads=1, limit_time_real=5))
        worker._count(1)
        moments = iter((0.0, 1.0, 5.5))
        with (
            patch.object(threaded_workers.time, "monotonic", lambda: next(moments)),
            patch.object(os, "_exit") as end,
            self.assertLogs(threaded_workers.__name__, "WARNING"),
        ):
            worker.stop()
        end.assert_called_once_with(0)
