# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs on a running server, with the time in the hands of the test.

Where `drain` calls the worker's code, a :class:`JobsTestCase` sends each job to the
HTTP server of Odoo's tests, as a runner does: the request goes through routing,
controller and a thread of its own, and the job has a request, an environment and a
transaction that the test has not made.

    class TestReminder(JobsTestCase):
        def test_a_reminder_is_sent_after_a_week(self):
            self.invoice.action_remind_later()
            self.assertFalse(self.run_jobs().attempts)
            self.travel(days=7)
            self.assertTrue(self.run_jobs().done)
            self.assertTrue(self.invoice.is_reminded)

All of it stays in the transaction of the test and disappears with it. The runner's
choice (channels and their capacity, rates) is not taken part in: jobs run one after the
other, those that are due, by priority.
"""

from contextlib import ExitStack
from datetime import datetime, timedelta

from odoo.tests import HttpCase

from odoo.addons.queue_job.claim.lease import CLASSIC_PATH
from odoo.addons.queue_job.core.states import FAILED

from .clock import Clock
from .drain import Drained, drain
from .mixin import JobMixin


class JobsTestCase(JobMixin, HttpCase):
    """A test whose jobs run on the server of Odoo's tests."""

    def setUp(self) -> None:
        """Note which jobs there are: these are not those of the test."""
        super().setUp()
        stack = ExitStack()
        self.addCleanup(stack.close)
        self._clock = Clock(stack)
        self._before = self.env["queue.job"].sudo().search([])

    @property
    def now(self) -> datetime:
        """The present moment, naive and in UTC."""
        return self._clock.now()

    def travel(self, **delta: float) -> None:
        """Let time pass: ``self.travel(days=1, hours=2)``.

        :param delta: as for a timedelta
        """
        self._clock.move_on(timedelta(**delta))

    def travel_to(self, moment: datetime) -> None:
        """Let it be a later moment.

        :param moment: naive and in UTC
        """
        self._clock.move_to(moment)

    def run_jobs(self, *, follow_due_dates: bool = False, **options) -> Drained:
        """Run the jobs of this test that are due, until none is.

        :param follow_due_dates: let time pass until the last of them is due
        :param options: of :func:`drain`
        :return: what became of them
        """
        return drain(
            self.env,
            ignore=self._before,
            follow_due_dates=follow_due_dates,
            attempt=self._request,
            clock=self._clock,
            **options,
        )

    def _request(self, env, uuid: str, *, raise_failures: bool) -> None:
        """Let the server run an enqueued job."""
        parameters = {"db": env.cr.dbname, "job_uuid": uuid}
        # the opener would give up by the clock that jobs move
        response = self.url_open(CLASSIC_PATH, params=parameters, timeout=None)
        env.invalidate_all(flush=False)
        job = env["queue.job"].sudo().search([("uuid", "=", uuid)])
        if job.state == FAILED and raise_failures:
            raise AssertionError(f"{job.name} failed:\n{job.exc_info}")
        if job.state != FAILED and response.status_code != 200:
            raise AssertionError(f"{job.name}: {response.status_code} {response.text}")
