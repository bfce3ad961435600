# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is put right in odd rows, and what is left alone (for all of them see e2e)."""

from odoo.tests import tagged

from ..claim.claims import INT_MAX
from ..jobrunner.session.queries import AFFAIRS
from ..keys import admission
from ..storage import odd_rows, row_mapper
from ..storage.retention import old_job_ids
from .job_case import JobCase

EARLY, LATE = "0001-01-01", "9999-12-31 23:59:59.999999"


@tagged("post_install", "-at_install")
class TestOddRows(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs.search([]).unlink()

    def odd(self, sets, state="pending"):
        job = self.job(state)
        self.env.flush_all()
        self.env.cr.execute(
            f"UPDATE queue_job SET {sets} WHERE id = %s",  # pylint: disable=sql-injection
            [job.id],
        )
        return job

    def put_right(self):
        page = {"first": 0, "before": INT_MAX}
        self.env.cr.execute(odd_rows.PUT_RIGHT, page)
        found = self.env.cr.dictfetchall()
        self.env.invalidate_all()
        return {row["id"]: row for row in found}

    def test_what_python_can_hold_is_not_odd(self):
        for value in (EARLY, LATE):
            self.odd(f"date_created = '{value}', eta = '{value}'")
        self.odd("date_created = NULL, priority = NULL, channel = NULL")
        self.assertEqual(self.put_right(), {})

    def test_a_job_that_is_not_over_fails_with_column_and_value(self):
        job = self.odd("eta = '-infinity', date_done = '20000-01-01'")
        found = self.put_right()[job.id]
        self.assertTrue(found["fails"])
        self.assertEqual(found["uuid"], job.uuid)
        self.assertEqual((job.state, job.exc_name), ("failed", "OddValueError"))
        self.assertIn("eta = -infinity, date_done = 20000-01-01", job.exc_message)
        self.assertFalse(job.eta)
        self.assertEqual(self.put_right(), {})

    def test_a_job_that_is_over_stays_what_it_is(self):
        job = self.odd("date_done = 'infinity', exec_time = 'NaN'", "done")
        self.assertFalse(self.put_right()[job.id]["fails"])
        self.assertEqual(job.state, "done")
        self.assertTrue(job.date_done, "by which retention finds it")
        self.assertEqual(job.exec_time, 0)

    def test_a_job_in_flight_is_left_to_its_worker(self):
        self.odd("date_created = 'infinity'", "started")
        self.assertEqual(self.put_right(), {})

    def test_a_state_of_another_addon_is_none_of_our_business(self):
        state = self.env["ir.model.fields"]._get("queue.job", "state")
        self.env.cr.execute(
            "INSERT INTO ir_model_fields_selection (field_id, value, name, sequence)"
            " VALUES (%s, 'resting', '{\"en_US\": \"Resting\"}', 99)",
            [state.id],
        )
        self.odd("state = 'resting'")
        garbage = self.odd("state = 'garbage'")
        self.assertEqual(set(self.put_right()), {garbage.id})

    def test_a_scheduled_job_without_date_is_due(self):
        self.odd("scheduled = TRUE, eta = NULL")
        self.env.cr.execute(AFFAIRS)
        self.assertEqual(self.env.cr.dictfetchone()["next_due"], 0)

    def test_a_key_without_channel_is_not_decided(self):
        keys = [(None, "sequence:a"), ("root", None)]
        self.assertEqual(admission.admit(self.env.cr, keys), [])

    def test_the_row_of_a_started_job_can_be_read(self):
        job = self.odd("date_created = '20000-01-01', eta = '0044-03-15 BC'")
        for columns, values in (
            (row_mapper.packed_list(), row_mapper.unpack),
            (
                row_mapper.select_list(),
                lambda row: dict(zip(row_mapper.LOAD_COLUMNS, row, strict=True)),
            ),
        ):
            self.env.cr.execute(
                f"SELECT {columns} FROM queue_job WHERE id = %s",  # pylint: disable=sql-injection
                [job.id],
            )
            row = values(self.env.cr.fetchone())
            self.assertEqual((row["date_created"], row["eta"]), (None, None))

    def test_the_dates_of_a_started_job_are_what_they_are(self):
        for moment in (
            "2026-02-03 04:05:06.12",
            "2026-02-03 04:05:06",
            "2026-02-03 04:05:06.123456",
            EARLY,
            LATE,
        ):
            job = self.odd(f"date_created = '{moment}'")
            self.env.cr.execute(
                f"SELECT {row_mapper.packed_list()}, date_created"  # pylint: disable=sql-injection
                " FROM queue_job WHERE id = %s",
                [job.id],
            )
            row = self.env.cr.fetchone()
            self.assertEqual(row_mapper.unpack(row)["date_created"], row[1])

    def test_retention_takes_any_number_of_days(self):
        self.env.cr.execute(
            "UPDATE queue_job_channel SET removal_interval = 2147483647,"
            " failed_removal_interval = -1 WHERE complete_name = 'root'"
        )
        self.odd("date_done = '2001-01-01'", "done")
        self.odd("date_started = '2001-01-01'", "failed")
        self.assertEqual(old_job_ids(self.jobs, 10), ([], False))
