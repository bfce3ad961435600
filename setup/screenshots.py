# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make screenshots``: pictures of the web client at work, into ``docs/pictures``.

A real server with the database of the demo: the import of the contacts runs, some jobs
take their time, some have failed, thousands wait in a paused channel. Each function
below leaves one picture. ``ONLY="dashboard graph"`` makes some of them. Those on a
small screen are for looking at, in ``build/pictures``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import cache, contacts, database, demo, pages
from .client import Client
from .console import SetupError, say, step
from .stack import open_stack

PICTURES = cache.REPOSITORY / "docs" / "pictures"
CHECKS = cache.BUILD / "pictures"  # the same on a small screen
MAX_BYTES = 150_000
SMALL = {"width": 400, "height": 800}
TALL = {"width": 1280, "height": 1150}
# Where the pictures were taken is nobody's business.
HIDE_PATH = """path => {
    for (const element of document.querySelectorAll(".o_job_traceback pre")) {
        element.innerHTML = element.innerHTML.replaceAll(path, "/srv/addons");
    }
}"""
PROBE = "test.queue.job.probe"
WAITING_JOBS = 3000
SETTLED = """
SELECT count(*) > 0 AND bool_and(state IN ('done', 'failed', 'cancelled'))
  FROM queue_job WHERE model_name = 'test.contact.import'
"""
LARGEST_GRAPH = """
SELECT min(id) FROM queue_job WHERE method_name = '_test_job' AND graph_uuid IS NOT NULL
 GROUP BY graph_uuid ORDER BY count(*) DESC LIMIT 1
"""
# An hour of past, so that the charts have something to show.
HISTORY = """
INSERT INTO queue_job_statistic
       (minute, function, channel, company, done, failed, retried, cancelled,
        run_seconds, run_max, wait_seconds, wait_max, run_histogram, wait_histogram)
SELECT date_trunc('minute', now() AT TIME ZONE 'UTC') - i * interval '1 minute',
       '<test.contact.import>._import_rows', 'root', 0, n, n / 25, n / 15, 0,
       n * 0.18, 0.9, n * wait, wait * 3,
       ARRAY[0, 0, n / 4, n - n / 4, 0, 0, 0, 0, 0, 0],
       ARRAY[0, 0, 0, n, 0, 0, 0, 0, 0, 0]
  FROM generate_series(1, 58) AS i,
       LATERAL (SELECT 20 + i / 3 + (hashint4(i) & 15) AS n,
                       0.2 + (hashint4(i + 99) & 15) / 8.0 AS wait) AS counts
"""


@dataclass
class Studio:
    """What a picture is taken of, and with."""

    browser: pages.Browser
    client: Client
    database: str

    def open(self, path: str, **options: Any):
        """A page of the web client, when it is there."""
        page = self.browser.page(self.client, **options)
        page.goto(f"{self.client.url}{path}")
        page.wait_for_selector(".o_action_manager .o_content")
        return page

    def take(self, page, name: str, **options: Any) -> None:
        """Leave a picture and close the page."""
        page.evaluate("document.fonts.ready")
        page.wait_for_function("!document.querySelector('.o_loading_indicator')")
        directory = CHECKS if name.endswith("-small") else PICTURES
        path = directory / f"{name}.png"
        page.screenshot(path=path, animations="disabled", caret="hide", **options)
        page.context.close()
        size = path.stat().st_size
        say(f"  {path.relative_to(cache.REPOSITORY)}  {size // 1000} kB")
        if size > MAX_BYTES:
            raise SetupError(f"{path} is larger than {MAX_BYTES // 1000} kB")

    def job(self, **values: str) -> int:
        """The id of a job, by one of its columns."""
        ((column, value),) = values.items()
        domain = [[column, "=", value]]
        return self.client.call("queue.job", "search", domain, limit=1)[0]

    def import_contacts(self, chunk_size: int) -> None:
        self.client.call(
            demo.MODEL, "start", "contacts.csv", contacts.sample(), chunk_size
        )

    def wait(self, query: str) -> None:
        """Wait until the first value of a query is true."""
        page = self.browser.page(self.client)
        for _second in range(demo.IMPORT_SECONDS):
            if database.execute(query, database=self.database)[0][0]:
                break
            page.wait_for_timeout(1000)
        else:
            raise SetupError(f"this did not come true: {query}")
        page.context.close()


# -- what is to be seen ----------------------------------------------------------------


def furnish(studio: Studio) -> None:
    """Channels, jobs that failed, that take long, that wait."""
    client = studio.client
    (root,) = client.call("queue.job.channel", "search", [["name", "=", "root"]])
    client.call("queue.job.channel", "write", [root], {"capacity": 4})
    client.call(
        "queue.job.channel",
        "create",
        [
            {"name": "import", "parent_id": root, "capacity": 2},
            {"name": "mail", "parent_id": root, "capacity": 1, "throttle": 2},
            {"name": "archive", "parent_id": root, "capacity": 1, "paused": True},
        ],
    )
    database.execute(HISTORY, database=studio.database)
    delay = [PROBE, "delay_many", WAITING_JOBS, "record_run", ["archive"]]
    client.call(*delay, {"channel": "root.archive", "description": "Archive"})
    client.session.get(
        f"{client.url}/queue_job/create_test_job",
        params={"size": 24, "failure_rate": 0.15, "description": "Close the month"},
        timeout=60,
    )
    studio.import_contacts(demo.CHUNK_SIZE)
    studio.wait(SETTLED)
    delay = [PROBE, "delay_many", 3, "write_and_fail", ["shop"]]
    client.call(*delay, {"description": "Fetch the orders of the shop"})


