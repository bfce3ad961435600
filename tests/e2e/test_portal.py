# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The portal: its own tests, and a customer who walks through the jobs.

Odoo's portal is in no template, so this file installs it, once, with the tests of the
addon.
"""

import os
import secrets
import subprocess

import pytest

from setup import cache
from setup.database import PORTAL_MODULE
from setup.postgres import free_port
from tests.harness.fixtures import database_maker

FUNCTION = "<test.queue.job.probe>.walk"
COMPLAINTS = ("selfie_segmentation", "websocket", "Mail Delivery", "mail delivery")


@pytest.fixture(scope="module")
def installed(stack):
    """A database with the addon, and what its installation with tests has said."""
    with database_maker(stack) as make:
        database = make()
        result = subprocess.run(
            [
                *(stack.python, stack.source.launcher(), "-d", database.name),
                *("-i", PORTAL_MODULE, f"--test-tags=/{PORTAL_MODULE}"),
                f"--addons-path={stack.source.addons_path}",
                f"--data-dir={cache.BUILD / 'data'}",
                *(f"--http-port={free_port()}", f"--gevent-port={free_port()}"),
                *("--load=base,web,queue_job", "--http-interface=127.0.0.1"),
                *("--max-cron-threads=0", "--stop-after-init"),
            ],
            env={
                **os.environ,
                "PYTHONPATH": str(stack.source.python_path()),
                "ODOO_RC": os.devnull,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        yield database, result


@pytest.fixture(params=[0, 4], ids=["websocket", "no-websocket"])
def server(request, make_server, installed):
    database, _result = installed
    server = make_server(request.param, db=database, channels="root:2")
    server.expect_log(*COMPLAINTS)
    server.wait_runner()
    return server


@pytest.fixture
def customer(server):
    """A new user of the portal, logged in."""
    login, admin = f"customer-{secrets.token_hex(4)}", server.client()
    domain = [("module", "=", "base"), ("name", "=", "group_portal")]
    (group,) = admin.call("ir.model.data", "search_read", domain, ["res_id"])
    values = {"name": login, "login": login, "password": login}
    values["group_ids"] = [(6, 0, [group["res_id"]])]
    admin.call("res.users", "create", [values])
    return server.client(login, login)


def test_the_tests_of_the_addon(installed):
    _database, result = installed
    assert result.returncode == 0, result.stderr[-5000:]
    assert "0 failed, 0 error(s) of" in result.stderr


def test_a_customer(server, browser, customer):
    admin = server.client()
    let_customers_change(admin)
    (user,) = admin.call("res.users", "read", [customer.uid], ["partner_id"])
    meant = {"meant_for": user["partner_id"][0], "description": "Print your documents"}
    other = admin.delay("record_run", "of somebody else")
    page = browser.page(customer)
    page.set_default_timeout(90_000)
    page.goto(f"{server.url}/my/jobs")
    page.wait_for_selector(".o_queue_job_portal:has-text('nothing here')")
    uuid = admin.delay("walk", 600, 0.2, **meant)
    page.goto(f"{server.url}/my/home")
    page.click("a[href='/my/jobs']:visible")
    page.wait_for_selector(f"{row(uuid)} .badge:text-is('Running')")
    page.wait_for_selector(f"{row(uuid)} .progress-bar")
    second = admin.delay("record_run", "meant", **meant)
    page.wait_for_selector(f"{row(second)} .badge:text-is('Done')")  # without a reload
    assert page.locator(".o_queue_job_portal_job").count() == 2
    page.click(f"{row(uuid)} .o_queue_job_portal_cancel")
    server.db.wait_state(uuid, "cancelled")
    retry(server, page, uuid, other)
    page.context.close()


def let_customers_change(admin):
    settings = {"name": FUNCTION, "cancel_by": "meant_for", "retry_by": "meant_for"}
    if not admin.call("queue.job.function", "search", [("name", "=", FUNCTION)]):
        admin.call("queue.job.function", "create", [settings])


def row(uuid):
    return f".o_queue_job_portal_job[data-uuid='{uuid}']"


def retry(server, page, uuid, other):
    """Of a failed job; a forged form for somebody else's job changes nothing."""
    fail = "UPDATE queue_job SET state = 'failed' WHERE uuid = ANY(%s) RETURNING id"
    server.db.rows(fail, [uuid, other])
    page.goto(f"{server.url}/my/jobs")
    page.evaluate(
        "([form, action]) => { document.querySelector(form).action = action; }",
        [f"{row(uuid)} form", f"/my/jobs/{other}/retry"],
    )
    page.click(f"{row(uuid)} .o_queue_job_portal_retry")
    page.wait_for_selector(".alert-warning")
    assert server.db.job(other, "state") == "failed"
    page.click(f"{row(uuid)} .o_queue_job_portal_retry")
    page.wait_for_selector(f"{row(uuid)} .o_queue_job_portal_cancel")
    page.click(f"{row(uuid)} .o_queue_job_portal_cancel")
    server.db.wait_state(uuid, "cancelled")
