# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Carries leases to the workers over HTTP.

Each lease is a POST that stays open until the worker has finished it, so that the
runner knows at once when the lease, or its worker, has ended. Requests run in daemon
threads on one pool of connections; the answer is passed to a callback, in that thread.

What an answer means:

- 200: the worker's report, a JSON document
- no connection: nothing was started (the server is starting, or scheme, host and port
  are wrong); retried after a back-off
- the connection broke: the worker died, or a proxy gave up; the runner scans what the
  lease had claimed
- 403: the request was refused, and the body of a worker says why; 404: the server
  doesn't load ``queue_job`` at start, or something else answers there; other codes: the
  server or a proxy has an error. How they are logged: :mod:`.refusals`
"""

import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from ...claim import lease as lease_protocol
from ...claim.lease import Lease
from ..session.config import RunnerConfig

_logger = logging.getLogger(__name__)

#: Seconds to get a connection. The answer may take as long as a job may.
CONNECT_TIMEOUT = 5

#: The connections to a host that has vanished break after 20 s.
KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
if hasattr(socket, "TCP_KEEPIDLE"):  # not everywhere
    KEEPALIVE += [
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    ]

#: Characters of a reason in the log.
LONGEST_REASON = 300

#: Connections kept for the next lease.
POOL_SIZE = 64


@dataclass(frozen=True)
class Answer:
    """How the request of a lease has ended.

    :param lease: the lease
    :param report: the worker's report, None without one
    :param error: why there is none, for the log
    :param unreachable: no worker took the request
    :param status: HTTP status, 0 without an answer
    :param outcomes: those in the report, one for each job
    """

    lease: Lease
    report: dict | None = None
    error: str = ""
    unreachable: bool = False
    status: int = 0
    outcomes: list = field(default_factory=list)


class _TLSConnection(HTTPSConnection):
    """A connection whose errors show that nothing was sent when TLS fails."""

    def connect(self) -> None:  # pylint: disable=missing-return
        """Connect.

        :raise NewConnectionError: also where TLS fails
        """
        try:
            super().connect()
        except ssl.SSLError as error:
            raise urllib3.exceptions.NewConnectionError(
                self, f"no TLS connection: {error}"
            ) from error


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Dispatcher:
    """Sends leases to one address.

    :param config: where the server listens
    :param target: who listens there, for the log
    :param leases: how many may be under way at once, if more than usual
    """

    def __init__(
        self, config: RunnerConfig, target: str = "the HTTP workers", leases: int = 0
    ):
        self._target = target
        self.url = f"{config.scheme}://{config.host}:{config.port}"
        self._headers = {"Content-Type": "application/octet-stream"}
        if config.http_auth_user:
            credentials = f"{config.http_auth_user}:{config.http_auth_password or ''}"
            self._headers.update(urllib3.make_headers(basic_auth=credentials))
        self._pool = urllib3.PoolManager(
            maxsize=max(POOL_SIZE, leases),
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=None),
            socket_options=[*HTTPConnection.default_socket_options, *KEEPALIVE],
        )
        self._pool.pool_classes_by_scheme = {
            **self._pool.pool_classes_by_scheme,
            "https": _TLSPool,
        }

    def announce(self) -> None:
        """Log where the leases go."""
        _logger.info("leases go to %s at %s", self._target, self.url)

    def send(
        self, lease: Lease, key: bytes, callback: Callable[[Answer], None]
    ) -> None:
        """Send a lease in a thread of its own and return at once.

        :param lease: the lease
        :param key: the signing key of the lease's database
        :param callback: called with the :class:`Answer`, in that thread
        """
        threading.Thread(
            target=self._deliver,
            args=(lease, key, callback),
            name=f"queue_job lease {lease.id}",
            daemon=True,  # a stop of the runner doesn't wait for the jobs
        ).start()

    def close(self) -> None:
        """Close the idle connections; requests that are under way go on."""
        self._pool.clear()

    def _deliver(self, lease, key, callback):
        try:
            answer = self._post(lease, key)
        except Exception as error:  # the callback must be called for every lease
            _logger.exception("%s: lease %s failed", lease.database, lease.id)
            answer = Answer(lease, error=repr(error))
        callback(answer)

    def _post(self, lease: Lease, key: bytes) -> Answer:
        body = lease.encode()
        headers = {
            **self._headers,
            "X-Odoo-Database": lease.database,
            lease_protocol.SIGNATURE_HEADER: lease_protocol.sign(key, body),
        }
        try:
            response = self._pool.request(
                "POST", self.url + lease_protocol.PATH, body=body, headers=headers
            )
        except (
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError,
        ) as error:
            return Answer(lease, error=_first_line(error), unreachable=True)
        except urllib3.exceptions.HTTPError as error:
            return Answer(lease, error=_first_line(error))
        return self._read(lease, response)

    def _read(self, lease, response) -> Answer:
        content = _json_object(response.data)
        if response.status != 200:
            error = f"{self.url} answered {response.status} {response.reason}"
            redirect = response.get_redirect_location()
            reason = content.get(lease_protocol.REFUSAL) or redirect
            error += f": {_first_line(reason)}" if reason else ""
            return Answer(lease, error=error, status=response.status)
        if not isinstance(content.get("outcomes"), list):
            error = f"{self.url} answered 200, but no report"
            return Answer(lease, error=error, status=200)
        return Answer(lease, report=content, status=200, outcomes=content["outcomes"])


def _json_object(data: bytes) -> dict:
    """The JSON object of an answer; empty, if it is something else."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _first_line(reason) -> str:
    """A reason for the log, which others may have written."""
    text = str(reason).strip() or repr(reason)
    return text.splitlines()[0][:LONGEST_REASON]


def classic_get(scheme, host, port, user, password, db_name, job_uuid) -> None:
    """Send the classic request for one job; errors are logged.

    :param scheme: ``http`` or ``https``
    :param host: of the server
    :param port: its port
    :param user: of HTTP basic authentication, None for none
    :param password: of the user
    :param db_name: name of the database
    :param job_uuid: uuid of the enqueued job
    """
    headers = {"X-Odoo-Database": db_name}
    if user:
        headers.update(urllib3.make_headers(basic_auth=f"{user}:{password or ''}"))
    url = f"{scheme}://{host}:{port}{lease_protocol.CLASSIC_PATH}"
    try:
        urllib3.request(
            "GET", url, fields={"job_uuid": job_uuid}, headers=headers, retries=False
        )
    except urllib3.exceptions.HTTPError as error:
        _logger.warning("%s: request for job %s failed: %s", db_name, job_uuid, error)
