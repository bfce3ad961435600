# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What PostgreSQL counts of its statements (pg_stat_statements)."""

from __future__ import annotations

import pytest

from .database import Database

# Each row is a lease: the claims of the runner.
LEASES = """
SELECT coalesce(sum(rows), 0)::int FROM pg_stat_statements s
  JOIN pg_database d ON d.oid = s.dbid
 WHERE d.datname = current_database() AND query LIKE '%WITH wanted AS (%'
   AND query NOT LIKE '%pg_stat_statements%'
"""


def need_counts(database: Database) -> None:
    """Skip the test where PostgreSQL does not count statements."""
    if "pg_stat_statements" not in database.value("SHOW shared_preload_libraries"):
        pytest.skip("PostgreSQL doesn't count statements (pg_stat_statements)")
    database.rows("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def leases(database: Database) -> int:
    """How many leases the runner has granted until now."""
    return database.value(LEASES)
