# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What other code patches by its public path takes effect.

A name that can be imported is not enough: the code that uses it has to look it up in
the module where others replace it.
"""

from datetime import datetime
from unittest import mock

from odoo.tests import TransactionCase, tagged

from odoo.addons.queue_job import jobrunner
from odoo.addons.queue_job.delay import Delayable
from odoo.addons.queue_job.job import Job
from odoo.addons.queue_job.jobrunner import channels, runner

ADDON = "odoo.addons.queue_job"
NOON = datetime(2026, 1, 1, 12, 0)


def replaced(path, **options):
    """Replace a name of the addon by its public path."""
    return mock.patch(f"{ADDON}.{path}", **options)


@tagged("post_install", "-at_install")
class TestPublicPatches(TransactionCase):
    def test_delaying(self):
        with replaced("models.base.DelayableRecordset") as made:
            self.env.user.with_delay(priority=3)
        self.assertEqual(made.call_args.args, (self.env.user,))
        with replaced("models.base.Delayable") as made:
            self.env.user.delayable()
        self.assertEqual(made.call_args.args, (self.env.user,))
        with replaced("models.base.Base.with_delay") as called:
            self.env.user.with_delay()
        called.assert_called_once()

    def test_the_job_that_is_built(self):
        delayable = Delayable(self.env.user)
        delayable._generated_job = True  # it is not forgotten
        with replaced("delay.Job") as made:
            delayable._generated_job = None
            delayable.read()._build_job()
        made.assert_called_once()

    def test_what_a_job_looks_up(self):
        with replaced("job.datetime") as clock:
            clock.now.return_value = NOON
            self.assertEqual(Job(self.env.user.read).date_created, NOON)
        with replaced("job.os") as system:
            system.getpid.return_value = 4711
            job = Job(self.env.user.read)
            job.set_started()
        self.assertEqual(job.worker_pid, 4711)
        with replaced("job.randint", return_value=7):
            job = Job(self.env.user.read)
            self.assertEqual(job._get_retry_seconds((1, 10)), 7)
        with replaced("job.uuid") as uuids:
            uuids.uuid4.return_value = "made"
            self.assertEqual(Job(self.env.user.read).uuid, "made")

    def test_the_cursor_of_allow_commit(self):
        with replaced("job.Job.in_temporary_env") as lent:
            with Job(self.env.user.read).in_temporary_env():
                pass
        lent.assert_called_once()

    def test_the_tree_of_channels(self):
        with replaced("jobrunner.channels.Channel") as made:
            channels.ChannelManager()
        self.assertTrue(made.called)

    def test_the_runner(self):
        with replaced("jobrunner.channels.ChannelManager") as made:
            runner.QueueJobRunner()
        self.assertTrue(made.called)
        names = ("_odoo_now", "_async_http_get", "_connection_info_for", "Database")
        for name in names:
            with replaced(f"jobrunner.runner.{name}") as each:
                self.assertIs(getattr(runner, name), each)

    def test_starting(self):
        hooks = jobrunner.server_hooks
        with (
            replaced("jobrunner._start_runner_thread") as start,
            replaced("jobrunner._is_runner_enabled") as asked,
            mock.patch.multiple(
                hooks,
                _is_one_off=mock.Mock(return_value=False),
                _check_settings=mock.DEFAULT,
                orig_threaded_start=mock.DEFAULT,
            ),
        ):
            jobrunner.threaded_start(mock.Mock())
        self.assertTrue(asked.called)
        self.assertTrue(start.called)
