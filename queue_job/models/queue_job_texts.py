# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Long texts of jobs: an excerpt where a view reads them, all of it on demand.

A message, a traceback and a result have up to 100 kB each, and what SQL or an earlier
version has written may be longer. The form asks for excerpts by a context key, lists
show no more anyway; whoever reads otherwise gets all. What was left out is named in
`long_texts`, and `read_text` returns it to managers.
"""

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..core import texts
from ..monitoring.advice_texts import TEXTS
from ..monitoring.failure_advice import advice
from .queue_job_failure_policy import WATCHER_GROUP

#: Context key of those who read excerpts.
EXCERPTS = "queue_job_excerpts"

#: Characters of an excerpt: a message of a few lines, a traceback of some 30 frames.
LENGTHS = {
    "exc_message": 1_000,
    "exc_info": 6_000,
    "result": 1_000,
    "func_string": 500,
}

#: The same of an attempt.
ATTEMPT_LENGTHS = {"message": 300}

#: Of a text that somebody wants to see whole: more does no browser good.
LONGEST = 1_000_000


def with_excerpts(rows: list[dict], lengths: dict[str, int]) -> list[dict]:
    """Return the rows of a read with long texts cut to their two ends.

    :param rows: of `read` or `web_read`
    :param lengths: {field: characters}
    """
    return [
        {
            name: texts.cut(value, lengths[name])
            if name in lengths and isinstance(value, str)
            else value
            for name, value in row.items()
        }
        for row in rows
    ]


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    long_texts = fields.Json(
        compute="_compute_long_texts",
        help="{field: its characters} of the texts that are longer than an excerpt.",
    )
    failure_advice = fields.Text(
        string="What to do first",
        compute="_compute_failure_advice",
        help="What helps against an exception of this kind, as a rule.",
    )

    @api.depends(*LENGTHS)
    def _compute_long_texts(self):
        for job in self:
            lengths = {name: len(job[name] or "") for name in LENGTHS}
            job.long_texts = {
                name: length
                for name, length in lengths.items()
                if length > LENGTHS[name]
            }

    @api.depends("state", "exc_name", "exc_message")
    @api.depends_context("lang")
    def _compute_failure_advice(self):
        for job in self:
            code = advice(job.exc_name or "", job.exc_message or "")
            text = self.env._(TEXTS[code])
            job.failure_advice = text if job.state == "failed" else False

    def web_read(self, specification) -> list[dict]:
        """Read jobs for a view, with excerpts of long texts if the view asks so.

        :param specification: the fields, as the web client names them
        :raise AccessError: the user may not read the jobs
        """
        rows = super().web_read(specification)
        return with_excerpts(rows, LENGTHS) if self._wants_excerpts() else rows

    @api.model
    @api.readonly
    def web_search_read(self, domain, specification, *args, **options) -> dict:
        """Read the rows of a list, always with excerpts: it has a line for each.

        :param domain: of the jobs
        :param specification: the fields, as the web client names them
        :param args: offset, limit, order and count_limit
        :param options: the same by their names
        :raise AccessError: the user may not read jobs
        """
        excerpts = self.with_context(**{EXCERPTS: True})
        return super(QueueJob, excerpts).web_search_read(
            domain, specification, *args, **options
        )

    def _wants_excerpts(self):
        return bool(self.env.context.get(EXCERPTS))

    @api.readonly
    def read_text(self, text_name) -> str:
        """Return a long text of a job, whole.

        :param text_name: of the field, one of `LENGTHS`
        :raise AccessError: the user may not read the job, or is no manager
        :raise UserError: there is no such text
        """
        self.ensure_one()
        self._check_may_look_inside()
        if not isinstance(text_name, str) or text_name not in LENGTHS:
            raise UserError(self.env._("A job has no long text %s.", text_name))
        return texts.cut(self[text_name] or "", LONGEST)

    def _check_may_look_inside(self):
        """Arguments and tracebacks may hold anything: not everybody sees them.

        :raise AccessError: the user may not read the job, or is no manager or watcher
        """
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group(WATCHER_GROUP):
            raise AccessError(
                self.env._(
                    "Only job queue managers and watchers see arguments, results and"
                    " tracebacks."
                )
            )


# pylint: disable=consider-merging-classes-inherited
class QueueJobAttempt(models.Model):
    _inherit = "queue.job.attempt"

    def web_read(self, specification) -> list[dict]:
        """Read attempts for a view, with excerpts of messages if the view asks so.

        :param specification: the fields, as the web client names them
        :raise AccessError: the user may not read them
        """
        rows = super().web_read(specification)
        wanted = self.env.context.get(EXCERPTS)
        return with_excerpts(rows, ATTEMPT_LENGTHS) if wanted else rows
