# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The addons beside Odoo's own apps: sale, stock, account, project, website.

Installing those takes minutes, so this is a test for the night, not for every change:

    make chaos ARGS="--full -k other_apps"
"""

import pytest

from tests.harness.fixtures import database_maker
from tests.harness.odoo import Odoo

APPS = "sale,stock,account,project,website"
INSTALLED = "SELECT count(*) FROM ir_module_module WHERE name = ANY(%s) AND state = %s"
OURS = "queue_job,queue_job_cron,test_queue_job"

pytestmark = pytest.mark.long


def test_installation_logs_no_warning(stack, tmp_path):
    """Neither do updates; what the apps say about themselves is theirs."""
    with database_maker(stack) as make:
        database = make(stack.templates.base())
        odoo = Odoo(stack, database.name, tmp_path)
        odoo.run("-i", APPS, "--without-demo=1", expected=[".*"])
        assert database.value(INSTALLED, APPS.split(","), "installed") == 5
        odoo.run("-i", OURS)
        odoo.run("-u", "queue_job")
        answer = odoo.shell("answer = env['queue.job'].with_delay()._test_job().state")
        assert answer == "pending"
