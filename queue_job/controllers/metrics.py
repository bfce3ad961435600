# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The doors for monitoring.

- ``GET /queue_job/metrics``: all figures, for Prometheus
- ``GET /queue_job/health``: 200, or 503 with the reasons why jobs do not run

Both ask for the token in the system parameter ``queue_job.metrics_token``, as
``Authorization: Bearer TOKEN`` or ``?token=TOKEN``. Without the parameter they are
closed. Where a server has several databases, the header ``X-Odoo-Database`` names one.
"""

from werkzeug.exceptions import BadRequest, Forbidden
from werkzeug.exceptions import NotImplemented as MissingLibrary

from odoo import SUPERUSER_ID, http
from odoo.tools import consteq

from .. import metrics
from ..health import DANGER
from ..models import queue_job_dashboard_queries as queries

TOKEN_PARAMETER = "queue_job.metrics_token"


class Monitoring(http.Controller):
    @http.route(
        "/queue_job/metrics",
        type="http",
        auth="none",
        methods=["GET"],
        save_session=False,
        readonly=False,
    )
    def metrics(self, token=None, **kwargs):
        env = self._open(token)
        if not metrics.is_available():
            raise MissingLibrary(
                "Install the Python library prometheus_client on this server."
            )
        text, content_type = metrics.exposition_text(env)
        return http.request.make_response(text, [("Content-Type", content_type)])

    @http.route(
        "/queue_job/health",
        type="http",
        auth="none",
        methods=["GET"],
        save_session=False,
        readonly=False,
    )
    def health(self, token=None, **kwargs):
        dashboard = self._open(token)["queue.job.dashboard"]
        problems = dashboard._problems(
            dashboard._rows(queries.WAITING), dashboard._rows(queries.RUNNERS)
        )
        down = any(problem["level"] == DANGER for problem in problems)
        status = "down" if down else "degraded" if problems else "ok"
        answer = {"status": status, "problems": problems}
        return http.request.make_json_response(answer, status=503 if down else 200)

    def _open(self, token):
        """Return the environment for those who know the token."""
        request = http.request
        if not request.db:
            raise BadRequest("Name the database in the header X-Odoo-Database.")
        request.update_env(user=SUPERUSER_ID)
        expected = request.env["ir.config_parameter"].get_param(TOKEN_PARAMETER)
        scheme, _space, credentials = request.httprequest.headers.get(
            "Authorization", ""
        ).partition(" ")
        given = credentials.strip() if scheme.lower() == "bearer" else token
        if not expected or not given or not consteq(given, expected):
            raise Forbidden("This takes the token of queue_job.metrics_token.")
        return request.env
