# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs made by plain SQL, for databases that no request reaches."""

from __future__ import annotations

import json
from typing import Any

from .database import Database
from .rpc import PROBE

INSERT = """
INSERT INTO queue_job (uuid, user_id, company_id, name, model_name, method_name,
                       channel_method_name, func_string, records, args, kwargs, state,
                       eta, scheduled, priority, max_retries, retry, channel,
                       date_created)
SELECT gen_random_uuid()::text, 1, 1, 'probe', %(model)s, %(method)s,
       format('<%%s>.%%s', %(model)s, %(method)s), '', %(records)s, %(args)s, '{}',
       %(state)s,
       now() AT TIME ZONE 'UTC' + %(delay)s * interval '1 second',
       %(delay)s IS NOT NULL,
       10, 5, 0, 'root', now() AT TIME ZONE 'UTC'
  FROM generate_series(1, %(count)s)
RETURNING uuid
"""


def insert(
    database: Database,
    count: int,
    method: str = "record_run",
    *args: Any,
    state: str = "pending",
    delay: float | None = None,
) -> list[str]:
    """Insert jobs of the probe.

    :param delay: seconds until they are due, None for at once
    :return: their uuids
    """
    records = {"_type": "odoo_recordset", "model": PROBE, "ids": [], "uid": 1}
    values = {
        "model": PROBE,
        "method": method,
        "records": json.dumps({**records, "su": False}),
        "args": json.dumps(args or ["inserted"]),
        "state": state,
        "delay": delay,
        "count": count,
    }
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(INSERT, values)
        return [uuid for (uuid,) in cursor.fetchall()]
