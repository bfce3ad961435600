# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A contacts import in the background: the example to copy.

``start`` cuts a CSV text into chunks and delays one job per chunk. The chunks run in
parallel, each in a transaction of its own: a bad row takes its own chunk back and
nothing else. One more job runs after the others and reports the totals.

What it shows: a graph of jobs (``group`` and ``on_end``: the totals come whether or not
a chunk fails), options of a job, a temporary fault that is retried
(``RetryableJobError``), an error that a user can read.

``make run`` imports 2,000 contacts with it.
"""

import csv
import io

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.queue_job.delay import group
from odoo.addons.queue_job.exception import RetryableJobError

COLUMNS = ("name", "email", "phone", "street", "zip", "city", "country_code")
BUSY_DOMAIN = "@busy.example"  # stands for an outside service that does not answer


class TestContactImport(models.Model):
    _name = "test.contact.import"
    _description = "Contacts Import"

    name = fields.Char(required=True)
    state = fields.Selection(
        [("running", "Running"), ("reported", "Reported")], default="running"
    )
    row_count = fields.Integer(readonly=True)
    created_count = fields.Integer(readonly=True)

    @api.model
    def start(self, name, text, chunk_size=100) -> int:
        """Delay the import of the CSV ``text``; return the id of the new import."""
        rows = self._parse(text)
        record = self.create({"name": name, "row_count": len(rows)})
        record._delay_chunks(rows, chunk_size)
        return record.id

    @api.model
    def _parse(self, text):
        """The rows with their number in the file, as it is in a spreadsheet."""
        reader = csv.DictReader(io.StringIO(text))
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise UserError(
                self.env._("The file has no column %s", ", ".join(sorted(missing)))
            )
        return [dict(row, number=number) for number, row in enumerate(reader, start=2)]

    def _delay_chunks(self, rows, chunk_size):
        """One job per chunk, all in parallel, and the totals when they have ended."""
        chunks = [rows[i : i + chunk_size] for i in range(0, len(rows), chunk_size)]
        group(*map(self._chunk_job, chunks)).on_end(self._totals_job()).delay()

    def _chunk_job(self, rows):
        description = self.env._(
            "%(file)s: rows %(first)s to %(last)s",
            file=self.name,
            first=rows[0]["number"],
            last=rows[-1]["number"],
        )
        return self.delayable(description=description, max_retries=3)._import_rows(rows)

    def _totals_job(self):
        description = self.env._("%s: totals", self.name)
        return self.delayable(description=description)._report_totals()

    # -- the jobs -------------------------------------------------------------------

    def _import_rows(self, rows):
        """Create the contacts of one chunk."""
        countries = self._countries(rows)
        for row in rows:
            self._check(row)
        partners = self.env["res.partner"].create(
            [self._partner_values(row, countries) for row in rows]
        )
        return self.env._("%s contacts created", len(partners))

    def _report_totals(self):
        """Count what the other jobs did."""
        self.created_count = self.env["res.partner"].search_count(
            [("test_import_id", "=", self.id)]
        )
        self.state = "reported"
        return self.env._(
            "%(created)s of %(rows)s contacts created",
            created=self.created_count,
            rows=self.row_count,
        )

    # -- one row --------------------------------------------------------------------

    def _check(self, row):
        """Refuse a wrong row; come back later when the check itself is not possible."""
        if row["email"].endswith(BUSY_DOMAIN) and not self._past_attempts():
            raise RetryableJobError("The mail server is busy", seconds=1)
        if "@" not in row["email"]:
            raise UserError(
                self.env._(
                    "Row %(number)s (%(name)s): %(email)s is not an e-mail address",
                    **row,
                )
            )

    def _past_attempts(self):
        """How often the running job was tried before."""
        uuid = self.env.context.get("job_uuid")
        return self.env["queue.job"].sudo().search([("uuid", "=", uuid)]).retry

    def _countries(self, rows):
        codes = {row["country_code"] for row in rows}
        countries = self.env["res.country"].search([("code", "in", list(codes))])
        return {country.code: country.id for country in countries}

    def _partner_values(self, row, countries):
        return {
            "name": row["name"],
            "email": row["email"],
            "phone": row["phone"],
            "street": row["street"],
            "zip": row["zip"],
            "city": row["city"],
            "country_id": countries.get(row["country_code"]),
            "test_import_id": self.id,
        }


class ResPartner(models.Model):
    _inherit = "res.partner"

    test_import_id = fields.Many2one("test.contact.import", index="btree_not_null")
