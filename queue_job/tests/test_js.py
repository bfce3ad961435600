# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The unit tests of the web client (hoot), run in a browser without a window."""

from odoo.tests import no_retry, tagged

from odoo.addons.web.tests.test_js import HOOTCommon, unit_test_error_checker

from .browser_case import BrowserCase


@tagged("post_install", "-at_install", "queue_job_js")
class TestWebClient(BrowserCase):
    @no_retry
    def test_unit(self):
        suite = HOOTCommon._generate_hash(self, "@queue_job")
        self.browser_js(
            f"/web/tests?headless&loglevel=2&preset=desktop&timeout=15000&id={suite}",
            "",
            "",
            login="admin",
            timeout=300,
            success_signal="[HOOT] Test suite succeeded",
            error_checker=unit_test_error_checker,
        )
