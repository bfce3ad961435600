# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What hostile jobs do to their transaction, their session and their cursor."""

# pylint: disable=invalid-commit

import time

from odoo import models

#: What a job may leave in its session.
LEFT_IN_SESSION = {
    "temp_table": "CREATE TEMP TABLE hostile_t (i int)",
    "temp_sequence": "CREATE TEMP SEQUENCE hostile_s",
    "statement_timeout": "SET statement_timeout = '500ms'",
    "tiny_statement_timeout": "SET statement_timeout = '1ms'",
    "lock_timeout": "SET lock_timeout = '1ms'",
    "search_path": "SET search_path = nowhere",
    "read_only_characteristics": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
    ),
    "read_only_default": "SET default_transaction_read_only = on",
    "isolation": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"
    ),
    "role": "SET ROLE pg_monitor",
    "advisory_lock": "SELECT pg_advisory_lock(4711, 4712)",
    "listen": "LISTEN hostile",
    "hold_cursor": "DECLARE hostile_c CURSOR WITH HOLD FOR SELECT 1",
    "prepared": "PREPARE hostile_p AS SELECT 1",
    "custom_setting": "SELECT set_config('hostile.flag', 'left', false)",
    "time_zone": "SET TIME ZONE 'Asia/Tokyo'",
    "date_style": "SET datestyle = 'German'",
}


class TestQueueJobHostileTransaction(models.AbstractModel):
    _name = "test.queue.job.hostile.transaction"
    _description = "What hostile jobs do to transaction and session"

    # -- commits and rollbacks -----------------------------------------------------

    def _do_commit(self, seconds=0, fail=False, again=True):
        self._work("first")
        self.env.cr.commit()
        if again:
            self._work("second")
        time.sleep(seconds)
        if fail:
            raise ValueError("raised after the commit")

    def _do_commit_by_argument(self, partner):
        self._work("first")
        partner.env.cr.commit()
        self._work("second")

    def _do_commit_by_sql(self):
        self._work("first")
        self.env.cr.execute("COMMIT")
        self._work("second")

    def _do_roll_back(self, seconds=0, again=True):
        self._work("first")
        self.env.cr.rollback()
        if again:
            self._work("second")
        time.sleep(seconds)

    def _do_hook_sleeps(self, seconds, at_once):
        """A hook takes its time, as an SMTP server does."""
        self._work("first")
        self.env.cr.postcommit.add(lambda: time.sleep(seconds))
        if at_once:
            self.env.cr.commit()
            self._work("second")

    def _do_savepoint_released(self):
        with self.env.cr.savepoint():
            self._work("first")
        self._work("second")

    def _do_savepoint_undone(self):
        try:
            with self.env.cr.savepoint():
                self._work("first")
                raise ValueError("back to the savepoint")
        except ValueError:
            self._work("second")

    def _do_savepoint_open(self):
        self._work("first")
        self.env.cr.execute("SAVEPOINT hostile")
        self._work("second")

    def _do_transaction_broken(self):
        """The transaction is aborted, and the method says nothing."""
        self._work("first")
        try:
            self.env.cr.execute("SELECT 1/0", log_exceptions=False)
        except Exception:
            return "all is well"

    # -- cursors -------------------------------------------------------------------

    def _do_close_cursor(self):
        self._work()
        self.env.cr.close()

    def _do_open_cursors(self):
        self._work()
        for _number in range(3):
            self.env.registry.cursor().execute("SELECT 1")

    def _do_own_cursor(self, fail):
        with self.env.registry.cursor() as cr:
            self.with_env(self.env(cr=cr))._work("own")
        self._work()
        if fail:
            raise ValueError("raised after the commit of another cursor")

    # -- the session ---------------------------------------------------------------

    def _do_leave(self, what, commit=False):
        self._work()
        self.env.cr.execute(LEFT_IN_SESSION[what])
        if commit:
            self.env.cr.commit()

    # -- caches --------------------------------------------------------------------

    def _do_set_parameter(self, parameter, fail=False):
        self._work()
        self.env["ir.config_parameter"].sudo().set_param(parameter, "new")
        if fail:
            raise ValueError("raised after the change of a parameter")

    def _do_clear_caches(self):
        self._work()
        self.env.registry.clear_cache()

    def _do_clear_all_caches(self):
        self._work()
        self.env.registry.clear_all_caches()

    def _do_signal_registry(self):
        """As an installation of a module does."""
        self._work()
        self.env.registry.registry_invalidated = True
