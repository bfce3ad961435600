# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Uninstalled, the addon leaves nothing in the database."""

from tests.harness.odoo import Odoo

UNINSTALL = """
addon = env["ir.module.module"].search([("name", "=", "queue_job")])
addon.button_immediate_uninstall()
"""

LEFT = """
SELECT relname FROM pg_class WHERE relname ~ 'queue_(requeue_)?job'
 UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'queue_job%'
 UNION ALL SELECT key FROM ir_config_parameter WHERE key LIKE 'queue_job%'
 UNION ALL SELECT model FROM ir_model WHERE model LIKE 'queue.%'
 UNION ALL SELECT name FROM ir_model_data WHERE module = 'queue_job'
 UNION ALL SELECT res_model FROM mail_followers WHERE res_model LIKE 'queue.%'
"""


def test_nothing_is_left(stack, database, log_directory):
    database.rows(
        "INSERT INTO ir_config_parameter (key, value)"
        " VALUES ('queue_job.database_uuid', 'some')"
    )
    assert database.column(LEFT)
    # Odoo refuses to uninstall what it was told to load at its start
    odoo = Odoo(stack, database.name, log_directory, addons=(), load="base,web")
    odoo.shell(UNINSTALL)
    assert database.column(LEFT) == []
