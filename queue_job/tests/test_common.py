# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The other helpers for tests: counter, mock of with_delay, doctests."""

import doctest
import types
from pathlib import Path
from unittest import TestSuite, mock

from . import common, drain, matching, trap
from .common import mock_with_delay
from .helper_case import HelperCase


class TestCommon(HelperCase):
    def test_counter(self):
        self.partner.with_delay().write({})
        counter = self.job_counter()
        before = counter.count_existing()
        job = self.partner.with_delay().write({})
        self.assertEqual(counter.count_created(), 1)
        self.assertEqual(counter.search_created(), job.db_record())
        self.assertEqual(counter.count_existing(), before)
        self.assertEqual(counter.count_all(), before + 1)
        self.assertEqual(counter.search_all() - job.db_record(), counter.existing)

    def test_perform_jobs(self):
        self.partner.with_delay().write({"name": "Ada"})
        self.partner.with_delay().write({"name": "Bob"})
        self.perform_jobs(self.counter)
        self.assertEqual(self.partner.name, "Bob")
        states = self.counter.search_created().mapped("state")
        self.assertEqual(states, ["pending"] * 2)

    def test_mock_with_delay(self):
        with mock_with_delay() as (delayable_cls, delayable):
            self.partner.with_delay(priority=3).write({"name": "Ada"})
        expected = mock.call(
            self.partner,
            priority=3,
            eta=None,
            max_retries=None,
            description=None,
            channel=None,
            identity_key=None,
        )
        self.assertEqual(delayable_cls.call_args, expected)
        delayable.write.assert_called_once_with({"name": "Ada"})
        self.assertEqual(self.counter.count_created(), 0)

    def test_examples_in_docstrings(self):
        for module in (matching, trap, drain):
            with self.subTest(module=module.__name__):
                self.drain_new()
                common.assert_doctests(module, env=self.env, partner=self.partner)

    def test_examples_in_the_documentation(self):
        path = Path(__file__).parents[2] / "docs" / "testing.md"
        if not path.exists():
            self.skipTest("the addon is installed without the documentation")
        self.drain_new()
        page = types.ModuleType("testing")
        page.__doc__ = path.read_text().replace("```", "\n")
        common.assert_doctests(page, env=self.env, partner=self.partner)

    def test_wrong_example_is_reported(self):
        module = types.ModuleType("wrong")
        module.__doc__ = ">>> 1 + x\n3"
        common.assert_doctests(module, x=2)
        with self.assertRaisesRegex(AssertionError, "Got:\n    2"):
            common.assert_doctests(module, x=1)

    def test_load_doctests(self):
        load_tests = common.load_doctests(matching)
        cases = list(load_tests(None, TestSuite(), None))
        self.assertTrue(cases)
        for seq, case in enumerate(cases):
            self.assertIsInstance(case, common.OdooDocTestCase)
            self.assertIsInstance(case, doctest.DocTestCase)
            self.assertEqual(case.test_sequence, seq)
            self.assertEqual(
                case.test_tags, {"standard", "at_install", "queue_job", "doctest"}
            )
