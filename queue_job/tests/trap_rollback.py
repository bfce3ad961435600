# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What was noted in a savepoint is told when that is rolled back.

In production a rollback takes the rows of the jobs with it. A trap has no rows, so it
follows the savepoints of Odoo: those of `cr.savepoint()`, of `assertRaises`, and those
by which the cursors of tests stand for transactions. A savepoint made by plain SQL is
not seen.
"""

import weakref
from collections.abc import Callable
from contextlib import ExitStack
from unittest import mock

from odoo.sql_db import Savepoint


class Savepoints:
    """Follows the savepoints while it is entered.

    :param forget: called with what was noted since a savepoint that is rolled back
    """

    def __init__(self, forget: Callable[[list], None]):
        self._forget = forget
        self._noted: list = []
        #: savepoint -> how much was noted when it was made
        self._marks: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._patches = ExitStack()

    def __enter__(self):
        self._patch("__init__", self._made)
        self._patch("rollback", self._rolled_back)
        return self

    def __exit__(self, *exc_info):
        self._patches.close()

    def note(self, item, *, is_lasting=False) -> None:
        """Note something.

        :param is_lasting: it doesn't belong to the transaction, no rollback takes it
        """
        if not is_lasting:
            self._noted.append(item)

    def _patch(self, name, also):
        original = getattr(Savepoint, name)

        def patched(savepoint, *args, **kwargs):
            original(savepoint, *args, **kwargs)
            also(savepoint)

        self._patches.enter_context(mock.patch.object(Savepoint, name, patched))

    def _made(self, savepoint):
        self._marks[savepoint] = len(self._noted)

    def _rolled_back(self, savepoint):
        mark = self._marks.get(savepoint, 0)
        gone, self._noted[mark:] = self._noted[mark:], []
        if gone:
            self._forget(gone)
