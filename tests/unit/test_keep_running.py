# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A thread of the runner goes on whatever ends it; it waits with any descriptor."""

import fcntl
import logging
import os
import resource
import socket
import threading
from contextlib import closing

import pytest

from queue_job.jobrunner import keep_running as module
from queue_job.jobrunner.keep_running import FIRST, LAST, WELL, keep_running
from queue_job.jobrunner.readable import readable

#: Beyond what `select()` knows.
FAR = 1500


class Stopping:
    """An event that waits for nobody, and notes for how long it should have."""

    def __init__(self, errors):
        self.errors = errors
        self.waits = []

    def is_set(self):
        return len(self.waits) >= self.errors

    def wait(self, seconds):
        self.waits.append(seconds)


def run(work, stopping):
    """In a thread, where SystemExit is not the end of the server."""
    thread = threading.Thread(target=keep_running, args=("the loop", work, stopping))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


ENDS = [ValueError("x"), SystemExit(1), KeyboardInterrupt(), MemoryError(), None]


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_it_is_started_again_and_says_so_once(end, caplog):
    stopping = threading.Event()
    calls = []

    def work():
        calls.append(end)
        if len(calls) == 2:
            stopping.set()
        elif end is not None:
            raise end

    run(work, stopping)
    assert len(calls) == 2
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        f"the loop has ended ({end!r}); it is started again in {FIRST} s"
    )
    assert (record.exc_info or (0, None))[1] is end, "the traceback"


def test_the_pauses_grow_and_stay_below_five_seconds():
    stopping = Stopping(errors=6)
    run(lambda: 1 / 0, stopping)
    assert stopping.waits == [FIRST, 1, 2, LAST, LAST, LAST]
    assert LAST < 5


def test_after_a_good_while_an_error_is_the_first_one_again(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    stopping = Stopping(errors=4)

    def work():
        if len(stopping.waits) == 2:
            now[0] += WELL
        raise ValueError

    keep_running("the loop", work, stopping)
    assert stopping.waits == [FIRST, 2 * FIRST, FIRST, 2 * FIRST]


def test_the_end_of_the_server_is_none_of_its_business():
    def work():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        keep_running("the loop", work, threading.Event())


@pytest.fixture
def far():
    """Makes a descriptor that `select()` does not know."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = max(soft, FAR + 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, max(hard, enough)))
    found = []

    def move(sock):
        number = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, FAR)
        found.append(number)
        return number

    yield move
    for number in found:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_descriptors_beyond_1023(far):
    reader, writer = socket.socketpair()
    with closing(reader), closing(writer):
        number = far(reader)
        assert number >= FAR
        assert readable([number], 0) == []
        assert readable([number], -1) == []
        writer.send(b".")
        assert readable([number], 5) == [number]
        assert readable([number, reader], 5) == [number, reader]


def test_a_closed_source_is_an_error():
    reader, writer = socket.socketpair()
    reader.close()
    with closing(writer), pytest.raises(ValueError):
        readable([reader], 0)
