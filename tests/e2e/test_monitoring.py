# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Metrics and health of a real prefork server agree with the table of jobs."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

JOBS = 30
TOKEN = "a-token"


@pytest.fixture
def server(make_server, database):
    database.rows(
        "INSERT INTO ir_config_parameter (key, value)"
        f" VALUES ('queue_job.metrics_token', '{TOKEN}')"
    )
    server = make_server(3, channels="root:2")
    server.wait_runner()
    return server


def samples(server):
    answer = server.get("/queue_job/metrics", token=TOKEN)
    assert answer.status_code == 200, answer.text
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    ]


def total(server, name, **labels):
    return sum(
        value
        for found, has, value in samples(server)
        if found == name and labels.items() <= has.items()
    )


def test_the_figures_agree_with_the_table(server, database):
    server.expect_log("The probe bad fails")
    client = server.client()
    uuids = client.delay_many(JOBS, "record_run", "good")
    uuids.append(client.delay("write_and_fail", "bad"))
    database.wait_settled(uuids)
    database.wait(
        "SELECT sum(done + failed) >= %s FROM queue_job_statistic WHERE minute IS NULL",
        JOBS + 1,
        what="summed",
    )
    assert total(server, "queue_job_attempts_total", outcome="done") == JOBS
    assert total(server, "queue_job_attempts_total", outcome="failed") == 1
    assert total(server, "queue_job_run_seconds_count") == JOBS + 1
    assert total(server, "queue_job_state_jobs", state="failed") == 1
    assert total(server, "queue_job_runner_leader") == 1
    health = server.get("/queue_job/health", token=TOKEN)
    assert health.status_code == 200, health.text
    assert server.get("/queue_job/health").status_code == 403


def test_a_killed_worker_is_counted(server, database):
    server.expect_log("re-queued dead job", "the connection of lease")
    uuid = server.client().delay("record_run", "slow", 2)
    database.wait_state(uuid, "started")
    pid = database.wait("SELECT worker_pid FROM queue_job WHERE uuid = %s", uuid)
    server.kill_pid(pid)
    database.wait_state(uuid, "done")
    assert total(server, "queue_job_attempts_total", outcome="dead") == 1
