# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When a server process freezes what it has loaded, and when it thaws it."""

from contextlib import ExitStack
from types import SimpleNamespace
from unittest.mock import call, patch

from odoo.modules.registry import Registry
from odoo.tests import BaseCase, TransactionCase

from odoo.addons.queue_job.jobrunner.server import shared_heap

FREEZE = [call.collect(), call.freeze()]


class TestSharedHeap(BaseCase):
    def setUp(self):
        super().setUp()
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.gc = stack.enter_context(patch.object(shared_heap, "gc"))
        stack.enter_context(patch.object(shared_heap, "_frozen", frozenset()))
        stack.enter_context(patch.object(shared_heap, "_is_frozen", False))
        self.loaded = {}
        registries = SimpleNamespace(snapshot=self.loaded)
        stack.enter_context(patch.object(Registry, "registries", registries))

    def calls(self):
        calls = list(self.gc.mock_calls)
        self.gc.reset_mock()
        return calls

    def freeze(self, *databases):
        self.loaded.update(dict.fromkeys(databases))
        shared_heap.freeze()
        return self.calls()

    def thaw(self, database):
        shared_heap.thaw(database)
        return self.calls()

    def test_once(self):
        self.assertEqual(self.freeze("a"), FREEZE)
        self.assertEqual(self.freeze("a"), [])

    def test_modules_alone(self):
        self.assertEqual(self.freeze(), FREEZE)
        self.assertEqual(self.freeze(), [])
        self.assertEqual(self.thaw("a"), [], "nothing of it is frozen")

    def test_again_when_another_registry_was_loaded(self):
        self.freeze("a")
        self.assertEqual(self.thaw("b"), [], "it replaces none that is frozen")
        self.assertEqual(self.freeze("b"), FREEZE)

    def test_a_registry_that_is_replaced_can_be_collected(self):
        self.freeze("a", "b")
        self.assertEqual(self.thaw("a"), [call.unfreeze()])
        self.assertEqual(self.thaw("a"), [], "it was thawed before")
        self.assertEqual(self.freeze("a"), FREEZE)


class TestRegistryHook(TransactionCase):
    def test_a_registry_that_is_loaded_thaws_the_old_one(self):
        with patch.object(shared_heap, "thaw") as thaw:
            self.env["queue.job.runner"]._register_hook()
        thaw.assert_called_once_with(self.env.registry.db_name)
