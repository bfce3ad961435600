# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The kinds of failures: what a manager opens in the morning and closes empty.

Failed jobs are of one kind if function, exception and wording are the same
(`core/fingerprints`). The settlement writes the fingerprint beside the failure, so that
it costs no statement. A kind has one row for each company whose jobs failed so: its
figures, its state and who gave it that are those of the company.

Nothing runs for the kinds all the time: `_refresh` brings all of them up to date by
three statements, whenever somebody looks at them and before each digest. What users do
with a kind is in `queue_job_failure_kind_actions`.
"""

import logging

from psycopg2.errors import DeadlockDetected, SerializationFailure, UniqueViolation

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools.misc import file_open

from ..core import failure_kinds, fingerprints
from ..core.states import FAILED, FINAL
from ..monitoring import kind_queries as queries
from ..monitoring import module_versions
from .queue_job_function import regex_job_function_name
from .queue_job_journal import KEEP_DAYS

_logger = logging.getLogger(__name__)

#: Jobs that one look sorts at most, of those that failed without a fingerprint, and
#: the clean-up at once.
SORTED = 1000
SORTED_BY_CRON = 5000

STATES = [
    (failure_kinds.OPEN, "Open"),
    (failure_kinds.ACKNOWLEDGED, "Acknowledged"),
    (failure_kinds.IGNORED, "Ignored"),
    (failure_kinds.SOLVED, "Solved"),
]
CAME_BACK = [
    (failure_kinds.AFTER_SOLVED, "A job failed so after it was solved"),
    (failure_kinds.OTHER_VERSION, "A job failed so in another version of the module"),
    (failure_kinds.MORE_OFTEN, "More jobs failed so than before it was ignored"),
    (failure_kinds.AFTER_PAUSE, "A job failed so after a week without one"),
]
TRENDS = [
    (failure_kinds.RISING, "Rising"),
    (failure_kinds.STEADY, "Steady"),
    (failure_kinds.FALLING, "Falling"),
]


class QueueJobFailureKind(models.Model):
    _name = "queue.job.failure.kind"
    _description = "Kind of Failure"
    _log_access = False
    _order = "last_seen DESC, id DESC"

    fingerprint = fields.Char(readonly=True, required=True)
    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade")
    function = fields.Char(string="Job Function", readonly=True)
    exc_name = fields.Char(string="Exception", readonly=True)
    wording = fields.Char(
        string="Message",
        readonly=True,
        help="Without what differs from job to job: numbers, names in quotation marks, "
        "dates, addresses.",
    )
    module = fields.Char(readonly=True, help="The module of the job function.")
    state = fields.Selection(STATES, readonly=True, required=True, default="open")
    state_date = fields.Datetime(string="Since", readonly=True)
    user_id = fields.Many2one(
        "res.users",
        string="By",
        readonly=True,
        ondelete="set null",
        help="Who acknowledged or ignored it, or called it solved.",
    )
    came_back = fields.Selection(CAME_BACK, readonly=True)
    ignored_count = fields.Integer(readonly=True)  # of the day before it was ignored
    first_seen = fields.Datetime(readonly=True)
    last_seen = fields.Datetime(readonly=True)
    job_count = fields.Integer(
        string="Failed Jobs", readonly=True, help="Jobs that are failed now."
    )
    day_count = fields.Integer(
        string="24 Hours",
        readonly=True,
        help="Those of them that failed in the last 24 hours.",
    )
    day_before_count = fields.Integer(
        string="24 Hours Before",
        readonly=True,
        help="Those of them that failed in the 24 hours before.",
    )
    trend = fields.Selection(TRENDS, compute="_compute_trend")
    is_new = fields.Boolean(
        string="New",
        compute="_compute_is_new",
        search="_search_is_new",
        help="Seen for the first time since the versions of the modules changed.",
    )

    news = fields.Selection(
        [("new", "New"), ("came_back", "Came back")], compute="_compute_is_new"
    )

    _fingerprint_uniq = models.UniqueIndex("(fingerprint, COALESCE(company_id, 0))")

    def init(self) -> None:
        """Create the table of the versions of modules."""
        with file_open("queue_job/sql/module_versions.sql") as script:
            self.env.cr.execute(script.read())

    def _register_hook(self) -> None:
        """Note the versions of modules after some were installed or updated."""
        super()._register_hook()
        if self.pool.updated_modules and not self.pool.ready:
            module_versions.note(self.env.cr)

    @api.depends("function", "exc_name")
    def _compute_display_name(self):
        for kind in self:
            name = (kind.exc_name or "").rpartition(".")[2]
            kind.display_name = " · ".join(filter(None, [name, kind.function])) or "?"

    @api.depends("day_count", "day_before_count")
    def _compute_trend(self):
        for kind in self:
            kind.trend = failure_kinds.trend(kind.day_count, kind.day_before_count)

    @api.depends("first_seen", "came_back", "state")
    def _compute_is_new(self):
        changed = self._last_change()
        for kind in self:
            kind.is_new = bool(changed and kind.first_seen >= changed)
            kind.news = "new" if kind.is_new else False
            if kind.came_back and kind.state == failure_kinds.OPEN:
                kind.news = "came_back"

    def _search_is_new(self, operator, value):
        if operator != "in":
            return NotImplemented
        changed = self._last_change()
        new = Domain("first_seen", ">=", changed) if changed else Domain.FALSE
        return Domain.OR(new if wanted else ~new for wanted in value)

    # -- reading: what is shown is of now ------------------------------------------

    @api.model
    def web_search_read(self, domain, specification, *args, **kwargs) -> dict:
        """Return the kinds that match, counted anew."""
        self._look()
        return super().web_search_read(domain, specification, *args, **kwargs)

    @api.model
    def web_read_group(self, domain, groupby, *args, **kwargs) -> dict:
        """Return groups of kinds, counted anew."""
        self._look()
        return super().web_read_group(domain, groupby, *args, **kwargs)

    def web_read(self, specification) -> list[dict]:
        """Return what a form shows of kinds, counted anew."""
        if len(self) == 1:  # not once more for each page of the list
            self._look()
        return super().web_read(specification)

    for _method in (web_search_read, web_read_group, web_read):
        _method._readonly = False  # Odoo would call them where nothing can be written
    del _method

    def _look(self):
        self.check_access("read")
        self._refresh()

    # -- counting ------------------------------------------------------------------

    @api.model
    def _refresh(self):
        """Bring all kinds up to date, those of all companies, unless another does."""
        self.env["queue.job"].flush_model()
        self.flush_model()
        try:
            with self.env.cr.savepoint(flush=False):
                self.env.cr.execute(queries.TRY_LOCK)
                if self.env.cr.fetchone()[0]:
                    self._sort(SORTED)
                    module_versions.note(self.env.cr)
                    self._add_new()
                    self._count()
        except (DeadlockDetected, SerializationFailure, UniqueViolation):
            # whoever was faster has done the same; a look at the kinds is no reason
            # to undo what this transaction has done before
            _logger.debug("the kinds of failures were counted by another transaction")
        self.invalidate_model()

    @api.model
    def _run(self, query, **params):
        # a conflict is no error here, see above
        self.env.cr.execute(query, params, log_exceptions=False)

    @api.model
    def _sort(self, limit):
        """Find out the kind of jobs that failed without saying it; return how many."""
        self._run(queries.UNSORTED, limit=limit, longest=fingerprints.LOOKED_AT)
        kinds = {
            job_id: fingerprints.fingerprint(function, exc_name, message)
            for job_id, function, exc_name, message in self.env.cr.fetchall()
        }
        if kinds:
            self._run(queries.SORT, ids=list(kinds), kinds=list(kinds.values()))
            self.env["queue.job"].browse(kinds).invalidate_recordset(flush=False)
        return len(kinds)

    @api.model
    def _add_new(self):
        now = fields.Datetime.now()
        self._run(queries.NEW, now=now, longest=fingerprints.LOOKED_AT)
        for row in self.env.cr.dictfetchall():
            message = row.pop("message")
            self._run(
                queries.ADD,
                **row,
                wording=fingerprints.wording(message),
                module=self._module_of(row["function"]),
            )

    @api.model
    def _count(self):
        now = fields.Datetime.now()
        self._run(queries.COUNT, now=now)
        for row in self.env.cr.dictfetchall():
            if row["state"] not in (failure_kinds.IGNORED, failure_kinds.SOLVED):
                continue
            reason = failure_kinds.comes_back(
                row["state"],
                row["state_date"],
                failure_kinds.Seen(row["before"], row["last"], row["day"]),
                row["ignored_count"] or 0,
                self._last_change(row["module"]) if row["module"] else None,
            )
            if reason:
                self._run(queries.REOPEN, id=row["id"], now=now, reason=reason)

    @api.model
    def _last_change(self, module=None):
        """Return when the version of a module changed last, None if it never did.

        :param module: its name; None for any
        """
        self.env.cr.execute(queries.LAST_CHANGE, {"module": module})
        return self.env.cr.fetchone()[0]

    @api.model
    def _module_of(self, function):
        """Return the module that defines the method of a job function, if it is there.

        :param function: its name, as in `<res.partner>.write`
        """
        match = regex_job_function_name.match(function or "")
        model = match and self.env.registry.get(match[1])
        if not model:
            return None
        modules = module_versions.defining(model, match[2])
        return modules[0] if modules else model._original_module

    @api.autovacuum
    def _gc_kinds(self, limit=SORTED_BY_CRON):
        """Sort what is left of the jobs; delete the kinds that nobody sees any more.

        A kind without failed jobs is kept as long as the journal. What it was set to is
        forgotten with it.
        """
        done = self._sort(limit)
        self._refresh()
        days = max(KEEP_DAYS, *self._kept_days())
        before = fields.Datetime.subtract(fields.Datetime.now(), days=days)
        self.search([("job_count", "=", 0), ("last_seen", "<", before)]).unlink()
        return done, done == limit

    @api.model
    def _kept_days(self):
        ((done, failed),) = self.env["queue.job.channel"]._read_group(
            [], aggregates=["removal_interval:max", "failed_removal_interval:max"]
        )
        return done or 0, failed or 0


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    failed_at = fields.Datetime(string="Failed On", readonly=True, copy=False)
    failure_kind = fields.Char(
        string="Kind of Failure",
        readonly=True,
        copy=False,
        help="The same for all jobs of a function that fail with the same exception "
        "and wording.",
    )

    # The failed jobs of a kind, the latest of them, and those that are not sorted yet.
    _failed_kind_idx = models.Index(
        "(failure_kind, company_id, failed_at) WHERE state = 'failed'"
    )

    def action_open_failure_kind(self) -> dict:
        """Return the action that opens the kind of the job's failure.

        :raise AccessError: the user may not read the job
        """
        self.ensure_one()
        self.check_access("read")
        kinds = self.env["queue.job.failure.kind"]
        if not self.failure_kind:  # it failed by SQL, or before an upgrade
            kinds._refresh()
        return kinds.open_kind(self.failure_kind)

    def _split_by_schedule(self, vals):
        """A new state says something of the failure: that there is one, or none now.

        What is set to done or cancelled keeps it, for that may be undone.
        """
        state = vals.get("state")
        if state == FAILED and vals.keys() & {"exc_name", "exc_message"}:
            vals = {"failed_at": fields.Datetime.now(), "failure_kind": False, **vals}
        elif state and state not in FINAL:
            vals = {"failed_at": False, "failure_kind": False, **vals}
        return super()._split_by_schedule(vals)
