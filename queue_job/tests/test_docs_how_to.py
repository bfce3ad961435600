# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The examples of `docs/how-to` are run, page by page."""

import re
import types
from pathlib import Path

from lxml import etree

from odoo.tools.convert import xml_import

from . import common
from .helper_case import HelperCase

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


class TestHowTo(HelperCase):
    def run_page(self, name):
        path = PAGES / f"{name}.md"
        if not path.exists():
            self.skipTest("the addon is installed without the documentation")
        partners = self.partner + self.partner.copy() + self.partner.copy()
        page = types.ModuleType(name)
        page.__doc__ = path.read_text().replace("```", "\n")
        names = {
            "env": self.env,
            "partner": self.partner,
            "partners": partners,
            "method": self.add_method,
            "job_method": self.add_job_method,
            "drain": self.drain_page,
        }
        common.assert_doctests(page, **names)

    def add_method(self, function):
        """Put a function into the model until the end of the test."""
        self._add(type(self.partner), function)

    def add_job_method(self, function):
        """Put a function into `queue.job` until the end of the test."""
        self._add(type(self.env["queue.job"]), function)

    def _add(self, model, function):
        setattr(model, function.__name__, function)
        self.addCleanup(delattr, model, function.__name__)

    def drain_page(self):
        counter = self.counter
        self.counter = self.job_counter()
        return self.drain(counter)

    def test_every_page_is_run(self):
        tested = {name.removeprefix("test_") for name in dir(self)}
        pages = {path.stem for path in PAGES.glob("*.md")}
        self.assertFalse(pages - tested - {"README", "command_line"})

    def test_work_through_failures(self):
        with self.assertLogs("odoo.addons.queue_job", "ERROR"):
            self.run_page("work_through_failures")

    def test_my_jobs(self):
        self.run_page("my_jobs")

    def test_fan_out(self):
        self.run_page("fan_out")

    def test_declare(self):
        def export(partners):
            """Export partners"""

        def note_failed_export(partners, **failure):
            """Note that it failed"""

        self.add_method(export)
        self.add_method(note_failed_export)
        self.load_data("declare")
        self.run_page("declare")

    def load_data(self, name):
        """Load the data file that a page shows."""
        page = PAGES / f"{name}.md"
        if page.exists():
            (data,) = re.findall(r"```xml\n<\?.*?\?>(.*?)```", page.read_text(), re.S)
            importer = xml_import(self.env, "queue_job", None, "init")
            importer.parse(etree.fromstring(data.strip()))

    def test_related_actions(self):
        def sync(partners, *other):
            """Synchronize partners"""

        self.add_method(sync)
        self.load_data("related_actions")
        self.run_page("related_actions")

    def test_change_code(self):
        def push_to_shop(partners):
            """Push partners"""

        self.add_method(push_to_shop)
        self.load_data("change_code")
        self.run_page("change_code")

    def test_show_progress(self):
        self.run_page("show_progress")

    def test_wait_for_a_job(self):
        self.run_page("wait_for_a_job")

    def test_long_loops(self):
        self.run_page("long_loops")

    def test_call_an_api(self):
        self.run_page("call_an_api")

    def test_hear_of_failures(self):
        with self.assertLogs("odoo.addons.queue_job", "ERROR"):
            self.run_page("hear_of_failures")

    def test_note_a_failure(self):
        self.run_page("note_a_failure")

    def test_one_by_one(self):
        self.run_page("one_by_one")

    def test_results(self):
        self.run_page("results")

    def test_deferred_calls(self):
        self.run_page("deferred_calls")
