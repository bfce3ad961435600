# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Sweeps: what was left half done in the tables is put right, a page at each scan."""

import logging

from ...claim.claims import INT_MAX
from ...core import events
from ...keys import admission
from ...storage import dependencies, odd_rows
from ..session.database import Database

_logger = logging.getLogger(__name__)

#: Jobs that wait for their parents and are read by one step of the sweep.
SWEEP_PAGE = 500


class Sweeps:
    """The sweeps of one database, each with the place where it goes on.

    :param database: the runner's session
    """

    def __init__(self, database: Database):
        self.database = database
        self._children_after = 0
        self._odd_before = INT_MAX
        self._key: admission.Key | None = None

    def run(self) -> bool:
        """Sweep the next page of everything.

        :return: whether jobs were admitted, which may start now
        """
        self._release_children()
        self._put_rows_right()
        return self._admit()

    def _release_children(self) -> None:
        """Release the children of parents whose worker died just after their end.

        The trigger notifies the runner of the jobs that are released.
        """
        with self.database.cursor() as cursor:
            released, self._children_after = dependencies.repair_releases(
                cursor, self._children_after, SWEEP_PAGE
            )
        if released:
            _logger.info(
                "%s: %s jobs released whose parents had ended",
                self.database.db_name,
                len(released),
            )

    def _put_rows_right(self) -> None:
        """Put right the values that Python cannot work with."""
        page = {"before": self._odd_before}
        first = self.database.value(odd_rows.FIRST_OF_PAGE, page)
        self._odd_before = INT_MAX if first is None else first
        rows = []
        if first is not None:
            rows = self.database.rows(odd_rows.PUT_RIGHT, {**page, "first": first})
        for row in rows:
            _logger.warning(
                "%s: job %s %s: odd value in its row: %s",
                self.database.db_name,
                row["uuid"],
                "failed" if row["fails"] else "put right",
                row["found"],
            )
        failed = [row["id"] for row in rows if row["fails"]]
        if failed:
            with self.database.cursor() as cursor:
                events.tell_ids(cursor, events.FAILED, failed, self.database.db_name)

    def _admit(self) -> bool:
        """Admit jobs that are blocked although their key has room."""
        with self.database.cursor() as cursor:
            opened, self._key = admission.sweep(cursor, self._key)
        if opened:
            _logger.info(
                "%s: %s jobs admitted that their key had blocked without a reason",
                self.database.db_name,
                len(opened),
            )
        return bool(opened)
