# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What another process does while a hostile job runs, on a connection that Odoo does
not know of."""

from contextlib import closing

import psycopg2

from odoo import models
from odoo.sql_db import connection_info_for


class TestQueueJobHostileElsewhere(models.AbstractModel):
    _name = "test.queue.job.hostile.elsewhere"
    _description = "What happens elsewhere while a hostile job runs"

    def _do_parameter_set_elsewhere(self, parameter):
        """The next job must see it: the cache was told by a signal."""
        self._work()
        self._elsewhere(
            "UPDATE ir_config_parameter SET value = 'new' WHERE key = %s", parameter
        )
        self._elsewhere("INSERT INTO orm_signaling_stable DEFAULT VALUES")

    def _do_registry_signalled_elsewhere(self, parameter):
        """Another process has installed a module."""
        self._work()
        self._elsewhere(
            "UPDATE ir_config_parameter SET value = 'new' WHERE key = %s", parameter
        )
        self._elsewhere("INSERT INTO orm_signaling_registry DEFAULT VALUES")

    def _do_row_taken_elsewhere(self):
        """Somebody writes the row of the job, by SQL."""
        self._work()
        self._elsewhere(
            "UPDATE queue_job SET priority = 7 WHERE uuid = %s",
            self.env.context["job_uuid"],
        )

    def _elsewhere(self, statement, *parameters):
        _name, dsn = connection_info_for(self.env.cr.dbname)
        with closing(psycopg2.connect(**dsn)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
