# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A real scheduled action tells failed jobs; its mails outlive the mail server."""

import re

import pytest

from setup.console import SetupError
from setup.postgres import free_port
from tests.harness.mail_sink import mail_sink
from tests.harness.waiting import wait_for

FAILURES = 60
DIGESTS = """
SELECT message.subject
  FROM mail_message message
  JOIN ir_model_data subtype
    ON subtype.res_id = message.subtype_id AND subtype.module = 'queue_job'
   AND subtype.name = 'mt_failure_digest'
 ORDER BY message.id
"""
CRON_ID = """
SELECT res_id FROM ir_model_data
 WHERE module = 'queue_job' AND name = 'ir_cron_failure_digest'
"""
A_PERIOD_LATER = "UPDATE queue_job_failure SET told_at = told_at - interval '1 hour'"
MAILS = "SELECT count(*) FROM mail_mail WHERE state = %s"


@pytest.fixture
def smtp_port():
    return free_port()


@pytest.fixture
def server(make_server, database, smtp_port):
    """A server with scheduled actions, whose mail server is down."""
    database.rows(
        "UPDATE res_partner SET email = 'boss@example.com' FROM res_users"
        " WHERE partner_id = res_partner.id AND login = 'admin'"
    )
    options = {
        "max_cron_threads": "1",
        "smtp_server": "127.0.0.1",
        "smtp_port": str(smtp_port),
    }
    server = make_server(channels="root:2", options=options)
    server.wait_runner()
    server.expect_log("The probe .* fails", "Mail Delivery Failed", "failed sending")
    return server


def count_of(subject):
    number = re.match(r"(\d+) jobs of", subject)
    return int(number[1]) if number else 1


def test_a_flood_is_two_messages_and_each_mail_arrives_once(
    server, database, smtp_port
):
    client = server.client()

    def has_run():
        try:
            client.call("ir.cron", "method_direct_trigger", [database.value(CRON_ID)])
        except SetupError as error:
            assert "already executing" in str(error)
            return False
        return True

    def run_the_action():
        wait_for(has_run, "the action has run")

    def fail():
        uuids = client.delay_many(FAILURES // 2, "write_and_fail", "bad")
        assert database.wait_settled(uuids) == {"failed": FAILURES // 2}

    fail()
    database.wait(f"SELECT count(*) FROM ({DIGESTS}) sent", what="the first digest")
    fail()
    assert len(database.rows(DIGESTS)) == 1
    database.rows(A_PERIOD_LATER)
    run_the_action()
    subjects = database.column(DIGESTS)
    assert len(subjects) == 2
    assert sum(map(count_of, subjects)) == FAILURES
    database.wait(
        MAILS, "exception", until=lambda mails: mails == 2, what="refused", seconds=60
    )
    with mail_sink(smtp_port) as mails:
        database.rows(A_PERIOD_LATER)
        run_the_action()
        wait_for(lambda: len(mails) == 2, "both mails arrived", seconds=60)
        run_the_action()
        database.wait(MAILS, "exception", until=lambda mails: not mails, what="sent")
        assert len(mails) == 2
    assert all("boss@example.com" in mail for mail in mails)
    assert len(database.rows(DIGESTS)) == 2
