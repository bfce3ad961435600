# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""An employee walks through the own jobs, with and without websocket.

A threaded server serves the websocket, a prefork one without a proxy does not: there
the client has to ask.
"""

import secrets

import pytest

COUNT = ".o_queue_job_mine_count"
TOAST = ".o_notification:has-text('{}')"
PROBE = "test.queue.job.probe"
FUNCTION = f"<{PROBE}>.walk"
CRON_ID = """
SELECT res_id FROM ir_model_data
 WHERE module = 'queue_job' AND name = 'ir_cron_tell_the_absent'
"""
TOLD = """
SELECT count(*) FROM mail_notification notification
  JOIN res_users ON res_users.partner_id = notification.res_partner_id
 WHERE res_users.id = %s
"""
LATER = "UPDATE queue_job_notice SET date = date - interval '1 hour' RETURNING id"
#: As a button does it: the answer to the call comes to the web client.
DELAY = """([method, args, options]) =>
    odoo.__WOWL_DEBUG__.root.env.services.orm.call(
        "test.queue.job.probe", "delay", [method, args, options])
"""


@pytest.fixture(params=[0, 4], ids=["websocket", "no-websocket"])
def server(request, make_server):
    server = make_server(request.param, channels="root:2")
    server.expect_log("selfie_segmentation", "websocket", "discuss_channel_member")
    server.wait_runner()
    settings = {"name": FUNCTION, "cancel_by": "meant_for", "retry_by": "meant_for"}
    server.client().call("queue.job.function", "create", [settings])
    return server


def a_user(server, group):
    """A new user of one group, logged in."""
    login = f"user-{secrets.token_hex(4)}"
    admin = server.client()
    domain = [("module", "=", "base"), ("name", "=", group)]
    (row,) = admin.call("ir.model.data", "search_read", domain, ["res_id"])
    values = {"name": login, "login": login, "password": login}
    values["email"] = f"{login}@example.com"
    admin.call(
        "res.users", "create", [{**values, "group_ids": [(6, 0, [row["res_id"]])]}]
    )
    return server.client(login, login)


def test_an_employee(server, browser):
    client = a_user(server, "group_user")
    server.client().delay("record_run", "of somebody else")
    page = browser.page(client)
    page.set_default_timeout(90_000)
    page.goto(f"{server.url}/odoo")
    page.wait_for_selector(".o_user_menu")
    assert not page.query_selector(COUNT)
    page.evaluate(DELAY, ["walk", [600, 0.2], {"description": "Long"}])
    page.wait_for_selector(f"{COUNT}:text-is('1')")
    page.click(".o_queue_job_mine_menu button")
    page.wait_for_selector(row("Long", "Running"))
    page.wait_for_selector(f"{row('Long')} .o_queue_job_progress_percent")
    page.click(f"{row('Long')} .o_queue_job_mine_cancel")
    page.click(".modal .btn-primary")
    page.wait_for_selector(row("Long", "Cancelled"))
    named = {"description": "Compute the stock", "notify": True}
    page.evaluate(DELAY, ["record_run", ["mine"], named])
    page.wait_for_selector(TOAST.format("Done: Compute the stock"))
    page.wait_for_selector(row("Compute the stock", "Done"))
    page.wait_for_selector(COUNT, state="detached")
    assert page.locator(".o_queue_job_mine_job").count() == 2
    told_when_away(server, page, client)


def row(name, phase=""):
    found = f".o_queue_job_mine_job:has-text('{name}')"
    return f"{found} .badge:text-is('{phase}')" if phase else found


def told_when_away(server, page, client):
    """In the inbox or by mail, and not by the client as well."""
    page.goto("about:blank")
    server.db.wait_settled([client.delay("record_run", "away", notify=True)])
    assert server.db.rows(LATER)
    server.client().call("ir.cron", "method_direct_trigger", [server.db.value(CRON_ID)])
    assert server.db.value(TOLD, client.uid) == 1
    page.goto(f"{server.url}/odoo/my-jobs")
    page.wait_for_selector(".o_queue_job_mine_job:nth-child(3)")
    assert not page.query_selector(".o_notification")
    page.context.close()
