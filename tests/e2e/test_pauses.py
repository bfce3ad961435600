# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A pause ends by itself at its time: after a failover, and while its row is locked."""

import pytest

from tests.harness.waiting import holds

CHANNEL = "root.paused"
#: Seconds after its end in which the first job is claimed; one would do, but for a
#: machine that is busy with other things.
SOON = 2.0
AT = """
SELECT to_char(date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC')
               + %s * interval '1 second', 'YYYY-MM-DD HH24:MI:SS')
"""
LATE = """
SELECT extract(epoch FROM date_enqueued - %s::timestamp)::float FROM queue_job
 WHERE uuid = %s
"""
PAUSED = "SELECT paused FROM queue_job_channel WHERE id = %s"
LOCK = "SELECT id FROM queue_job_channel WHERE id = %s FOR UPDATE"


@pytest.fixture
def server(make_server):
    server = make_server(4)
    server.wait_runner()
    return server


def pause(server, seconds):
    """Delay a job in a channel that is paused for so long.

    :return: id of the channel, uuid of the job, end of the pause
    """
    client = server.client()
    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    values = {"name": "paused", "parent_id": root, "paused": True}
    channel = client.call("queue.job.channel", "create", values)
    job = client.delay("record_run", channel=CHANNEL)
    until = server.db.value(AT, seconds)
    client.call("queue.job.channel", "action_pause", [channel], "month end", until)
    return channel, job, until


def test_whoever_leads(server, database):
    channel, job, until = pause(server, 8)
    server.kill_pid(server.runner_pid())
    holds(lambda: database.job(job, "state") == "pending", "it waits", seconds=2)
    database.wait_state(job, "done")
    assert 0 <= database.value(LATE, until, job) < SOON
    assert database.value(PAUSED, channel) is False


def test_while_somebody_edits_the_channel(server, database):
    channel, job, until = pause(server, 4)
    with database.connect() as other, other.cursor() as cursor:
        other.autocommit = False
        cursor.execute(LOCK, (channel,))
        database.wait_state(job, "done")
        assert 0 <= database.value(LATE, until, job) < SOON
        assert database.value(PAUSED, channel), "nobody could write that it is over"
        other.rollback()
    database.wait(f"SELECT NOT paused FROM queue_job_channel WHERE id = {channel}")
