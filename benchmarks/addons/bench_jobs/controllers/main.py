# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The bare HTTP route: what one request costs before any queue does any work."""

from odoo import http


class BenchController(http.Controller):
    @http.route("/bench_jobs/ping", type="http", auth="none", save_session=False)
    def ping(self):
        return ""
