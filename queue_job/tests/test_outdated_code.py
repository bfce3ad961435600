# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A process whose code is older than the database; see `tests/e2e/test_update.py`."""

from unittest import mock

from odoo.tests import TransactionCase, tagged

from ..worker import outdated_code
from ..worker.outdated_code import newer_modules, what_is_newer

MISSING = KeyError("no.model")


@tagged("post_install", "-at_install")
class TestOutdatedCode(TransactionCase):
    def what(self, model="res.partner", error=MISSING):
        return what_is_newer(self.env.registry, self.env.cr, model, error)

    def test_versions(self):
        loaded = {"a": "19.0.1.9.0", "b": "19.0.1.0.0"}
        for in_database, expected in (
            ([("a", "19.0.1.10.0"), ("b", "19.0.1.0.0")], ["a"]),
            ([("a", "19.0.1.9.0"), ("b", "19.0.0.9.0")], []),
            ([("c", "19.0.1.0.0")], []),
        ):
            with self.subTest(in_database):
                self.assertEqual(newer_modules(in_database, loaded), expected)

    def test_nothing_is_newer(self):
        for model in ("res.partner", "no.such.model"):
            self.assertEqual(self.what(model), "")

    def test_a_newer_version(self):
        self.env.cr.execute(
            "UPDATE ir_module_module SET latest_version = '99.0.1.0.0'"
            " WHERE name = 'queue_job'"
        )
        self.assertEqual(self.what(), "a newer version of queue_job")
        error = AttributeError("no method")
        self.assertEqual(self.what(error=error), "a newer version of queue_job")
        self.assertEqual(self.what(error=ValueError("no JSON")), "")

    def test_a_model_that_the_database_has(self):
        """A restart brings it, unless the code of its module is not here."""
        for module, expected in (
            ("'base'", "the model a.newcomer"),
            ("NULL", "the model a.newcomer"),  # made by a user
            ("'removed_without_uninstalling'", ""),
        ):
            query = f"SELECT {module} WHERE %s > ''"
            with (
                self.subTest(module),
                mock.patch.object(outdated_code, "DECLARED_BY", query),
            ):
                self.assertEqual(self.what("a.newcomer"), expected)

    def test_who_declares_a_model(self):
        self.env.cr.execute(outdated_code.DECLARED_BY, ["res.users"])
        self.assertIn(("base",), self.env.cr.fetchall())
        self.env.cr.execute(outdated_code.DECLARED_BY, ["no.such.model"])
        self.assertFalse(self.env.cr.fetchall())
