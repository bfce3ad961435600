# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tests in the browser."""

from unittest.mock import patch

from odoo.tests import HttpCase, common

#: Debian's package of Odoo lacks an optional library of the mail addon, about which
#: every page of the backend complains.
MISSING_IN_DEBIAN = "selfie_segmentation"


class BrowserCase(HttpCase):
    """A test that takes each error of the console for a failure, but this one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        handle = common.ChromeBrowser._handle_console

        def handle_console(browser, type, args=None, **kw):
            if type == "error" and MISSING_IN_DEBIAN in str(args):
                type = "warning"
            return handle(browser, type, args, **kw)

        cls.startClassPatcher(
            patch.object(common.ChromeBrowser, "_handle_console", handle_console)
        )
