# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a user changes in the form of a channel is in force within a second."""

import time

import pytest

from tests.harness.waiting import holds, wait_for

CHANNEL = "root.live"
JOB_SECONDS = 2
#: One, and another one for a machine that is busy with the jobs themselves.
WITHIN_SECONDS = 2.0
RUNNING = "SELECT count(*) FROM queue_job WHERE channel = %s AND state = 'started'"
STARTED = """
SELECT count(*) FROM queue_job WHERE channel = %s AND date_started IS NOT NULL
"""


@pytest.fixture(params=[0, 6], ids=["threaded", "prefork"])
def server(request, make_server):
    """No configuration string: the forms rule."""
    server = make_server(request.param)
    server.wait_runner()
    return server


def test_capacity_and_pause(server, database):
    client = server.client()

    def running():
        return database.value(RUNNING, CHANNEL)

    def started():
        return database.value(STARTED, CHANNEL)

    def save(channel_id, **values):
        """As the form does it."""
        client.call("queue.job.channel", "web_save", [channel_id], values, {})

    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    save(root, capacity=5)
    values = {"name": "live", "parent_id": root, "capacity": 1}
    channel = client.call("queue.job.channel", "create", values)
    client.delay_many(50, "record_run", "live", JOB_SECONDS, channel=CHANNEL)
    wait_for(running, "one job runs", until=lambda count: count == 1)

    save(channel, capacity=4)
    _soon(running, "four jobs run", 4)

    client.call("queue.job.channel", "action_pause", [channel])
    time.sleep(WITHIN_SECONDS)  # what is started by then may be
    before = started()
    holds(lambda: started() == before, "nothing starts", seconds=JOB_SECONDS + 1)
    assert running() == 0
    assert before < 50

    client.call("queue.job.channel", "action_resume", [channel])
    _soon(running, "four jobs run again", 4)


def _soon(look, what, count):
    wait_for(look, what, until=lambda seen: seen == count, seconds=WITHIN_SECONDS)
