# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""`make run` greets: a browser on each page finds no error, and the log holds none.

The demo is served as `make run` does it, on a port of its own, and every page of the
menu is opened, by the users whom the greeting names.
"""

from __future__ import annotations

import pytest

from setup import contacts, demo, demo_server, demo_tour, nginx
from setup.client import Client
from setup.console import SetupError
from setup.odoo_log import parse, stray
from setup.postgres import free_port
from tests.harness.fixtures import make_log_directory
from tests.harness.odoo import Odoo
from tests.harness.waiting import wait_for

CONNECTED = (
    "odoo.__WOWL_DEBUG__.root.env.services.bus_service.workerState === 'CONNECTED'"
)
LOST = "text=Real-time connection lost"
JOBS = "/odoo/action-queue_job.action_queue_job"
LIST = ".o_data_row"
METHOD = ".o_job_dashboard button:text-is('<test.contact.import>._import_rows')"
#: Whether the first character of an element stands left of the second one.
FROM_LEFT = """element => {
    const place = (at) => {
        const range = document.createRange();
        range.setStart(element.firstChild, at);
        range.setEnd(element.firstChild, at + 1);
        return range.getBoundingClientRect().left;
    };
    return place(0) < place(1);
}"""
FORM = ".o_job_story"
PHONE = {"width": 375, "height": 800}
LONG_NAME = "a_very_long_name_of_a_channel_" * 4
#: Which of some elements reach beyond the window, or hold more than they show.
TOO_WIDE = """(elements, width) => elements.filter(
    (element) => element.getBoundingClientRect().right > width + 1
        || element.getBoundingClientRect().left < -1
        || element.matches('.o_kanban_record')
        && element.scrollWidth > element.clientWidth + 1
).map((element) => element.outerHTML)"""
#: Path, what shows that it is there, and what must not overflow.
PHONE_PAGES = {
    "dashboard": (
        "/odoo/job-queue",
        f"[data-channel$={LONG_NAME}]",
        ".o_job_channels tr, .o_job_channels button",
    ),
    "channels": (
        "/odoo/action-queue_job.action_queue_job_channel",
        f".o_kanban_record:has-text({LONG_NAME!r})",
        ".o_kanban_record:not(.o_kanban_ghost), .o_kanban_record button",
    ),
}
#: The jobs that are meant to fail; whatever else fails is a fault of the demo.
FAILURES = (
    "is not an e-mail address",
    "The account of line 2 is closed",
    "The shop does not answer",
)
FAILED = "SELECT count(*) FROM queue_job WHERE state = 'failed'"
PAGES = {
    "dashboard": ("/odoo/job-queue", ".o_job_chart canvas"),
    "jobs": (JOBS, LIST),
    "channels": ("/odoo/action-queue_job.action_queue_job_channel", LIST),
    "functions": ("/odoo/job-functions", "[data-function]"),
    "settings": ("/odoo/action-queue_job.action_queue_job_function", LIST),
    "failed jobs": ("/odoo/failed-jobs", LIST),
    "failures": ("/odoo/job-failures", LIST),
    "my jobs": ("/odoo/my-jobs", ".o_queue_job_mine_job"),
}


@pytest.fixture(scope="module")
def greeted(stack):
    """The demo of `make run` in its first minute; at its end, a look at its log."""
    directory = make_log_directory("test_demo")
    place = {"workers": 4, "port": free_port()}
    with demo_server.serving(stack, directory, **place) as served:
        outcome = demo.import_contacts(
            served.server, "sample.csv", contacts.sample(), url=served.url
        )
        assert outcome.as_expected(sample=True), outcome
        demo_tour.furnish(served)
        wait_for(lambda: failed_jobs(served) == 5, "the sample, a line, three prices")
        yield served
    assert_clean(served.server)


def failed_jobs(served) -> int:
    return demo.database.execute(FAILED, database=served.server.database)[0][0]


def assert_clean(server):
    """Nothing alarming in the log but the jobs that are meant to fail."""
    records = parse(server.text())
    strays = [str(record) for record in stray(records, FAILURES)]
    assert not strays, "\n".join(strays)
    tracebacks = [r for r in records if "Traceback" in r.message and not r.alarming]
    assert not tracebacks


@pytest.fixture
def open_page(browser):
    """Opens pages as a browser does, and looks what they complain of."""
    complaints, opened = [], []

    def open_at(client, path, **options):
        page = browser.page(client, **options)
        opened.append(page)
        page.on("console", lambda said: said.type == "error" and note(said.text))
        page.on("pageerror", lambda error: note(str(error)))
        page.on("response", lambda got: got.status >= 400 and note(f"{got.url} {got}"))
        page.goto(client.url + path)
        return page

    def note(complaint):
        complaints.append(complaint)

    yield open_at
    for page in opened:
        assert not page.query_selector(LOST)
        page.context.close()
    assert not complaints


@pytest.fixture
def long_channel(greeted):
    client = greeted.client()
    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    values = {"name": LONG_NAME, "parent_id": root}
    channel = client.call("queue.job.channel", "create", values)
    client.call("queue.job.channel", "action_pause", [channel], "month end " * 9)
    yield
    client.call("queue.job.channel", "unlink", [channel])


def job(client, name):
    return client.call("queue.job", "search", [["name", "=", name]], limit=1)[0]


def test_what_it_declares_is_right(greeted, stack, tmp_path):
    code, said = Odoo(stack, greeted.server.database, tmp_path).queue_job("check")
    assert code == 0, said


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_the_menu(greeted, open_page, name):
    path, shown = PAGES[name]
    page = open_page(greeted.client(), path)
    page.wait_for_selector(shown)
    page.wait_for_function(CONNECTED)


def test_a_failed_job(greeted, open_page):
    client = greeted.client()
    page = open_page(client, f"{JOBS}/{job(client, 'Push a price to the shop')}")
    page.wait_for_selector(".o_job_traceback")


def test_a_job_that_another_one_holds(greeted, open_page):
    client = greeted.client()
    page = open_page(client, f"{JOBS}/{job(client, 'Book line 3 of journal 1')}")
    page.wait_for_selector(FORM)
    page.wait_for_selector("text=Why does it wait?")


def test_the_graph(greeted, open_page):
    client = greeted.client()
    page = open_page(client, f"{JOBS}/{job(client, 'Order S0042: ship')}")
    page.click("a[name=dependencies]")
    page.wait_for_selector(".o_job_graph_node")


def test_an_ordinary_user_waits_for_a_job(greeted, open_page):
    page = open_page(greeted.client("demo", "demo"), "/odoo/contacts-import")
    page.click("button[name=action_import_sample]")
    page.wait_for_selector(".modal .progress-bar")
    page.wait_for_selector(".o_form_view:has-text('A sample')")
    page.wait_for_function(CONNECTED)


def test_the_second_company_sees_its_own_jobs(greeted, open_page):
    client = greeted.client("branch", "branch")
    names = {
        row["name"] for row in client.call("queue.job", "search_read", [], ["name"])
    }
    assert {name.partition(":")[0] for name in names} == {"Second Company"}
    open_page(client, "/odoo/job-queue").wait_for_selector(".o_job_chart canvas")


@pytest.mark.parametrize("code, direction", [("fr_FR", "ltr"), ("ar_001", "rtl")])
def test_languages(greeted, open_page, code, direction):
    assert code in greeted.languages
    client = greeted.client()
    client.call("res.users", "write", [client.uid], {"lang": code})
    try:
        page = open_page(greeted.client(), "/odoo/job-queue")
        page.wait_for_selector(".o_job_chart canvas")
        assert page.evaluate("getComputedStyle(document.body).direction") == direction
        assert page.locator(METHOD).first.evaluate(FROM_LEFT), "<model>.method"
    finally:
        client.call("res.users", "write", [client.uid], {"lang": "en_US"})


@pytest.mark.usefixtures("long_channel")
@pytest.mark.parametrize("name", PHONE_PAGES)
def test_nothing_overflows_on_a_phone(greeted, open_page, name):
    path, shown, blocks = PHONE_PAGES[name]
    page = open_page(greeted.client(), path, size=PHONE, has_touch=True)
    page.wait_for_selector(shown)
    assert page.locator(blocks).count() > 1
    assert page.locator(blocks).evaluate_all(TOO_WIDE, PHONE["width"]) == []


def test_every_user_of_the_greeting_can_log_in(greeted, capsys):
    demo_tour.greet(greeted)
    text = capsys.readouterr().out
    assert f"{greeted.url}/odoo/job-queue" in text
    for login, _duty in demo_tour.USERS:
        assert login in text
        assert Client(greeted.url, greeted.server.database, login, login).uid


def test_without_a_proxy_it_greets_as_well(stack, open_page, monkeypatch, capsys):
    def no_proxy():
        raise SetupError("the network cannot be reached")

    monkeypatch.setattr(nginx, "find", no_proxy)
    directory = make_log_directory("test_demo-threaded")
    place = {"workers": 4, "port": free_port()}
    with demo_server.serving(stack, directory, **place) as served:
        assert "the network cannot be reached" in capsys.readouterr().out
        page = open_page(served.client(), "/odoo/job-queue")
        page.wait_for_selector(".o_job_chart canvas")
        page.wait_for_function(CONNECTED)
        page.goto("about:blank")
    assert_clean(served.server)
