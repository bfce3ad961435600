# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The project's own set-up: from a fresh machine to a running Odoo 19.

``make`` calls ``python3 -m setup COMMAND``. The work has two stages:

1. ``console``, ``cache``, ``python_env``, ``debian``, ``odoo_source`` need the
   standard library alone. They find or fetch Odoo 19 and make the virtual
   environment, in which the program then starts itself again.
2. ``postgres``, ``database``, ``odoo_server``, ``stack`` start what is needed;
   ``demo``, ``run_tests``, ``lint`` and ``browser`` use it.

Everything fetched or built lives in one cache directory outside the repository
(``QUEUE_JOB_CACHE``, else ``~/.cache/odoo-job-queue``); everything a run leaves
for a reader (logs, reports) lives in ``build/``. A second start finds both and
takes seconds. What goes wrong is one line on the terminal and an exit code.
"""
