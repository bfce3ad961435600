# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Prepare the tables of the community addon.

- Serialized columns were of type text up to 16.0: they become jsonb.
- New columns with a default are added here, where PostgreSQL does so without
  rewriting the table; the ORM would update every row.
- Full indexes, which each change of a state would have to write, are dropped; the
  update makes partial ones where they are needed.
- The trigger which notifies for every row is gone before rows are touched.
"""

from odoo.tools import SQL, sql

SERIALIZED = {
    "queue_job": ("records", "args", "kwargs"),
    "queue_job_function": ("retry_pattern", "related_action"),
}
INDEXED = ("uuid", "graph_uuid", "state", "channel", "company_id")


def migrate(cr, version: str | None) -> None:
    """Prepare the tables before the update.

    :param version: that is installed; none at a fresh installation
    """
    if not version:
        return
    for table, columns in SERIALIZED.items():
        for column in columns:
            _text_to_jsonb(cr, table, column)
    for column in INDEXED:
        for separator in ("_", "__"):  # up to 16.0, and since
            name = SQL.identifier(f"queue_job{separator}{column}_index")
            cr.execute(SQL("DROP INDEX IF EXISTS %s", name))
    cr.execute("DROP INDEX IF EXISTS queue_job_channel_date_done_date_created_index")
    cr.execute("DROP TRIGGER IF EXISTS queue_job_notify ON queue_job")
    cr.execute(
        "ALTER TABLE queue_job ADD COLUMN IF NOT EXISTS claim_token integer DEFAULT 0"
    )


def _text_to_jsonb(cr, table, column):
    existing = sql.table_columns(cr, table).get(column)
    if existing and existing["udt_name"] != "jsonb":
        cr.execute(
            SQL(
                "ALTER TABLE %s ALTER COLUMN %s TYPE jsonb"
                " USING NULLIF(%s::text, '')::jsonb",
                SQL.identifier(table),
                SQL.identifier(column),
                SQL.identifier(column),
            )
        )
