# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The web client on a live server: it moves while jobs run, and steers the queue.

A threaded server serves the websocket, a prefork one without a proxy does not: there
the client has to ask.
"""

import pytest

from tests.harness.waiting import holds, wait_for

ALIVE = "odoo.__WOWL_DEBUG__.root.env.services['queue_job.news'].isAlive"
#: Less than the pause between two calls of a client that trusts the bus.
BY_BUS_SECONDS = 15
JOBS = "/odoo/action-queue_job.action_queue_job"
RUNNING = "[data-channel=root] .o_job_running:has-text('{} /')"
STATES = (
    "SELECT count(*) FROM queue_job WHERE state = %s AND method_name = 'record_run'"
)


@pytest.fixture(params=[0, 4], ids=["websocket", "no-websocket"])
def server(request, make_server):
    server = make_server(request.param)
    server.expect_log("selfie_segmentation", "websocket")
    server.wait_runner()
    client = server.client()
    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    client.call("queue.job.channel", "write", [root], {"capacity": 2})
    return server


@pytest.fixture
def dashboard(browser, server):
    """The page, and the calls it makes for the figures."""
    page = browser.page(server.client())
    page.calls = []
    page.on("request", lambda request: page.calls.append(request.url))
    page.goto(f"{server.url}/odoo/job-queue")
    page.wait_for_selector(".o_job_chart canvas")
    yield page
    page.context.close()


def test_the_dashboard_moves(server, dashboard):
    if not server.workers:
        dashboard.wait_for_function(ALIVE)
    server.client().delay("record_run", "watched", 20)
    seconds = 30 if server.workers else BY_BUS_SECONDS
    dashboard.wait_for_selector(RUNNING.format(1), timeout=seconds * 1000)
    assert dashboard.evaluate(ALIVE) == (not server.workers)


def test_it_rests_while_nobody_sees_it(server, dashboard):
    dashboard.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    dashboard.wait_for_timeout(1000)  # for a call that is on its way
    del dashboard.calls[:]
    server.db.wait_settled([server.client().delay("record_run", "unseen")])
    dashboard.wait_for_timeout(7000)
    assert not [url for url in dashboard.calls if "queue.job.dashboard" in url]
    dashboard.evaluate(
        "delete document.hidden;document.dispatchEvent(new Event('visibilitychange'))"
    )
    wait_for(
        lambda: dashboard.wait_for_timeout(50) or dashboard.calls,
        "asks again",
        until=lambda calls: any("get_figures" in url for url in calls),
    )


def test_pause_and_resume(server, dashboard):
    db = server.db
    server.client().delay_many(200, "record_run", "steered", 0.5)
    wait_for(lambda: db.value(STATES, "done"), "jobs are done")
    dashboard.click("[data-channel=root] .o_job_pause")
    dashboard.fill(".modal [name=reason] input", "month end")
    dashboard.click(".modal footer button[name=action_pause]")
    dashboard.wait_for_selector(".o_job_pause_text:has-text('month end')")
    dashboard.wait_for_selector(".o_job_health [data-code=paused]")
    wait_for(lambda: not db.value(STATES, "started"), "the queue stops")
    pending = db.value(STATES, "pending")
    assert pending
    holds(lambda: db.value(STATES, "pending") == pending, "it stands", seconds=1)
    dashboard.click("[data-channel=root] .o_job_resume")
    wait_for(lambda: db.value(STATES, "pending") < pending, "the queue goes on")


def test_all_jobs_of_a_filter_are_requeued(server, browser):
    """More than a page shows, by a job in parts, and the user sees how far it is."""
    db, client = server.db, server.client()
    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    values = {"name": "stopped", "parent_id": root, "paused": True}
    client.call("queue.job.channel", "create", values)
    client.delay_many(1200, "record_run", channel="root.stopped")
    db.rows("UPDATE queue_job SET state = 'failed', exc_name = 'ShopError'")
    page = browser.page(client)
    page.goto(server.url + JOBS)
    page.wait_for_selector(".o_data_row")
    page.click("thead .o_list_record_selector input")
    page.click(".o_select_domain")
    page.click(".o_control_panel button[name=action_requeue_all]")
    page.wait_for_selector(".modal [name=plan]:has-text('Will change: 1200')")
    page.fill(".modal [name=reason] input", "The shop is open")
    page.click(".modal footer button[name=action_change]")
    page.wait_for_selector(".o_queue_job_wait")
    page.wait_for_selector(".o_notification:has-text('1200')")
    page.wait_for_selector(".o_data_row [name=state]:has-text('Pending')")
    page.context.close()
    assert db.value(STATES, "pending") == 1200
    change = "SELECT state FROM queue_job WHERE method_name = '_change_ranges'"
    assert db.column(change) == ["done"]


def test_without_a_runner_the_banner_says_how_to_start_one(browser, make_server):
    """The server was started without the option which everybody forgets once."""
    server = make_server(load="base,web")
    server.expect_log("selfie_segmentation")
    page = browser.page(server.client())
    for path in (JOBS, "/odoo/job-queue"):
        page.goto(server.url + path)
        banner = page.wait_for_selector(".o_job_health [data-code=not_server_wide]")
        assert "--load=base,web,queue_job" in banner.inner_text()
    page.context.close()
