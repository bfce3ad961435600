# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Progress and interruption of real jobs on real servers.

A report leaves the running transaction over a connection of its own. It must neither
wait for the job's commit, nor make the job fail at its end, nor be sent too often.
"""

import json

import pytest

from setup import database as databases
from tests.harness.waiting import wait_for

BUS_MESSAGES = """
SELECT message FROM bus_bus
 WHERE message LIKE '%%queue_job.progress.progress%%' AND message LIKE %s ORDER BY id
"""
PROGRESS = """
SELECT p.percent FROM queue_job_progress p JOIN queue_job j ON j.id = p.job_id
 WHERE j.uuid = %s
"""


class TestReports:
    @pytest.fixture
    def server(self, shared_server):
        shared_server.db.forget_runs()
        return shared_server

    def test_a_thousand_reports_a_second(self, server):
        """Seen while the job runs, five a second, and the job runs once."""
        db = server.db
        uuid = server.client().delay("report_often", 3)
        db.wait(PROGRESS, uuid, what="progress", until=lambda percent: percent)
        assert db.job(uuid, "state") == "started"
        assert db.wait_state(uuid, "done", "failed") == "done"
        assert db.job(uuid, "retry") == 1
        messages = [
            json.loads(text)["payload"] for text in db.column(BUS_MESSAGES, f"%{uuid}%")
        ]
        assert 10 <= len(messages) <= 22
        assert messages[-1]["message"].startswith("The last of")
        assert db.value(PROGRESS, uuid) == 100
        assert int(db.job(uuid, "result")) > 1500

    @pytest.mark.alone
    def test_the_work_is_hardly_slower(self, server):
        """Five of a hundred are the aim; more is the noise of a busy machine, whose
        speed changes: the best rounds are compared, of ten if need be."""
        db, client = server.db, server.client()
        best = {True: 0, False: 0}
        for number in range(10):
            for report in (False, True):
                uuid = client.delay("work_hard", 1, report)
                db.wait_state(uuid, "done")
                best[report] = max(best[report], int(db.job(uuid, "result")))
            if number >= 2 and best[True] > 0.85 * best[False]:
                return
        raise AssertionError(best)

    def test_the_web_client_is_woken_up(self, server):
        """The message leaves while the job runs: the bus is notified at once."""
        connection = databases.connect("postgres")
        with connection.cursor() as cursor:
            cursor.execute("LISTEN imbus")
        uuid = server.client().delay("report_often", 2)

        def notified():
            connection.poll()
            return any(server.db.name in each.payload for each in connection.notifies)

        wait_for(notified, "a notification of the bus")
        assert server.db.job(uuid, "state") == "started"
        connection.close()
        server.db.wait_state(uuid, "done")

    def test_cancel_is_heard(self, server):
        """The job stops at an item, what it did is undone."""
        db, client = server.db, server.client()
        uuid = client.delay("walk", 1000, 0.05)
        db.wait(PROGRESS, uuid, what="progress", until=lambda percent: percent)
        client.call("queue.job", "wait_cancel", uuid)
        assert db.wait_state(uuid, "cancelled", "done", "failed") == "cancelled"
        assert not db.runs()

    def test_what_the_web_client_hears(self, server):
        client = server.client()
        uuid = client.delay("walk", 3, 0)
        server.db.wait_state(uuid, "done")
        answer = client.call("queue.job", "wait_state", uuid)
        assert (answer["state"], answer["percent"]) == ("done", 100)
        assert answer["action"]["url"] == "/odoo"

    def test_an_expired_job_is_cancelled(self, server):
        """It was not to begin after one second, and could not before two."""
        db = server.db
        uuid = server.client().delay("record_run", "late", countdown=2, expires=1)
        assert db.wait_state(uuid, "cancelled", "done", "failed") == "cancelled"
        assert db.job(uuid, "result").startswith("Expired")
        assert not db.runs()

    def test_the_time_is_used(self, server):
        """What is done before the time limit stays, the next attempt does the rest."""
        db = server.db
        uuid = server.client().delay("walk_until_timeout", 12, 0.25, 1, timeout=3)
        assert db.wait_state(uuid, "done", "failed", seconds=40) == "done"
        tags = [tag for tag, *_rest in db.runs()]
        assert sorted(tags) == sorted(f"item {number}" for number in range(12))
        assert db.job(uuid, "retry") == 1


@pytest.mark.parametrize("workers", [0, 2], ids=["threaded", "prefork"])
def test_a_stopped_server_resumes(make_server, workers):
    """A long loop ends with the server and goes on with the next one."""
    server = make_server(workers, channels="root:1")
    db = server.db
    uuid = server.client().delay("walk", 300, 0.02, "all")
    db.wait(PROGRESS, uuid, what="progress", until=lambda percent: percent)
    server.stop()
    done = len(db.runs())
    assert 0 < done < 300
    assert db.job(uuid, "state") == "pending"
    make_server(workers, channels="root:1", db=db)
    assert db.wait_state(uuid, "done", "failed", seconds=40) == "done"
    tags = [tag for tag, *_rest in db.runs()]
    assert sorted(tags) == sorted(f"item {number}" for number in range(300))
