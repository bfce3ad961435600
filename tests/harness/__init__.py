# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The end-to-end harness: real servers, real databases, real processes.

A test asks for what it needs by fixtures (``fixtures.py``):

``database``      a fresh clone of the template with our addons (``database.py``)
``make_server``   starts Odoo servers, threaded or prefork, stops them in any case
``stack``         Odoo, Python and PostgreSQL; for tests that build their own world

and then talks to it as the world does: RPC (``rpc.py``), SQL, HTTP, signals.
It waits on conditions with a deadline, never for a guessed time. What a server
logged at WARNING or above and no test announced by ``server.expect_log(pattern)``
fails the test. Logs stay in ``build/logs/e2e``. ``odoo.py`` runs Odoo as a command, to
install, update and uninstall addons such as those in ``tests/addons``.
"""
