# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The endpoints through which the runner reaches a worker.

- ``POST /queue_job/lease``: a signed lease (:mod:`..claim.lease`), answered with the
  outcome of each job; the normal way
- ``GET /queue_job/runjob?job_uuid=…``: runs one job that is enqueued; the classic way

The class methods of :class:`RunJobController` are the steps of an attempt
(:mod:`..worker.attempt`); other addons override or patch them. Both endpoints go
through them. Failures are logged under the name of this module, one line with the job's
uuid and its traceback.
"""

import logging
import time
from contextlib import contextmanager

from werkzeug.exceptions import BadRequest, Forbidden

from odoo import SUPERUSER_ID, http

from ..claim import lease as lease_protocol
from ..core import tracing
from ..job import ENQUEUED, Job
from ..sessions import transactions
from ..worker import attempt, main_thread
from ..worker.serve import serve
from . import named_database
from .sample_jobs import SampleJobs

_logger = logging.getLogger(__name__)

#: Seconds until the next attempt after a conflict, in the code of other addons.
PG_RETRY = 5

DEPENDS_MAX_TRIES_ON_CONCURRENCY_FAILURE = 5

# The token tells this attempt from one that another worker may begin.
ACQUIRE = """
UPDATE queue_job SET claim_token = coalesce(claim_token, 0) + 1
 WHERE id = (SELECT id FROM queue_job
              WHERE uuid = %s AND state = %s
                FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""

IS_ENQUEUED = "SELECT TRUE FROM queue_job WHERE uuid = %s AND state = %s"

#: Characters; the uuids of callers who choose them are shorter.
LONGEST_UUID = 200


@contextmanager
def _prevent_commit(cr):
    """Forbid commits on a cursor: for job functions that ask for this protection."""

    def forbidden_commit(*args, **kwargs):
        raise RuntimeError(transactions.COMMIT_FORBIDDEN)

    with transactions.replaced(cr, "commit", forbidden_commit):
        yield


def _is_worth_a_line(record) -> bool:
    """Keep leases that went well out of the access log: there are many a second."""
    return f'"POST {lease_protocol.PATH}' not in record.getMessage() or (
        '" 200 ' not in record.getMessage()
    )


logging.getLogger("werkzeug").addFilter(_is_worth_a_line)


def _is_uuid(value) -> bool:
    """Whether a parameter, which may also be a file, is fit for SQL and the log."""
    is_text = isinstance(value, str) and value.isprintable()
    return is_text and 0 < len(value) <= LONGEST_UUID


def _secret(cr) -> str | None:
    """The secret of a database, as it is now."""
    return named_database.value(cr, named_database.PARAMETER, "database.secret")


class RunJobController(SampleJobs, http.Controller):
    """The endpoints of a worker, and the steps of an attempt.

    Other addons override or patch the class methods; the names and parameters stay.
    """

    # -- one job -----------------------------------------------------------------------

    @classmethod
    def _acquire_job(cls, env, job_uuid):
        """Start an enqueued job, and hold its locks.

        :return: the job, or None when it is not there to be run
        """
        env["queue.job"].flush_model()
        env.cr.execute(ACQUIRE, (job_uuid, ENQUEUED))
        if not env.cr.fetchone():
            _logger.warning(
                "was requested to run job %s, but it does not exist, or is not in state"
                " %s, or is being handled by another worker",
                job_uuid,
                ENQUEUED,
            )
            return None
        job = Job.load(env, job_uuid)
        job.set_started()
        job.store()
        env.cr.commit()
        if not job.lock():
            _logger.warning(
                "was requested to run job %s, but it could not be locked", job_uuid
            )
            return None
        return job

    @classmethod
    def _try_perform_job(cls, env, job):
        """Perform the job; its work and ``done`` are one commit."""
        attempt.perform(env, job)

    @classmethod
    def _enqueue_dependent_jobs(cls, env, job):
        """Release the jobs that waited for this one.

        In a lease it is only noted: the lease does it for many jobs at once, outside
        of their transactions.
        """
        if not job.should_check_dependents():
            return
        if job.release_queue is not None:
            job.release_queue.append(job.id)
        else:
            job.enqueue_waiting()

    @classmethod
    def _runjob(cls, env, job):
        """Perform and settle one job.

        :raise Exception: what the job raised, where it failed
        """
        with tracing.attempt(job):
            attempt.run(cls, env, job)

    @classmethod
    def _get_failure_values(cls, job, traceback_txt, exc):
        """exc_info, exc_name and exc_message of a failure."""
        return attempt.failure_values(traceback_txt, exc)

    # -- the endpoints -----------------------------------------------------------------

    @http.route(lease_protocol.CLASSIC_PATH, **named_database.ENDPOINT)
    def runjob(self, job_uuid: str | None = None, **kw) -> str | http.Response:
        """Run one enqueued job.

        :param job_uuid: uuid of the job
        :return: an empty text, also if the job is not there to be run
        :raise BadRequest: there is no uuid
        :raise Exception: what made the job fail
        """
        if not _is_uuid(job_uuid):
            raise BadRequest("job_uuid is missing, or it is none.")
        if not http.request.db:
            return self._runjob_of_named_database(job_uuid)
        http.request.update_env(user=SUPERUSER_ID)
        main_thread.call(attempt.run_enqueued, self, http.request.env, job_uuid)
        return ""

    @classmethod
    def _runjob_of_named_database(cls, job_uuid):
        """Run a job of the database that the request names, if the uuid is right."""

        def is_enqueued(cr):
            return bool(named_database.value(cr, IS_ENQUEUED, job_uuid, ENQUEUED))

        response = named_database.serve(is_enqueued)
        if response is None:
            _logger.warning(
                "was requested to run job %s in database %r, but it does not exist"
                " there, or is not in state %s",
                job_uuid,
                named_database.name(),
                ENQUEUED,
            )
        return "" if response is None else response

    @http.route(
        lease_protocol.PATH,
        methods=["POST"],
        csrf=False,
        max_content_length=lease_protocol.MAX_BODY,
        **named_database.ENDPOINT,
    )
    def lease(self, **kw) -> http.Response:
        """Serve a lease.

        :return: the report, or 403 with the reason
        :raise Forbidden: the request is not signed by the runner of the database
        """
        request = http.request
        try:
            if not request.db:
                return self._lease_of_named_database(request.httprequest)
            request.update_env(user=SUPERUSER_ID)
            env = request.env
            lease = self._open_lease(env, request.httprequest)
            report = main_thread.call(serve, env, lease, self._runjob)
        except lease_protocol.LeaseRefused as refusal:
            return self._refuse_lease(refusal)
        return request.make_json_response(report)

    @classmethod
    def _refuse_lease(cls, refusal):
        """Refuse a lease; only the runner is told why.

        Nobody else is told whether the database exists.
        """
        request = http.request
        _logger.warning(
            "refused a lease request from %s: %s",
            request.httprequest.remote_addr,
            refusal,
        )
        if not refusal.is_signed:
            raise Forbidden() from refusal
        told = {lease_protocol.REFUSAL: str(refusal)}
        return request.make_json_response(told, status=403)

    @classmethod
    def _lease_of_named_database(cls, httprequest):
        def is_signed(cr):
            return bool(cls._check_lease(cr, httprequest, _secret(cr)))

        if not httprequest.headers.get(lease_protocol.SIGNATURE_HEADER):
            raise lease_protocol.LeaseRefused("the request is not signed")
        response = named_database.serve(is_signed)
        if response is None:
            raise lease_protocol.LeaseRefused(
                f"database {named_database.name()!r} does not exist, or is none that"
                " this server serves (db_name, dbfilter)"
            )
        return response

    @classmethod
    def _open_lease(cls, env, httprequest):
        remembered = env["ir.config_parameter"].sudo().get_param("database.secret")
        try:
            return cls._check_lease(env.cr, httprequest, remembered)
        except lease_protocol.LeaseRefused as refusal:
            current = _secret(env.cr)  # a change by SQL doesn't reach the cache
            if refusal.is_signed or current == remembered:
                raise
            return cls._check_lease(env.cr, httprequest, current)

    @staticmethod
    def _check_lease(cr, httprequest, secret):
        return lease_protocol.open_lease(
            lease_protocol.derive_key(secret),
            httprequest.get_data(),
            httprequest.headers.get(lease_protocol.SIGNATURE_HEADER),
            cr.dbname,
            time.time(),
        )
