# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the form of a job reads: little, and enough for a manager."""

import json

from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user

from ..models.queue_job_texts import EXCERPTS, LENGTHS
from .job_case import JobCase

LONG = 100_000


def form_specification(env, arch, model):
    """Return what the web client asks for: each field, those of sublists by line."""
    found = {}
    for node in arch.xpath(".//field[not(ancestor::list)]"):
        name = node.get("name")
        lines = node.xpath("./list//field")
        if lines:
            found[name] = {
                "fields": {line.get("name"): {} for line in lines},
                "limit": int(node.find("list").get("limit", 40)),
                "order": node.find("list").get("default_order", ""),
            }
        elif env[model]._fields[name].type == "many2one":
            found[name] = {"fields": {"display_name": {}}}
        else:
            found[name] = {}
    return found


class TestJobForm(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Azure Interior"})

    def arch(self, user=None):
        jobs = self.jobs.with_user(user or self.manager)
        return etree.fromstring(jobs.get_view(view_type="form")["arch"])

    def read_form(self, job):
        """Return what the browser gets to show the form."""
        job = job.with_user(self.manager).with_context(**{EXCERPTS: True})
        specification = form_specification(self.env, self.arch(), "queue.job")
        specification["long_texts"] = {}
        (row,) = job.web_read(specification)
        return row

    def long_job(self):
        text = "x" * LONG
        job = self.job(
            "failed",
            records=self.partner,
            args=[text],
            kwargs={"text": text},
            exc_name="odoo.exceptions.UserError",
            graph_uuid="long",
            **dict.fromkeys(LENGTHS, text),
        )
        self.env["queue.job.attempt"].create(
            [
                {"job_id": job.id, "number": number, "message": "y" * 2000}
                for number in range(1, 201)
            ]
        )
        return job

    # -- little --------------------------------------------------------------------

    def test_a_job_of_long_texts_is_read_in_little(self):
        row = self.read_form(self.long_job())
        size = len(json.dumps(row, default=str))
        self.assertLess(size, 40_000)
        self.assertEqual(row["long_texts"], dict.fromkeys(LENGTHS, LONG))
        attempts = row["attempt_ids"]
        self.assertEqual(len(attempts), 200)  # the ids; values of the last ones
        self.assertEqual(
            [each["number"] for each in attempts if "number" in each],
            list(range(200, 160, -1)),
        )

    def test_a_list_of_long_messages_is_read_in_little(self):
        job = self.long_job()
        found = self.jobs.with_user(self.manager).web_search_read(
            [("id", "=", job.id)], {name: {} for name in LENGTHS}
        )
        self.assertLess(len(json.dumps(found)), 10_000)

    def test_whoever_does_not_ask_for_excerpts_gets_all(self):
        job = self.long_job().with_user(self.manager)
        (row,) = job.web_read({"exc_message": {}})
        self.assertEqual(len(row["exc_message"]), LONG)
        self.assertEqual(len(job.exc_info), LONG)

    def test_short_texts_are_whole(self):
        row = self.read_form(self.job("failed", exc_message="No VAT number"))
        self.assertEqual(row["exc_message"], "No VAT number")
        self.assertFalse(row["long_texts"])

    def test_the_rest_comes_on_demand(self):
        job = self.long_job().with_user(self.manager)
        for name in LENGTHS:
            self.assertEqual(job.read_text(name), "x" * LONG)
        for name in ("1", "text"):
            self.assertEqual(job.read_argument(name), "x" * LONG)
        with self.assertRaisesRegex(UserError, "no long text uuid"):
            job.read_text("uuid")

    # -- enough --------------------------------------------------------------------

    def test_the_error_stands_before_all_else(self):
        sheet = self.arch().find("sheet")
        named = [node.get("name") for node in sheet]
        self.assertLess(named.index("failure"), named.index("queue_job_story"))
        above = sheet.xpath("./*[not(self::notebook)]//field/@name")
        for name in ("uuid", "worker_pid", "identity_key", "func_string", "gate"):
            self.assertNotIn(name, above)
            self.assertTrue(self.arch().xpath(f"//page//field[@name='{name}']"))

    def test_a_failure_says_what_to_do_when_and_how_long(self):
        job = self.job(
            "failed",
            exc_name="odoo.exceptions.AccessError",
            exc_message="You may not",
            date_started="2026-01-01 10:00:00",
        )
        for number, (start, end) in enumerate(
            (("10:00:00", "10:00:01"), ("10:05:00", "10:05:42")), start=1
        ):
            self.env["queue.job.attempt"].create(
                {
                    "job_id": job.id,
                    "number": number,
                    "outcome": "failed",
                    "date_start": f"2026-01-01 {start}",
                    "date_end": f"2026-01-01 {end}",
                }
            )
        self.assertIn("missing right", job.failure_advice)
        self.assertEqual(job.run_time, 42)

    def test_what_has_not_failed_has_no_advice(self):
        job = self.job("done", exec_time=3.5)
        self.assertEqual(job.run_time, 3.5)
        self.assertFalse(job.failure_advice)

    def test_advice_in_the_language_of_the_user(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        job = self.job("failed", exc_name="odoo.exceptions.MissingError")
        french = job.with_context(lang="fr_FR").failure_advice
        self.assertNotEqual(french, job.failure_advice)

    def test_a_reason_to_try_again_is_no_result(self):
        """Which shows it by its condition: that of the group leaves it out."""
        arch = self.arch()
        (group,) = arch.xpath("//group[@name='result']/@invisible")
        (banner,) = arch.xpath("//div[@name='retry_reason']/@invisible")
        waits = {"result": "The shop is down", "state": "pending", "retry": 1}
        waits["scheduled"] = True
        done = {**waits, "state": "done", "scheduled": False}
        for values, shown in ((waits, (False, True)), (done, (True, False))):
            # pylint: disable=eval-used
            hidden = [bool(eval(each, {}, values)) for each in (group, banner)]
            self.assertEqual(tuple(not each for each in hidden), shown)

    # -- the record ----------------------------------------------------------------

    def test_the_record_is_a_link(self):
        job = self.job(records=self.partner).with_user(self.manager)
        self.assertEqual(job.subject["model"], "res.partner")
        self.assertEqual(
            job.subject["records"],
            [{"id": self.partner.id, "name": "Azure Interior", "exists": True}],
        )
        self.assertFalse(self.job().subject)

    def test_of_many_records_the_first_ones_are_named(self):
        many = self.env["res.partner"].create([{"name": "x" * 500}] * 9)
        subject = self.job(records=many).subject
        self.assertEqual((subject["count"], len(subject["records"])), (9, 5))
        self.assertLess(len(json.dumps(subject)), 2000)

    def test_odd_records_do_not_close_the_form(self):
        job = self.job(records=self.partner)
        for odd in (
            '{"_type": "odoo_recordset"}',
            '{"_type": "odoo_recordset", "model": "base", "ids": [1]}',
            '{"_type": "odoo_recordset", "model": "res.partner", "ids": "x"}',
            '{"_type": "odoo_recordset", "model": "res.partner", "ids": [9e9, null]}',
            '{"_type": "odoo_recordset", "model": "gone", "ids": [1, 2]}',
            "[1]",
        ):
            self.env.cr.execute(
                "UPDATE queue_job SET records = %s WHERE id = %s", (odd, job.id)
            )
            job.invalidate_recordset()
            with self.subTest(odd):
                self.assertTrue(self.read_form(job))

    def test_a_model_whose_names_are_broken(self):
        def broken(records):
            raise ValueError("no name")

        self.patch(type(self.partner), "_compute_display_name", broken)
        self.partner.invalidate_recordset()
        (record,) = self.job(records=self.partner).subject["records"]
        self.assertEqual(record["name"], None)

    # -- rights --------------------------------------------------------------------

    def test_arguments_and_tracebacks_are_for_managers(self):
        """Also where another addon lets everybody read jobs."""
        job = self.job("failed", exc_info="secret", args=["secret"])
        self.env["ir.model.access"].create(
            {
                "name": "all read",
                "model_id": self.env["ir.model"]._get("queue.job").id,
                "group_id": self.env.ref("base.group_user").id,
                "perm_read": True,
            }
        )
        user = new_test_user(self.env, "reader", groups="base.group_user")
        arch = self.arch(user)
        shown = arch.xpath("//field/@name | //widget/@name")
        for name in ("exc_info", "func_string", "queue_job_arguments"):
            self.assertNotIn(name, shown)
            self.assertIn(name, self.arch().xpath("//field/@name | //widget/@name"))
        job = job.with_user(user)
        for call in (
            lambda: job.read_text("exc_info"),
            lambda: job.read_argument("1"),
            lambda: self.env["queue.job.arguments"]._describe(job),
        ):
            with self.assertRaises(AccessError):
                call()
