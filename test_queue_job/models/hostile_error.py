# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What hostile jobs raise, and where; what they return."""

# pylint: disable=invalid-commit

import asyncio
import sys

import psycopg2
from psycopg2.errors import SerializationFailure

from odoo import models
from odoo.exceptions import AccessError, UserError, ValidationError

from odoo.addons.queue_job.exception import FailedJobError, RetryableJobError

HUGE = 20_000_000
RAISE_CONFLICT = """
DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$
"""


class OwnBaseException(BaseException):
    """A class of its own, as libraries have them."""


class Mute(Exception):
    """Has no text."""

    def __str__(self):
        raise ValueError("there is no text of it")


class Unprintable(Exception):
    """Can't even be shown."""

    def __repr__(self):
        raise ValueError("it can't be shown")

    __str__ = __repr__


ERRORS = {
    "ValueError": lambda: ValueError("raised by the method"),
    "UserError": lambda: UserError("raised by the method"),
    "ValidationError": lambda: ValidationError("raised by the method"),
    "AccessError": lambda: AccessError("raised by the method"),
    "RetryableJobError": lambda: RetryableJobError("raised by the method"),
    "FailedJobError": lambda: FailedJobError("raised by the method"),
    "SerializationFailure": lambda: SerializationFailure("by the method"),
    "OperationalError": lambda: psycopg2.OperationalError("raised by the method"),
    "InterfaceError": lambda: psycopg2.InterfaceError("raised by the method"),
    "IntegrityError": lambda: psycopg2.IntegrityError("raised by the method"),
    "OwnBaseException": lambda: OwnBaseException("raised by the method"),
    "SystemExit": lambda: SystemExit("raised by the method"),
    "KeyboardInterrupt": lambda: KeyboardInterrupt("raised by the method"),
    "GeneratorExit": lambda: GeneratorExit("raised by the method"),
    "StopIteration": lambda: StopIteration("raised by the method"),
    "MemoryError": lambda: MemoryError("raised by the method"),
    "CancelledError": lambda: asyncio.CancelledError("raised by the method"),
    # odd texts
    "nul": lambda: ValueError("raised\0by the method"),
    "surrogate": lambda: ValueError("raised \udcff by the method"),
    "bytes": lambda: ValueError(b"raised \xff by the method"),
    "nothing": lambda: ValueError(),
    "many": lambda: ValueError(1, None, {"raised": "by the method"}),
    "huge": lambda: ValueError("raised by the method " + "x" * HUGE),
    "mute": Mute,
    "unprintable": Unprintable,
    "odd_name": lambda: type("Odd\x7f\n", (Exception,), {})("raised by the method"),
    # odd delays
    "endless": lambda: RetryableJobError("again", seconds=10**12),
    "negative": lambda: RetryableJobError("again", seconds=-5),
    "text": lambda: RetryableJobError("again", seconds="abc"),
    "nan": lambda: RetryableJobError("again", seconds=float("nan")),
    "pair": lambda: RetryableJobError("again", seconds=(10, 1)),
    "infinite": lambda: RetryableJobError("again", seconds=float("inf")),
}


def _generator():
    yield 1


async def _coroutine():
    return 1


class TestQueueJobHostileError(models.AbstractModel):
    _name = "test.queue.job.hostile.error"
    _description = "What hostile jobs raise and return"

    # -- what it returns -----------------------------------------------------------

    def _do_return(self, what):
        self._work()
        makers = {
            "nothing": lambda: None,
            "object": object,
            "class": lambda: object,
            "generator": _generator,
            "coroutine": _coroutine,
            "records": lambda: self.env["res.users"].search([], limit=2),
            "huge": lambda: "x" * 5_000_000,
            "nul": lambda: "a\0b",
            "surrogate": lambda: "a\udcffb",
            "bytes": lambda: b"\xff\x00",
            "nan": lambda: float("nan"),
            "nested": self._nested,
            "endless": self._endless,
        }
        return makers[what]()

    @staticmethod
    def _nested():
        value = []
        for _depth in range(50_000):
            value = [value]
        return value

    @staticmethod
    def _endless():
        value = []
        value.append(value)
        return value

    # -- what it raises ------------------------------------------------------------

    def _do_raise(self, what):
        self._work()
        raise ERRORS[what]()

    def _do_exit(self):
        self._work()
        sys.exit("raised by the method")

    def _do_recurse(self):
        self._work()

        def deeper():
            return deeper()

        return deeper()

    def _do_conflict(self):
        self._work()
        self.env.cr.execute(RAISE_CONFLICT)

    # -- where ---------------------------------------------------------------------

    def _do_raise_in_hook(self, hook, what, fail=False, commit=False):
        """Raise in a hook of the cursor.

        :param fail: whether the method itself fails
        :param commit: whether it commits at once
        """
        self._work()

        def raise_error():
            raise ERRORS[what]()

        getattr(self.env.cr, hook).add(raise_error)
        if commit:
            self.env.cr.commit()
        if fail:
            raise ValueError("the job's own error")

    def _do_conflict_in_precommit(self):
        self._work()
        self.env.cr.precommit.add(lambda: self.env.cr.execute(RAISE_CONFLICT))

    def _do_violate_deferred(self):
        """It comes up when the transaction commits."""
        slot = self._own_job().id
        self._work("first", slot=slot)
        self._work("second", slot=slot)

    def _do_fail(self, then):
        """Fail; the text says what `on_fail` does."""
        self._work()
        uuid = self.env.context["job_uuid"]
        raise ValueError(f"the job's own error: {uuid} {then}")

    def _on_fail(self, exc_message="", **_failure):
        uuid, then = str(exc_message).split()[-2:]
        self._work("on_fail", job_uuid=uuid)
        if then == "raise":
            raise KeyError("raised by on_fail")
        if then == "exit":
            sys.exit("raised by on_fail")
        if then == "commit":
            self.env.cr.commit()
        if then == "rollback":
            self.env.cr.rollback()
        if then == "close":
            self.env.cr.close()
