# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A registry that does not know what another process has installed.

An installation that is told late is tried on a real server:
`tests/e2e/test_promises.py`.
"""

from types import SimpleNamespace
from unittest.mock import patch

from odoo.tests import TransactionCase, tagged

from ..worker import stale_registry
from ..worker.lease_run import LeaseRun


@tagged("post_install", "-at_install")
class TestStaleRegistry(TransactionCase):
    def known(self, *less):
        self.cr.execute(stale_registry.INSTALLED)
        names = {name for (name,) in self.cr.fetchall()}
        return SimpleNamespace(db_name="db", _init_modules=names.difference(less))

    def renewed(self, registry, new=None):
        with patch.object(stale_registry.Registry, "new", return_value=new) as load:
            return stale_registry.renewed(registry, self.cr), load.call_count

    def test_one_that_knows_all_is_kept(self):
        self.assertEqual(self.renewed(self.known()), (None, 0))

    def test_one_that_lacks_a_module_is_loaded_again(self):
        new = self.known()
        with self.assertLogs(stale_registry.__name__) as logs:
            found = self.renewed(self.known("queue_job"), new)
        self.assertEqual(found, (new, 1))
        self.assertIn("does not have: queue_job", logs.output[0])

    def test_what_can_never_be_loaded_is_tried_once(self):
        new = self.known("queue_job")
        with self.assertLogs(stale_registry.__name__):
            self.renewed(self.known("queue_job"), new)
        self.assertEqual(self.renewed(new), (None, 0))

    def test_one_that_cannot_be_loaded_is_no_death_of_the_worker(self):
        """The job fails as one that can't be loaded, with the error on its row."""
        run = LeaseRun.__new__(LeaseRun)
        run.registry, run.control = self.known("queue_job"), SimpleNamespace(cr=self.cr)
        broken = patch.object(stale_registry.Registry, "new", side_effect=ImportError)
        with broken, self.assertLogs("odoo.addons.queue_job", "ERROR") as logs:
            self.assertFalse(run._renew_registry())
        self.assertIn("db: can't load its registry", logs.output[0])
