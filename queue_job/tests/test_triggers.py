# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What rings the runner's bell, and what does not.

A notification is sent by a commit: the tests of the triggers work in a session of
their own which listens, commits, and cleans up.
"""

from contextlib import closing
from uuid import uuid4

import psycopg2

from odoo.sql_db import connection_info_for
from odoo.tests import TransactionCase

INSERT = """
    INSERT INTO queue_job (uuid, state, model_name, method_name, channel)
    SELECT %(prefix)s || number, %(state)s, 'no.model', 'none', 'root'
    FROM generate_series(1, %(count)s) AS number
"""


class TestTriggers(TransactionCase):
    def setUp(self):
        super().setUp()
        _name, info = connection_info_for(self.env.cr.dbname)
        self.prefix = f"test-trigger-{uuid4()}-"
        self.connection = psycopg2.connect(**info)
        self.connection.autocommit = True
        self.addCleanup(self.connection.close)
        self.addCleanup(
            self.execute, "DELETE FROM queue_job WHERE uuid LIKE %s", self.prefix + "%"
        )
        self.execute("LISTEN queue_job")

    def execute(self, query, *params):
        with closing(self.connection.cursor()) as cr:
            cr.execute(query, params[0] if isinstance(params[:1], dict) else params)

    def insert(self, state, count=1):
        with closing(self.connection.cursor()) as cr:
            cr.execute(INSERT, {"prefix": self.prefix, "state": state, "count": count})

    def update(self, values):
        self.execute(
            f"UPDATE queue_job SET {values} WHERE uuid LIKE %s", self.prefix + "%"
        )

    def rings(self):
        self.execute("SELECT 1")
        self.connection.poll()
        payloads = [notify.payload for notify in self.connection.notifies]
        self.connection.notifies.clear()
        return payloads

    def test_insert_rings_once_for_many_pending_jobs(self):
        self.insert("pending", count=100)
        self.assertEqual(self.rings(), ["jobs"])

    def test_insert_of_others_is_silent(self):
        self.insert("wait_dependencies", count=3)
        self.assertEqual(self.rings(), [])

    def test_updates(self):
        self.insert("pending", count=3)
        self.rings()
        cases = [
            ("state = 'enqueued', claim_token = 1", []),
            ("state = 'started'", []),
            ("state = 'done'", []),
            ("state = 'pending'", ["jobs"]),
            ("state = 'pending'", []),
            ("scheduled = true", []),
            ("result = 'x'", []),
            ("priority = 3", ["jobs"]),
            ("eta = now() + interval '1 day'", ["jobs"]),
            ("channel = 'root.other'", ["jobs"]),
            ("state = 'cancelled'", []),
            ("priority = 5", []),
        ]
        for values, expected in cases:
            with self.subTest(values):
                self.update(values)
                self.assertEqual(self.rings(), expected)

    def test_delete_is_silent(self):
        self.insert("pending")
        self.rings()
        self.execute("DELETE FROM queue_job WHERE uuid LIKE %s", self.prefix + "%")
        self.assertEqual(self.rings(), [])

    def test_channels_ring(self):
        self.execute("UPDATE queue_job_channel SET paused = paused WHERE name = 'root'")
        self.assertEqual(self.rings(), ["channels"])


class TestTriggersAreRepaired(TransactionCase):
    def test_init_repairs_and_can_be_repeated(self):
        self.env.cr.execute("DROP TRIGGER queue_job_notify ON queue_job")
        for _ in range(2):
            self.env["queue.job"].init()
            self.env["queue.job.channel"].init()
        self.env.cr.execute(
            """SELECT tgname FROM pg_trigger
               WHERE tgrelid IN ('queue_job'::regclass, 'queue_job_channel'::regclass)
                 AND NOT tgisinternal ORDER BY tgname"""
        )
        self.assertEqual(
            [name for (name,) in self.env.cr.fetchall()],
            [
                "queue_job_channel",
                "queue_job_gate",
                "queue_job_gate_deleted",
                "queue_job_keep_unmet_edges",
                "queue_job_notify",
                "queue_job_notify_update",
            ],
        )
