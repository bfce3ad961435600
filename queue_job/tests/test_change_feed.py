# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The change feed: when messages are sent, and who may subscribe."""

import json
import logging
from unittest.mock import MagicMock, patch

import psycopg2

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user

from ..jobrunner.session import change_feed
from ..jobrunner.session.change_feed import (
    CHANNEL,
    INTERVAL,
    SUBSCRIPTION_SECONDS,
    WATCH,
    ChangeFeed,
)
from .job_case import MANAGER_GROUP


class FakeDatabase:
    """The runner's session, played by the cursor of the test."""

    db_name = "shop"

    def __init__(self, cr):
        self.cr = cr
        self.conn = cr._cnx

    def value(self, query, params):
        self.cr.execute(query, params)
        return self.cr.fetchone()[0]


class TestChangeFeed(TransactionCase):
    def setUp(self):
        super().setUp()
        self.notified = []
        patcher = patch.object(
            ChangeFeed, "_notify", lambda _feed, channel: self.notified.append(channel)
        )
        self.startPatcher(patcher)
        self.feed = ChangeFeed(FakeDatabase(self.env.cr))

    def messages(self):
        rows = self.env["bus.bus"].search([("channel", "=", f'["shop","{CHANNEL}"]')])
        return [json.loads(row.message) for row in rows]

    def test_nothing_while_nobody_looks(self):
        self.feed.changed()
        self.assertIsNone(self.feed.due(10))
        self.feed.send(10)
        self.assertEqual(self.notified, [])

    def test_who_looks_is_answered(self):
        self.feed.subscribe(10)
        self.assertEqual(self.feed.due(10), 10)
        self.feed.send(10)
        self.assertEqual(self.notified, [["shop", CHANNEL]])
        self.assertEqual(self.messages(), [{"type": CHANNEL, "payload": {}}])

    def test_nothing_while_nothing_changes(self):
        self.feed.subscribe(10)
        self.feed.send(10)
        self.feed.send(20)
        self.assertEqual(len(self.notified), 1)
        self.assertIsNone(self.feed.due(20))

    def test_one_a_second_of_which_the_newest_is_kept(self):
        self.feed.subscribe(10)
        self.feed.send(10)
        for tenth in range(1, 21):
            self.feed.changed()
            self.feed.send(10 + tenth / 10)
        self.assertEqual(len(self.notified), 3)
        self.feed.changed()
        self.assertEqual(self.feed.due(12.1), 12 + INTERVAL)
        self.assertEqual(len(self.messages()), 1)

    def test_no_more_when_nobody_looks_any_longer(self):
        self.feed.subscribe(10)
        self.feed.send(10)
        self.feed.changed()
        self.feed.send(10 + SUBSCRIPTION_SECONDS)
        self.assertEqual(len(self.notified), 1)

    def test_a_bus_that_cannot_be_reached_harms_nobody(self):
        refused = psycopg2.OperationalError("refused")
        self.feed.subscribe(10)
        with (
            patch.object(ChangeFeed, "_notify", side_effect=refused),
            self.assertLogs(change_feed.__name__, logging.INFO) as log,
        ):
            self.feed.send(10)
        self.assertIn("refused", log.output[0])
        self.feed.changed()
        self.assertIsNone(self.feed.due(12), "not again before somebody looks again")


class TestWhoHears(TransactionCase):
    def setUp(self):
        super().setUp()
        groups = f"base.group_user,{MANAGER_GROUP}"
        self.manager = new_test_user(self.env, "news_manager", groups=groups)
        self.user = new_test_user(self.env, "news_user")
        portal = "base.group_portal"
        self.customer = new_test_user(self.env, "news_customer", groups=portal)
        self.reader = new_test_user(
            self.env, "news_reader", groups=f"{portal},{MANAGER_GROUP}"
        )

    def heard(self, user):
        """Return the named channels which the user gets of those he wants."""
        websocket = self.env["ir.websocket"].with_user(user)
        module = "odoo.addons.bus.models.ir_websocket.wsrequest"
        with patch(module, new=MagicMock()):
            channels = websocket._build_bus_channel_list([CHANNEL, "other", CHANNEL])
        return [channel for channel in channels if isinstance(channel, str)]

    def test_employees_and_those_who_read_jobs(self):
        for user in (self.manager, self.user, self.reader):
            self.assertIn(CHANNEL, self.heard(user))
        self.assertNotIn(CHANNEL, self.heard(self.customer))
        self.assertIn("other", self.heard(self.customer))

    def test_only_they_ask_for_news(self):
        dashboard = self.env["queue.job.dashboard"]
        for user in (self.manager, self.user, self.reader):
            execute = self.env.cr.execute
            with patch.object(self.env.cr, "execute", wraps=execute) as execute:
                dashboard.with_user(user).watch()
            self.assertEqual(execute.call_args.args[1], {"payload": WATCH})
        with self.assertRaises(AccessError):
            dashboard.with_user(self.customer).watch()
