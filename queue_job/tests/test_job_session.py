# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is left in a session that goes back to Odoo's pool."""

from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged

from ..sessions.job_session import JobSession, leave_session

LEASE = 1_000_000_008


@tagged("post_install", "-at_install")
class TestJobSession(BaseCase):
    def setUp(self):
        super().setUp()
        self.session = JobSession(Registry(get_db_name()), LEASE)
        self.addCleanup(self.session.close)

    def test_a_limit_of_the_job_is_lifted_before_the_pool_resets_the_session(self):
        """Else it may be reported at the first statement of the next user."""
        cr = self.session.open()
        connection = cr._cnx
        cr.execute("SET statement_timeout = '5s'")
        cr.commit()
        leave_session(cr)
        with connection.cursor() as plain:
            plain.execute("SHOW statement_timeout")
            self.assertEqual(plain.fetchone(), ("0",))
        connection.rollback()
