# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How hostile jobs take their time, and what they do about whoever interrupts them.

Each leaves the effect `early` before and `late` after it.
"""

# pylint: disable=invalid-commit

import hashlib
import time
from contextlib import contextmanager, suppress

from odoo import models

STEP_SECONDS = 0.2


class TestQueueJobHostileSleep(models.AbstractModel):
    _name = "test.queue.job.hostile.sleep"
    _description = "How hostile jobs take their time"

    @contextmanager
    def _between_effects(self):
        self._work("early")
        yield
        self._work("late")

    def _do_sleep(self, seconds):
        with self._between_effects():
            time.sleep(seconds)

    def _do_sleep_in_sql(self, seconds):
        with self._between_effects():
            self.env.cr.execute("SELECT pg_sleep(%s)", [seconds])

    def _do_sleep_in_savepoint(self, seconds):
        with self._between_effects(), self.env.cr.savepoint():
            time.sleep(seconds)

    def _do_compute(self, seconds):
        """Python that doesn't stop."""
        with self._between_effects():
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                pass

    def _do_compute_in_c(self, seconds):
        """One call of C code, which returns when it is ready."""
        with self._between_effects():
            begin = time.monotonic()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)
            rounds = int(100_000 * seconds / (time.monotonic() - begin))
            hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)

    def _do_sleep_deaf(self, seconds, what):
        """Catch whatever interrupts it, and go on.

        :param what: "Exception" or "BaseException"
        """
        caught = {"Exception": Exception, "BaseException": BaseException}[what]
        with self._between_effects():
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                with suppress(caught):
                    while time.monotonic() < until:
                        self._tell("beat")
                        time.sleep(STEP_SECONDS)

    def _do_sleep_and_tidy_up(self, seconds):
        try:
            self._do_sleep(seconds)
        finally:
            time.sleep(1)

    def _do_sleep_and_commit(self, seconds, partner=None):
        """Commit in spite of the interruption."""
        with suppress(Exception):
            self._do_sleep(seconds)
        (partner or self).env.cr.commit()

    def _do_commit_and_sleep(self, seconds):
        self._work("early")
        self.env.cr.commit()
        time.sleep(seconds)
        self._work("late")

    def _do_roll_back_and_sleep(self, seconds):
        self.env.cr.rollback()
        with self._between_effects():
            time.sleep(seconds)
