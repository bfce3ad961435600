# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether the jobs of a database may run here: it is no copy, and has a secret."""

import logging
import secrets

from ...claim import lease as lease_protocol
from . import queries
from .database import Database

_logger = logging.getLogger(__name__)

#: Signs leases that no worker takes, where the database has no secret.
NO_KEY = secrets.token_bytes(32)


class DatabaseIdentity:
    """What a database says about itself, which may change while it is led.

    :param database: the runner's session
    """

    def __init__(self, database: Database):
        self.database = database
        self.is_copy = False
        self.has_secret = True

    @property
    def obstacle(self) -> str:
        """Why its jobs may not run, ``copy`` or ``secret``; empty if they may."""
        if self.is_copy:
            return "copy"
        return "" if self.has_secret else "secret"

    def confirm(self) -> bytes:
        """Read the identity at the beginning of a leadership; warn about a copy.

        A database that has no identity yet is given one.

        :return: the key that signs its leases
        """
        parameters = self._parameters()
        key = self._read(parameters)
        current = parameters.get("database.uuid")
        if not parameters.get("queue_job.database_uuid") and current:
            self.database.execute(queries.REMEMBER_UUID, (current,))
        if self.is_copy:
            _logger.warning(
                "%s: this database is a copy of another one, its jobs do not run; to"
                " run them, delete the system parameter queue_job.database_uuid",
                self.database.db_name,
            )
        return key

    def refresh(self) -> bytes:
        """Read the identity again.

        :return: the key that signs its leases
        """
        return self._read(self._parameters())

    def _parameters(self) -> dict[str, str]:
        rows = self.database.rows(queries.PARAMETERS)
        return {row["key"]: row["value"] for row in rows}

    def _read(self, parameters) -> bytes:
        known = parameters.get("queue_job.database_uuid")
        self.is_copy = bool(known) and known != parameters.get("database.uuid")
        key = lease_protocol.derive_key(parameters.get("database.secret"))
        if key is None and self.has_secret:
            _logger.warning(
                "%s: the system parameter database.secret is missing, its jobs do not"
                " run: nobody could tell a lease from a forged one; create it, with a"
                " long random value",
                self.database.db_name,
            )
        self.has_secret = key is not None
        return key or NO_KEY
