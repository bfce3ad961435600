# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Base of the tests of the helpers for tests."""

from unittest import mock

from odoo.tests import TransactionCase

from .common import JobMixin


class HelperCase(JobMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Nobody"})

    def drain_new(self, **options):
        """Drain the jobs of this test, not what the database held before."""
        return self.drain(self.counter, **options)

    def setUp(self):
        super().setUp()
        self.counter = self.job_counter()

    def job_method(self, function):
        """Give partners a method `testing` for a while."""
        function.__name__ = "testing"
        return mock.patch.object(type(self.partner), "testing", function, create=True)
