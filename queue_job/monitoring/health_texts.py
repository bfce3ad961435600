# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the health banner says: for each problem the reason and the remedy."""

from odoo.tools.translate import LazyTranslate

# a table of the module has no environment yet
# pylint: disable=prefer-env-translation
_lt = LazyTranslate(__name__)

#: code of a problem of :mod:`..health` -> sentence, with the values of the problem.
TEXTS = {
    "config_error": _lt(
        "No job runs: the configuration of the job runner is wrong"
        " (%(error)s). Correct it and restart the server."
    ),
    "disabled": _lt(
        "No job runs: the configuration sets the capacity of channel root to"
        " 0. Give it a capacity and restart the server."
    ),
    "not_server_wide": _lt(
        "No job runs: this server does not load queue_job at its start. Add"
        " it to server_wide_modules (--load=base,web,queue_job) and restart"
        " the server."
    ),
    "no_runner": _lt(
        "No job runs: no job runner has ever reported from this database."
        " Start a server which loads queue_job, and look for"
        ' "queue job runner ready" in its log.'
    ),
    "runner_lost": _lt(
        "No job runs: the job runner gave its last sign %(seconds)s seconds"
        " ago. Start the Odoo server again, or look into its log."
    ),
    "copy": _lt(
        "No job runs: this database is a copy of another one. To run its"
        " jobs, delete the system parameter queue_job.database_uuid."
    ),
    "secret": _lt(
        "No job runs: the system parameter database.secret is missing, without which"
        " the job runner can't prove who it is. Create it, with a long random value."
    ),
    "unreachable": _lt(
        "No job runs: the job runner can't reach the workers (%(reason)s). Correct host"
        " and port in section [queue_job], or start the server there."
    ),
    "refused": _lt(
        "No job runs: the workers refuse the job runner's requests (%(reason)s). The"
        " server there must serve this database (db_name, dbfilter) from the same"
        " PostgreSQL server, the clocks must agree, and no proxy may refuse."
    ),
    "password": _lt(
        "No job runs: a proxy wants a password of the job runner (%(reason)s). Correct"
        " http_auth_user and http_auth_password in section [queue_job]."
    ),
    "redirected": _lt(
        "No job runs: the job runner's requests are redirected (%(reason)s). Correct"
        " scheme, host and port in section [queue_job]."
    ),
    "missing": _lt(
        "No job runs: the server that the job runner reaches knows no jobs"
        " (%(reason)s). Add queue_job to its server_wide_modules"
        " (--load=base,web,queue_job), or correct host and port in section [queue_job]."
    ),
    "error": _lt(
        "No job runs: the server that the job runner reaches answers with errors"
        " (%(reason)s). Look into its log."
    ),
    "broken": _lt(
        "The connections to the workers break again and again (%(reason)s). Look for"
        " workers that end in the server's log, and at the time limits of proxies."
    ),
    "drained": _lt(
        "No job starts: the database was drained for an update. When that is over, run"
        " odoo-bin queue_job drain --resume, or delete the system parameter"
        " queue_job.drained."
    ),
    "modules": _lt(
        "Jobs wait until the installation or update of modules is over. If"
        " none is going on, cancel it in Apps."
    ),
    "paused": _lt(
        "No job starts: channel root is paused. Press Resume in the list of channels."
    ),
    "channels_paused": _lt(
        "Jobs wait in paused channels (%(channels)s). Press Resume in the"
        " list of channels."
    ),
    "no_trigger": _lt(
        "Jobs start late: the trigger queue_job_notify is missing. Update the"
        " module (-u queue_job) to create it again."
    ),
    "deaf": _lt(
        "Jobs start late: notifications of the database do not reach the job"
        " runner. Give it a direct connection (jobrunner_db_host)."
    ),
    "few_workers": _lt(
        "Jobs may occupy all HTTP workers: the capacity is %(capacity)s, the"
        " server has %(workers)s workers. Raise workers, or lower the"
        " capacity of channel root."
    ),
    "few_job_workers": _lt(
        "Jobs wait for a worker although they may run: the capacity is %(capacity)s,"
        " the server has %(workers)s job workers. Raise workers in section"
        " [queue_job], or lower the capacity of channel root."
    ),
    "long_wait": _lt(
        "Jobs of channel %(channel)s have been waiting for %(minutes)s"
        " minutes. Raise its capacity, or see what occupies it."
    ),
}
