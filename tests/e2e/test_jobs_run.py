# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Real jobs on real servers, threaded and prefork: who runs them, what they leave."""

import secrets

import pytest

from setup.console import SetupError
from tests.harness.waiting import holds

JOBS = 12
UNKNOWN_UUID = "00000000-0000-0000-0000-000000000000"

DUE_NOW = "UPDATE queue_job SET eta = NULL, scheduled = FALSE WHERE uuid = ANY(%s)"


@pytest.fixture
def server(shared_server):
    """The server with two job slots; nothing ran on it yet, as far as one sees."""
    shared_server.db.forget_runs()
    return shared_server


@pytest.fixture
def db(server):
    return server.db


class TestDone:
    def test_jobs_run_as_the_user_who_delayed_them(self, server, db):
        login = _new_user(server)
        client = server.client(login, login)
        uuids = client.delay_many(JOBS, "record_run", "mine")
        assert db.wait_settled(uuids) == {"done": JOBS}
        runs = db.runs()
        assert {(tag, uid) for tag, _pid, uid, _start, _end in runs} == {
            ("mine", client.uid)
        }
        assert len(runs) == JOBS

    def test_a_job_of_any_model(self, server, db):
        """A method of Odoo's own: nothing had to be declared for it."""
        client = server.client()
        (partner,) = client.call("res.partner", "create", [{"name": "Before"}])
        uuid = client.delay_on("res.partner", [partner], "write", {"name": "After"})
        assert db.wait_state(uuid, "done", "failed") == "done"
        name = db.value("SELECT name FROM res_partner WHERE id = %s", partner)
        assert name == "After"

    def test_jobs_run_in_processes_of_the_server(self, server, db):
        uuids = server.client().delay_many(JOBS, "record_run", "where")
        db.wait_settled(uuids)
        assert {pid for _tag, pid, *_ in db.runs()} <= set(server.http_pids())

    def test_nothing_runs_before_the_caller_commits(self, server, db):
        """The row is part of the transaction that delays."""
        uuid = server.client().delay("record_run", "seen")
        assert db.wait_state(uuid, "done", "failed") == "done"
        created, started = db.job(uuid, "date_created", "date_started")
        assert created <= started


class TestFailed:
    def test_a_failed_job_leaves_no_trace_and_harms_no_neighbour(self, server, db):
        server.expect_log("The probe bad fails")
        client = server.client()
        good = client.delay_many(JOBS // 2, "record_run", "good")
        bad = client.delay("write_and_fail", "bad")
        good += client.delay_many(JOBS // 2, "record_run", "good")
        assert db.wait_settled([*good, bad]) == {"done": JOBS, "failed": 1}
        assert {tag for tag, *_ in db.runs()} == {"good"}
        name, message, traceback = db.job(bad, "exc_name", "exc_message", "exc_info")
        assert name == "ValueError"
        assert message == "The probe bad fails as it was told"
        assert "Traceback" in traceback and "write_and_fail" in traceback

    def test_a_temporary_fault_is_retried(self, server, db):
        uuid = server.client().delay("fail_until_attempt", 2, "again", 1)
        assert db.wait_state(uuid, "done", "failed") == "done"
        assert db.job(uuid, "retry") == 2
        assert [tag for tag, *_ in db.runs()] == ["again"]


class TestChannels:
    def test_a_capacity_of_two_never_runs_three(self, server, db):
        uuids = server.client().delay_many(JOBS, "record_run", "slow", 0.1)
        db.wait_settled(uuids)
        assert db.most_at_once() == 2

    def test_a_long_job_holds_up_none_of_those_claimed_with_it(self, server, db):
        """A worker claims short jobs in batches, and can't know the next one."""
        client, later = server.client(), {"eta": 3600}
        quick = client.delay_many(200, "record_run", "before", **later)
        long = client.delay("write_and_sleep", "long", 20, **later)
        quick += client.delay_many(200, "record_run", "behind", **later)
        db.rows(DUE_NOW, [*quick, long])
        assert db.wait_settled(quick, seconds=17) == {"done": len(quick)}
        assert db.job(long, "state") == "started"
        assert db.wait_state(long, "done", "failed", seconds=40) == "done"


class TestController:
    """What anybody may send to the address of the classic protocol."""

    def test_an_unknown_job_is_a_line_in_the_log(self, server, db):
        server.expect_log(UNKNOWN_UUID)
        answer = server.get("/queue_job/runjob", job_uuid=UNKNOWN_UUID)
        assert (answer.status_code, answer.text) == (200, "")
        server.wait_log(UNKNOWN_UUID)
        self._still_works(server, db)

    def test_a_job_of_another_database_is_not_found(self, server, db, make_database):
        other = make_database()
        uuid = "11111111-0000-0000-0000-000000000000"
        other.rows(
            "INSERT INTO queue_job (uuid, state, model_name, method_name, name,"
            " user_id, retry, max_retries) VALUES"
            " (%s, 'enqueued', 'res.users', 'read', 'x', 1, 0, 5)",
            uuid,
        )
        server.expect_log(uuid)
        answer = server.get("/queue_job/runjob", job_uuid=uuid)
        assert (answer.status_code, answer.text) == (200, "")
        server.wait_log(uuid)
        assert other.job(uuid, "state") == "enqueued"
        self._still_works(server, db)

    def test_a_done_job_does_not_run_again(self, server, db):
        uuid = server.client().delay("record_run", "once")
        db.wait_state(uuid, "done")
        server.expect_log(uuid)
        assert server.get("/queue_job/runjob", job_uuid=uuid).status_code == 200
        assert [tag for tag, *_ in db.runs()] == ["once"]
        assert db.job(uuid, "state") == "done"

    @staticmethod
    def _still_works(server, db):
        uuid = server.client().delay("record_run")
        assert db.wait_state(uuid, "done", "failed") == "done"


class TestStart:
    """What the channel configuration does to the start of a server."""

    def test_a_capacity_of_zero_runs_nothing(self, make_server, server_mode):
        server = make_server(server_mode, channels="root:0")
        server.wait_log("NOT started.*root channel's capacity is set to 0")
        uuid = server.client().delay("record_run")
        holds(
            lambda: server.db.job(uuid, "state") == "pending",
            "still pending",
            seconds=2,
        )

    def test_a_malformed_configuration_stops_the_start(self, make_server, server_mode):
        server = make_server(server_mode, start=False, channels="root:2,sub:two")
        server.expect_log("sub:two", "CRITICAL")
        with pytest.raises(SetupError, match="sub:two"):
            server.start()


def _new_user(server) -> str:
    login = f"user-{secrets.token_hex(4)}"
    server.client().call(
        "res.users",
        "create",
        [{"name": login, "login": login, "password": login}],
    )
    return login
