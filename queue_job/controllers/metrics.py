# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The doors for monitoring.

- ``GET /queue_job/metrics``: all figures, for Prometheus
- ``GET /queue_job/health``: 200, or 503 with the reasons why jobs do not run

Both ask for the token in the system parameter ``queue_job.metrics_token``, as
``Authorization: Bearer TOKEN`` or ``?token=TOKEN``. Without the parameter they are
closed. Where a server has several databases, the header ``X-Odoo-Database`` names one,
whatever ``dbfilter`` shows to the host of the request.
"""

from werkzeug.exceptions import BadRequest, Forbidden
from werkzeug.exceptions import NotImplemented as MissingLibrary

from odoo import SUPERUSER_ID, http

from ..claim.lease import equal
from ..monitoring import dashboard_queries as queries
from ..monitoring import metrics
from ..monitoring.health import DANGER
from . import named_database

TOKEN_PARAMETER = "queue_job.metrics_token"


class Monitoring(http.Controller):
    @http.route("/queue_job/metrics", methods=["GET"], **named_database.ENDPOINT)
    def metrics(self, token=None, **kwargs) -> http.Response:
        """Answer with all figures in the text format of Prometheus.

        :param token: where it doesn't come in the header
        :raise Forbidden: the token is wrong
        :raise BadRequest: no database is chosen
        :raise MissingLibrary: the server has no `prometheus_client`
        """
        return self._open(token, self._metrics)

    @staticmethod
    def _metrics(env):
        if not metrics.is_available():
            raise MissingLibrary(
                "Install the Python library prometheus_client on this server."
            )
        text, content_type = metrics.exposition_text(env)
        return http.request.make_response(text, [("Content-Type", content_type)])

    @http.route("/queue_job/health", methods=["GET"], **named_database.ENDPOINT)
    def health(self, token=None, **kwargs) -> http.Response:
        """Answer with the problems as JSON: 200, or 503 while jobs don't run.

        :param token: where it doesn't come in the header
        :raise Forbidden: the token is wrong
        :raise BadRequest: no database is chosen
        """
        return self._open(token, self._health)

    @staticmethod
    def _health(env):
        dashboard = env["queue.job.dashboard"]
        problems = dashboard._problems(
            dashboard._all_waiting(), dashboard._rows(queries.RUNNERS)
        )
        down = any(problem["level"] == DANGER for problem in problems)
        status = "down" if down else "degraded" if problems else "ok"
        answer = {"status": status, "problems": problems}
        return http.request.make_json_response(answer, status=503 if down else 200)

    @classmethod
    def _open(cls, token, answer):
        """Return what ``answer`` makes of the environment, to those who know the token.

        :raise Forbidden: the token is wrong; or there is no such database, which is
            for nobody to know
        """
        request = http.request
        given = cls._given(token)
        if request.db:
            request.update_env(user=SUPERUSER_ID)
            parameters = request.env["ir.config_parameter"]
            if _is_right(given, parameters.get_param(TOKEN_PARAMETER)):
                return answer(request.env)
        elif not named_database.name():
            raise BadRequest("Name the database in the header X-Odoo-Database.")
        elif given:
            response = named_database.serve(
                lambda cr: _is_right(
                    given,
                    named_database.value(cr, named_database.PARAMETER, TOKEN_PARAMETER),
                )
            )
            if response is not None:
                return response
        raise Forbidden("This takes the token of queue_job.metrics_token.")

    @staticmethod
    def _given(token) -> str | None:
        """The token of the request; the parameter may also be a file."""
        header = http.request.httprequest.headers.get("Authorization", "")
        scheme, _space, credentials = header.partition(" ")
        if scheme.lower() == "bearer":
            # headers come as Latin-1, whatever they are
            token = credentials.strip().encode("latin-1", "replace")
            token = token.decode("utf-8", "replace")
        return token if isinstance(token, str) else None


def _is_right(given: str | None, expected: str | None) -> bool:
    return bool(given and expected) and equal(expected, given)
