# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Listeners of events: who is called, with what, and what an error of theirs does."""

import logging

import pytest

from queue_job.core import events


class Job:
    """As much of a job as an event tells."""

    uuid, job_function_name, channel = "the-uuid", "<res.partner>.write", "root"
    retry, exc_message, result = 2, "It is broken", None

    def __init__(self, cr):
        self.env = self
        self.cr = cr


class Cursor:
    dbname = "the_database"

    def __init__(self):
        self.callbacks = []
        self.postcommit = self
        self.add = self.callbacks.append

    def commit(self):
        for callback in self.callbacks:
            callback()


@pytest.fixture
def heard():
    """What a listener of failures and starts was told."""
    found = []

    @events.listen("failed", "started")
    def listener(event):
        found.append(event)

    yield found
    events.forget(listener)
    assert not events._listeners


def test_told_at_the_commit(heard):
    cr = Cursor()
    events.tell_after_commit(events.FAILED, [Job(cr)])
    events.tell_after_commit(events.DONE, [Job(cr)])
    assert heard == []
    cr.commit()
    assert heard == [
        events.JobEvent(
            name="failed",
            database="the_database",
            uuid="the-uuid",
            function="<res.partner>.write",
            channel="root",
            attempt=2,
            message="It is broken",
        )
    ]


def test_the_attempt_that_starts_is_counted(heard):
    events.tell_now(events.STARTED, Job(Cursor()))
    assert [(event.name, event.attempt, event.message) for event in heard] == [
        ("started", 3, "")
    ]


def test_an_error_of_a_listener_stops_nobody(heard, caplog):
    def broken(event):
        raise RuntimeError("broken listener")

    events.listen("failed")(broken)
    events.listen("failed")(heard.append)
    try:
        with caplog.at_level(logging.ERROR):
            events.tell_now(events.FAILED, Job(Cursor()))
    finally:
        events.forget(broken)
        events.forget(heard.append)
    assert len(heard) == 2
    assert "the_database: a listener of failed raised an error about job the-uuid" in (
        caplog.text
    )


def test_a_listener_is_called_once(heard):
    events.listen("failed")(heard.append)
    events.listen("failed")(heard.append)
    events.tell_now(events.FAILED, Job(Cursor()))
    events.forget(heard.append)
    assert len(heard) == 2


@pytest.mark.parametrize("names", [(), ("finished",), ("failed", "finished")])
def test_only_events_that_exist(names):
    with pytest.raises(ValueError, match="Give events among enqueued, started"):
        events.listen(*names)


class Untouchable:
    """A job that must not be looked at."""

    def __getattribute__(self, name):
        raise AssertionError(f"{name} was looked at, though nobody listens")


@pytest.mark.parametrize("name", events.NAMES)
def test_nobody_listens_nothing_is_read(name):
    events.tell_now(name, Untouchable())
    events.tell_after_commit(name, [Untouchable()])
    events.tell_ids(Untouchable(), name, [1], "the_database")
    events.tell_ids_after_commit(Untouchable(), name, [1])