def start_long_jobs(studio: Studio) -> None:
    """Let jobs run for as long as pictures are taken of them."""
    for description, channel, seconds in (
        ("Compute the stock valuation", "root", 45),
        ("Send 400 invoices", "root.mail", 30),
    ):
        options = {
            "description": description,
            "channel": channel,
            "identity_key": description,
        }
        studio.client.call(PROBE, "delay", "record_run", ["busy", seconds], options)


# -- the pictures ----------------------------------------------------------------------


def dashboard(studio: Studio, name: str = "dashboard", **options: Any) -> None:
    start_long_jobs(studio)
    studio.import_contacts(20)
    page = studio.open("/odoo/job-queue", **options)
    page.wait_for_selector(".o_job_chart canvas")
    page.wait_for_selector("button:has-text('Compute the stock valuation')")
    studio.take(page, name)


def dashboard_small(studio: Studio) -> None:
    dashboard(studio, "dashboard-small", size=SMALL)


def jobs(studio: Studio, name: str = "jobs", **options: Any) -> None:
    start_long_jobs(studio)
    page = studio.open("/odoo/action-queue_job.action_queue_job", **options)
    page.wait_for_selector(".o_data_row, .o_kanban_record")
    size = options.get("size", pages.WIDE)
    studio.take(
        page, name, clip={"x": 0, "y": 0, "width": size["width"], "height": 720}
    )


def jobs_small(studio: Studio) -> None:
    jobs(studio, "jobs-small", size=SMALL)


def _open_job(studio: Studio, job_id: int, **options: Any):
    path = f"/odoo/action-queue_job.action_queue_job/{job_id}"
    page = studio.open(path, **options)
    page.wait_for_selector(".o_job_story")
    return page


def failed_job(studio: Studio, name: str = "failed-job", **options: Any) -> None:
    options = {"size": TALL, **options}
    page = _open_job(studio, studio.job(name="Fetch the orders of the shop"), **options)
    page.wait_for_selector(".o_job_traceback")
    page.evaluate(HIDE_PATH, str(cache.REPOSITORY))
    studio.take(page, name)


def failed_job_small(studio: Studio) -> None:
    failed_job(studio, "failed-job-small", size=SMALL)


def graph(studio: Studio, name: str = "graph", **options: Any) -> None:
    ((job,),) = database.execute(LARGEST_GRAPH, database=studio.database)
    page = _open_job(studio, job, **{"size": TALL, **options})
    page.click("a[name=dependencies]")
    page.wait_for_selector(".o_job_graph_node")
    page.locator(".o_notebook").evaluate("element => element.scrollIntoView()")
    studio.take(page, name)


def channels(studio: Studio, name: str = "channels", **options: Any) -> None:
    page = studio.open("/odoo/action-queue_job.action_queue_job_channel", **options)
    page.wait_for_selector(".o_data_row:has-text('archive')")
    studio.take(page, name, clip={"x": 0, "y": 0, "width": 1280, "height": 360})


def channels_small(studio: Studio) -> None:
    path = "/odoo/action-queue_job.action_queue_job_channel"
    page = studio.open(path, size=SMALL, has_touch=True)
    page.wait_for_selector(".o_job_channel_card")
    studio.take(page, "channels-small")


def health(studio: Studio) -> None:
    studio.client.call("queue.job.channel", "action_pause_all", [])
    page = studio.open("/odoo/action-queue_job.action_queue_job")
    page.wait_for_selector(".o_job_health [data-code=paused]")
    page.wait_for_selector(".o_data_row")
    studio.take(page, "health", clip={"x": 0, "y": 0, "width": 1280, "height": 360})
    studio.client.call("queue.job.channel", "action_resume_all", [])


def waiting(studio: Studio) -> None:
    """All jobs of a filter are cancelled, by a job that shows how far it is."""
    page = studio.open("/odoo/action-queue_job.action_queue_job")
    page.wait_for_selector(".o_data_row")
    page.click("thead .o_list_record_selector input")
    page.click(".o_select_domain")
    page.click(".o_control_panel button[name=action_cancel_all]")
    page.fill(".modal [name=reason] input", "Imported twice")
    page.click(".modal footer button[name=action_change]")
    page.wait_for_selector(".o_queue_job_wait .progress-bar, .modal .progress-bar")
    page.wait_for_selector(".modal :text('part')")
    studio.take(page, "waiting")


PICTURE_OF: dict[str, Callable[[Studio], None]] = {
    function.__name__: function
    for function in (
        jobs,
        jobs_small,
        dashboard,
        dashboard_small,
        failed_job,
        failed_job_small,
        graph,
        channels,
        channels_small,
        health,
        waiting,
    )
}


def main(command: str) -> None:
    names = (os.environ.get("ONLY") or "").split() or list(PICTURE_OF)
    unknown = [name for name in names if name not in PICTURE_OF]
    if unknown:
        raise SetupError(f"there are no pictures {unknown}, but {list(PICTURE_OF)}")
    directory = cache.BUILD / "screenshots"
    shutil.rmtree(directory, ignore_errors=True)
    PICTURES.mkdir(exist_ok=True)
    CHECKS.mkdir(parents=True, exist_ok=True)
    with open_stack() as stack, pages.open_browser() as browser:
        template = stack.templates.app()
        with database.temporary(template, "queue_job_pictures") as name:
            # a threaded one serves the websocket without a proxy
            with stack.server(name, directory, workers=0) as server:
                client = Client(server.url, name)
                studio = Studio(browser, client, name)
                with step("Preparing the demo"):
                    furnish(studio)
                    studio.open("/odoo/job-queue").context.close()  # builds the assets
                for picture in names:
                    PICTURE_OF[picture](studio)
