# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the jobs of a threaded job worker share, and who is named for changing it."""

import doctest
import gc
import logging
import os
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from queue_job.worker import shared_process
from queue_job.worker.process_state import Item
from queue_job.worker.shared_process import (
    ACTIVE_LEASES,
    ENVIRON,
    UMASK,
    SharedProcess,
    shared_items,
)

LOGGER = "queue_job.worker.shared_process"


class Place:
    """A part of a process that tests may change."""

    def __init__(self, **options):
        self.value = "old"
        self.item = Item("the place", lambda: self.value, self.put, **options)

    def put(self, value):
        self.value = value


def messages(caplog):
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


def test_a_change_is_put_back_and_the_job_is_named(caplog):
    place = Place()
    process = SharedProcess([place.item])
    with process.watched("db: job 1"):
        place.value = "new"
    assert place.value == "old"
    (message,) = messages(caplog)
    assert message.startswith("db: job 1 changed what all jobs of this process share:")
    assert "the place" in message
    with process.watched("db: job 2"):
        pass
    assert len(messages(caplog)) == 1, "each change once"


def test_those_beside_it_are_named_as_well(caplog):
    place = Place()
    process = SharedProcess([place.item])
    beside = [f"db: job {number}" for number in range(2, 9)]
    with running(process, beside), process.watched("db: job 1"):
        place.value = "new"
    (message,) = messages(caplog)
    assert "or one of those that run beside it (db: job 2, " in message
    assert "and 2 more" in message


def test_what_changes_for_a_moment_is_looked_at_when_no_other_job_runs(caplog):
    place = Place(momentary=True)
    process = SharedProcess([place.item])
    with running(process, ["db: job 2"]):
        with process.watched("db: job 1"):
            place.value = "new"
        assert place.value == "new"
    assert place.value == "old"
    (message,) = messages(caplog)
    assert message.startswith("db: job 2 changed")


@contextmanager
def running(process, names):
    """Jobs in threads of their own, which end one after the other."""
    ended, begun = threading.Event(), threading.Barrier(len(names) + 1)

    def run(name):
        with process.watched(name):
            begun.wait()
            ended.wait()

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_what_can_not_be_put_back_is_said(caplog):
    place = Place()
    process = SharedProcess([place.item._replace(restore=lambda _value: 1 / 0)])
    with process.watched("db: job 1"):
        place.value = "new"
    assert "the place (not put back: division by zero)" in messages(caplog)[0]


def test_the_environment_is_left_as_it_is(caplog, monkeypatch):
    monkeypatch.setenv("QUEUE_JOB_TEST", "old")
    process = SharedProcess([ENVIRON])
    for _job in range(2):
        with process.watched("db: job 1"):
            monkeypatch.setenv("QUEUE_JOB_TEST", "new")
    assert os.environ["QUEUE_JOB_TEST"] == "new"
    assert len(messages(caplog)) == 1
    assert "the environment variables" in messages(caplog)[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda: os.chdir("/"),
        lambda: os.umask(0o077),
        lambda: socket.setdefaulttimeout(1),
        gc.disable,
    ],
)
def test_parts_of_this_process(change, caplog):
    process = SharedProcess(shared_items())
    before = os.getcwd(), UMASK.read(), socket.getdefaulttimeout(), gc.isenabled()
    with process.watched("db: job 1"):
        change()
    after = os.getcwd(), UMASK.read(), socket.getdefaulttimeout(), gc.isenabled()
    assert before == after
    assert len(messages(caplog)) == 1


def test_a_job_that_computes_is_named(caplog, monkeypatch):
    monkeypatch.setattr(shared_process, "UNHEEDED_SECONDS", 0.05)
    monkeypatch.setattr(shared_process, "COMPUTING_SHARE", 0)
    process = SharedProcess([])
    with process.watched("db: waits"):
        time.sleep(0.2)
    assert messages(caplog) == []
    with process.watched("db: computes"):
        until = time.thread_time() + 0.1
        while time.thread_time() < until:
            pass
    assert messages(caplog)[0].startswith("db: computes used 0.1 s of processor time")


def test_elsewhere_nothing_is_looked_at(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with shared_process.watched("db: job 1"):
        os.chdir("/")
    assert os.getcwd() == "/"
    with shared_process.waits(None, None):
        pass


def test_so_many_leases_are_active_at_once(monkeypatch):
    """One that waits for its job is none of them, and has lent its connection."""
    monkeypatch.setattr(shared_process, "_process", SharedProcess([]))
    lent = []

    @contextmanager
    def lend(cr):
        lent.append(cr)
        yield
        lent.remove(cr)

    over, waiting = threading.Event(), threading.Semaphore(0)

    def serve(number):
        with shared_process.active(), shared_process.waits(lend, number):
            waiting.release()
            over.wait()

    threads = [
        threading.Thread(target=serve, args=(number,))
        for number in range(3 * ACTIVE_LEASES)
    ]
    for thread in threads:
        thread.start()
    for _thread in threads:
        assert waiting.acquire(timeout=10)
    assert len(lent) == 3 * ACTIVE_LEASES
    over.set()
    for thread in threads:
        thread.join()
    assert lent == []
    for _number in range(ACTIVE_LEASES):
        assert shared_process._active.acquire(blocking=False)
    assert not shared_process._active.acquire(blocking=False)
    shared_process._active.release(ACTIVE_LEASES)


def test_doctests(caplog):
    caplog.set_level(logging.ERROR)
    assert doctest.testmod(shared_process).failed == 0
