# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Leases that run in the test as in a worker, in sessions of their own."""

from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name
from odoo.tools import config

from ..claim.lease import FINALIZE, Lease
from ..controllers.main import RunJobController
from ..sessions.job_cursor import JobConnection
from ..sessions.transactions import autocommit
from ..worker.control_session import ControlSession
from ..worker.finalize_run import FinalizeRun
from ..worker.lease_run import LeaseRun

LEASE = 1_000_000_008
RUNNER = "the leader of a test"
CHANNEL = "root.channel_of_a_test"

_STATES = "SELECT state FROM queue_job WHERE channel = %s ORDER BY id"


class LeaseCase(BaseCase):
    """Jobs of `res.partner.work_of_a_test`, which calls `self.work` with a number."""

    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        self.startPatcher(patch.dict(config.options, test_enable=False))
        self.ran = []
        self.work = lambda env, number: None
        model, name = self.registry["res.partner"], "work_of_a_test"
        self.startPatcher(patch.object(model, name, self.method(name), create=True))
        self.execute("DELETE FROM queue_job WHERE channel = %s", CHANNEL)
        self.execute(
            "INSERT INTO queue_job_runner (uuid, pid, leader) VALUES (%s, 1, true)",
            RUNNER,
        )
        for query, value in (
            ("DELETE FROM queue_job WHERE channel = %s", CHANNEL),
            ("DELETE FROM queue_job_runner WHERE uuid = %s", RUNNER),
        ):
            self.addCleanup(self.execute, query, value)
        self.connections = []

    def method(self, name):
        def work(partner, number):
            self.ran.append(number)
            return self.work(partner.env, number)

        work.__name__ = name
        return work

    def execute(self, query, *params):
        with self.registry.cursor() as cr:
            cr.execute(query, params)
            return cr.fetchall() if cr.description else None

    def partner(self, cr):
        return api.Environment(cr, SUPERUSER_ID, {})["res.partner"].browse(1)

    def delay(self, count, **options):
        """Enqueue jobs; the first is claimed for the lease.

        :return: its id
        """
        with self.registry.cursor() as cr:
            for number in range(count):
                self.partner(cr).with_delay(**options).work_of_a_test(number)
        return self.execute(
            "UPDATE queue_job SET state = 'enqueued', claim_token = 1, lease_id = %s,"
            " gate_state = CASE WHEN gate IS NOT NULL THEN 'open' END,"
            " scheduled = false"
            " WHERE id = (SELECT min(id) FROM queue_job WHERE channel = %s)"
            " RETURNING id",
            LEASE,
            CHANNEL,
        )[0][0]

    def serve(self, job_id, **options):
        """Serve a lease; `self.connections` are those of its jobs."""
        lease = Lease(
            id=LEASE,
            database=get_db_name(),
            job_id=job_id,
            channel=CHANNEL,
            channels=[CHANNEL],
            runner=RUNNER,
            **{"claim_token": 1, "seconds": 60.0, **options},
        )
        attach = JobConnection.attach

        def note(jobs):
            self.connections.append(jobs)
            attach(jobs)

        with (
            patch.object(JobConnection, "attach", note),
            self.registry.cursor() as cr,
            autocommit(cr) as control_cr,
        ):
            self.control = ControlSession(control_cr, LEASE, RUNNER)
            run_class = FinalizeRun if lease.kind == FINALIZE else LeaseRun
            runjob = RunJobController._runjob
            return run_class(self.registry, self.control, lease, runjob).run()

    def states(self):
        return [state for (state,) in self.execute(_STATES, CHANNEL)]
