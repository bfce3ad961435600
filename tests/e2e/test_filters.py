# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``dbfilter`` is for visitors: jobs run in what it hides from the runner's host, and
nobody else gets there."""

import pytest
import requests

from queue_job.claim.lease import CLASSIC_PATH
from tests.harness.jobs import insert

LAYOUTS = {
    # (Odoo's workers, section [queue_job], dbfilter)
    "threaded": (0, {}, "^%d$"),
    "prefork": (2, {}, "^%h$"),
    "job workers": (1, {"workers": "2"}, "^%d$"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_filter_by_host(make_server, make_database, database, layout):
    """It shows neither database to the runner's host; the jobs of both run."""
    workers, section, dbfilter = LAYOUTS[layout]
    databases = database, make_database()
    make_server(
        workers,
        channels=None if section else "root:2",
        sections={"queue_job": section},
        options={
            "db_name": ",".join(each.name for each in databases),
            "dbfilter": dbfilter,
        },
    )
    for each in databases:
        uuids = insert(each, 5)
        assert each.wait_settled(uuids) == {"done": 5}


class TestTheClassicAddress:
    """It runs what is enqueued, for whoever knows the uuid of the job."""

    @pytest.fixture
    def server(self, make_server, make_database, database):
        self.other = make_database()
        names = f"{database.name},{self.other.name}"
        options = {"db_name": names, "dbfilter": "^%d$"}
        server = make_server(channels="root:0", options=options)
        server.expect_log("was requested to run job")
        # Odoo loads both while it answers; who stops it in between sees errors
        server.wait_log("Registry loaded", times=2, seconds=60)
        return server

    def test_it_names_its_database(self, server, database):
        """By the header of ``_async_http_get``, or by the parameter of old."""
        for each in (database, self.other):
            for by_header in (True, False):
                (uuid,) = insert(each, 1, state="enqueued")
                headers = {"X-Odoo-Database": each.name} if by_header else {}
                parameters = {} if by_header else {"db": each.name}
                answer = server.get(
                    CLASSIC_PATH, job_uuid=uuid, headers=headers, **parameters
                )
                assert (answer.status_code, answer.text) == (200, "")
                assert each.job(uuid, "state") == "done"

    def test_other_jobs_are_left_alone(self, server, database):
        for state in ("pending", "done", "failed", "cancelled"):
            (uuid,) = insert(database, 1, state=state)
            for name in (database.name, self.other.name, "unknown"):
                answer = server.get(
                    CLASSIC_PATH, job_uuid=uuid, headers={"X-Odoo-Database": name}
                )
                assert (answer.status_code, answer.text) == (200, "")
            assert database.job(uuid, "state") == state

    def test_nobody_gets_further_into_a_hidden_database(self, server, database):
        """The rest of Odoo is hidden as before."""
        headers = {"X-Odoo-Database": database.name}
        for path in ("/web/login", "/jsonrpc", "/queue_job/create_test_job"):
            answer = requests.get(
                server.url + path, headers=headers, timeout=30, allow_redirects=False
            )
            assert answer.status_code in (303, 404, 400, 405), path


def test_what_the_filter_excludes_is_left_to_others(
    make_server, make_database, database
):
    """Without ``db_name`` the runner serves what the filter shows to everybody, and a
    line names the rest; another server leads that."""
    other = make_database(prefix="a_queue_job_test")  # among the first, which are named
    server = make_server(
        channels="root:1", options={"db_name": "", "dbfilter": f"^{database.name}$"}
    )
    line = server.wait_log(f"dbfilter .* leaves .* databases .*{other.name}")
    assert f"'^{database.name}$'" in line
    make_server(channels="root:1", db=other).wait_runner()
    for each in (database, other):
        uuids = insert(each, 3)
        assert each.wait_settled(uuids) == {"done": 3}
    assert server.text().count(other.name) == 1
    assert f"ready for db {other.name}" not in server.text()


def test_a_filter_that_is_none(make_server):
    """Odoo answers nobody then; the runner says why, once."""
    server = make_server(
        channels="root:1", options={"db_name": "", "dbfilter": "^("}, start=False
    )
    server.expect_log("can't list the databases", "unterminated", "Exception during")
    server.start(wait=False)
    server.wait_log(r"can't list the databases: dbfilter '\^\(' is no regular")
