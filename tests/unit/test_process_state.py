# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job changes in its process is put back after it."""

import gc
import locale
import logging
import os
import signal
import socket
import sys
import threading
import warnings

import pytest

from queue_job.worker.process_state import ITEMS, ProcessState

CHANGES = {
    "the thread's user and database": lambda: setattr(
        threading.current_thread(), "uid", 7
    ),
    "the working directory": lambda: os.chdir("/"),
    "the garbage collector": gc.disable,
    "the default time-out of sockets": lambda: socket.setdefaulttimeout(1),
    "the filters of warnings": lambda: warnings.simplefilter("error"),
    "the umask": lambda: os.umask(0o777),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
    "the recursion limit": lambda: sys.setrecursionlimit(5000),
    "signal handlers": lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    "an alarm": lambda: signal.alarm(1000),
}


@pytest.fixture(autouse=True)
def put_back():
    """Whatever a test that fails would leave to the others."""
    before = os.getcwd(), gc.isenabled(), signal.getsignal(signal.SIGPIPE)
    locale.setlocale(locale.LC_ALL, "C")
    with warnings.catch_warnings():
        yield
    os.chdir(before[0])
    gc.enable()
    signal.signal(signal.SIGPIPE, before[2])
    signal.alarm(0)
    socket.setdefaulttimeout(None)


def test_each_item_has_a_test():
    assert {item.name for item in ITEMS} == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_put_back(name, caplog):
    (item,) = (item for item in ITEMS if item.name == name)
    before = item.read()
    state = ProcessState()
    CHANGES[name]()
    assert item.read() != before
    with caplog.at_level(logging.INFO, "queue_job.worker.process_state"):
        state.restore("db: job 42")
    assert item.read() == before
    assert caplog.messages == [
        f"db: job 42 left something changed in its process: {name}"
    ]


def test_nothing_is_said_of_a_job_that_leaves_nothing(caplog):
    with caplog.at_level(logging.DEBUG, "queue_job.worker.process_state"):
        ProcessState().restore("db: job 42")
    assert not caplog.messages


def test_what_threads_share_is_left_alone_in_a_thread():
    """Another thread may have changed it, and may need it."""
    seen = []

    def work():
        state = ProcessState()
        os.chdir("/")
        threading.current_thread().uid = 7
        state.restore("db: job 42")
        seen.append((os.getcwd(), threading.current_thread().uid))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [("/", None)]


def test_a_directory_that_the_job_has_deleted(tmp_path):
    before = os.getcwd()
    state = ProcessState()
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ProcessState().restore("db: job 41")  # there is nothing to come back to
    state.restore("db: job 42")
    assert os.getcwd() == before


def test_what_cannot_be_put_back_is_said(tmp_path, monkeypatch, caplog):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    state = ProcessState()
    os.chdir("/")
    gone.rmdir()
    with caplog.at_level(logging.INFO, "queue_job.worker.process_state"):
        state.restore("db: job 42")
    assert "the working directory (not put back" in caplog.text
