# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The kinds of failures: how failed jobs get one, what is counted, who sees what."""

from datetime import timedelta
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.exceptions import AccessError, UserError

from ..core.fingerprints import fingerprint
from ..job import Job
from ..models import queue_job_failure_kind
from ..monitoring import module_versions
from .test_failure_digest import DigestCase

READ = "<res.partner>.read"


class KindCase(DigestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kinds = cls.env["queue.job.failure.kind"]
        cls.jobs.search([("state", "=", "failed")]).unlink()
        cls.kinds.search([]).unlink()
        cls.env.cr.execute("DELETE FROM queue_job_module_version")
        module_versions.note(cls.env.cr)

    def kind(self):
        """Return the only kind there is, counted anew."""
        self.env.flush_all()
        self.kinds._refresh()
        found = self.kinds.search([])
        self.assertEqual(len(found), 1)
        return found

    def refresh(self):
        self.env.flush_all()
        self.kinds._refresh()
        return self.kinds.search([])

    def date_back(self, jobs, **duration):
        """Let jobs have failed some time ago."""
        self.env.flush_all()
        for job in jobs:
            job.failed_at = job.failed_at - timedelta(**duration)
        self.env.flush_all()

    def set_back(self, kind, **duration):
        """Let the user have said something of a kind some time ago."""
        kind.sudo().state_date = kind.state_date - timedelta(**duration)
        self.env.flush_all()

    def update_module(self, version, module="base"):
        self.env["ir.module.module"].search(
            [("name", "=", module)]
        ).latest_version = version
        self.env.flush_all()
        module_versions.note(self.env.cr)


class TestFailureKinds(KindCase):
    def test_a_settled_failure_has_its_kind(self):
        record = self.job("started", company_id=self.env.company.id)
        job = Job.load(self.env, record.uuid)
        job.set_failed(exc_name="ValueError", exc_message="Order 42 is locked")
        job.store()
        record.invalidate_recordset()
        expected = fingerprint(READ, "ValueError", "Order 43 is locked")
        self.assertEqual(record.failure_kind, expected)
        self.assertAlmostEqual(
            record.failed_at, fields.Datetime.now(), delta=timedelta(minutes=1)
        )
        kind = self.kind()
        self.assertEqual(
            (
                kind.fingerprint,
                kind.function,
                kind.exc_name,
                kind.wording,
                kind.job_count,
            ),
            (expected, READ, "ValueError", "Order … is locked", 1),
        )
        job.set_pending()
        job.store()
        record.invalidate_recordset()
        self.assertFalse(record.failure_kind)
        self.assertFalse(record.failed_at)
        self.assertEqual(self.kind().job_count, 0)

    def test_it_costs_no_statement(self):
        def cost(state):
            job = Job.load(self.env, self.job("started").uuid)
            if state == "failed":
                job.set_failed(exc_name="ValueError", exc_message="x")
            else:
                job.set_cancelled()
            with patch.object(type(self.jobs), "_message_post_on_failure"):
                before = self.env.cr.sql_log_count
                job.store()
                self.env.flush_all()
            return self.env.cr.sql_log_count - before

        cost("failed")
        self.assertEqual(cost("failed"), cost("cancelled"))

    def test_what_failed_otherwise_is_sorted(self):
        """By the ORM, by SQL, before the update."""
        by_orm = self.failed("Order 1 is locked")
        self.assertFalse(by_orm.failure_kind)
        self.assertTrue(by_orm.failed_at)
        old = self.job("done", exc_name="ValueError", exc_message="Order 2 is locked")
        older = self.job(
            "done",
            exc_name="ValueError",
            exc_message="Order 3 is locked",
            channel_method_name=READ,
            date_started="2026-01-02 03:04:05",
        )
        date = "2026-01-03 00:00:00"
        self.env["queue.job.attempt"].create({"job_id": old.id, "date_end": date})
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'failed' WHERE id = ANY(%s)",
            [(old + older).ids],
        )
        self.env.invalidate_all()
        kind = self.kind()
        self.assertEqual(kind.job_count, 3)
        self.assertEqual(fields.Datetime.to_string(old.failed_at), date)
        self.assertEqual(older.failed_at, older.date_started)
        self.assertEqual(kind.first_seen, older.failed_at)
        self.assertEqual(kind.last_seen, by_orm.failed_at)

    def test_what_is_set_to_done_keeps_its_failure_until_it_runs_again(self):
        """That may be undone; then it is no new failure."""
        job = self.failed("Order 1")
        self.kind()
        self.date_back(job, hours=1)
        was = job.failed_at, job.failure_kind
        job.write({"state": "done"})
        self.assertEqual(self.kind().job_count, 0)
        job.write({"state": "failed"})
        self.assertEqual((job.failed_at, job.failure_kind), was)
        self.assertEqual(self.kind().job_count, 1)
        job.write({"state": "pending"})
        self.assertEqual((job.failed_at, job.failure_kind), (False, False))

    def test_many_that_are_not_sorted_are_sorted_in_parts(self):
        for number in range(5):
            self.failed(f"{number}")
        self.env.flush_all()
        with patch.object(queue_job_failure_kind, "SORTED", 2):
            self.assertEqual(self.kind().job_count, 2)
        self.assertEqual(self.kinds._gc_kinds(2), (1 + 1, True))
        self.assertEqual(self.kind().job_count, 5)

    def test_what_differs_from_job_to_job_is_one_kind(self):
        for number in range(3):
            self.failed(f"Order {number} of 'Customer {number}' is locked")
        self.failed("Order 4 is open")
        self.failed("Order 4 is open", function="<res.users>.read")
        counts = self.refresh().mapped("job_count")
        self.assertEqual(sorted(counts), [1, 1, 3])

    def test_a_day_and_the_day_before(self):
        jobs = self.jobs.concat(*(self.failed(f"{n}") for n in range(6)))
        self.date_back(jobs[:1], days=3)
        self.date_back(jobs[1:3], hours=30)
        kind = self.kind()
        self.assertEqual(
            (kind.job_count, kind.day_count, kind.day_before_count), (6, 3, 2)
        )
        self.assertEqual(kind.trend, "steady")
        self.assertEqual(kind.first_seen, jobs[0].failed_at)
        jobs[3:].unlink()
        kind = self.kind()
        self.assertEqual(kind.trend, "falling")
        self.assertGreater(kind.last_seen, jobs[2].failed_at)  # it was seen then

    def test_who_looks_sees_what_is_now(self):
        self.failed()
        self.env.flush_all()
        kinds = self.kinds.with_user(self.manager)
        specification = {"job_count": {}}
        (row,) = kinds.web_search_read([], specification)["records"]
        self.assertEqual(row["job_count"], 1)
        self.failed()
        self.env.flush_all()
        (row,) = kinds.browse(row["id"]).web_read(specification)
        self.assertEqual(row["job_count"], 2)
        self.failed()
        self.env.flush_all()
        groups = kinds.web_read_group([], ["state"], ["job_count:sum"])["groups"]
        self.assertEqual(groups[0]["job_count:sum"], 3)

    def test_a_conflict_with_another_look_is_no_error(self):
        self.failed()
        self.env.flush_all()
        broken = patch.object(
            type(self.kinds), "_count", side_effect=SerializationFailure
        )
        with broken:
            self.kinds._refresh()
        self.assertFalse(self.kinds.search([]))
        self.assertEqual(self.kind().job_count, 1)

    def test_what_nobody_sees_any_more_is_forgotten(self):
        job = self.failed()
        kind = self.kind()
        self.date_back(job, days=400)
        job.unlink()
        kind.last_seen -= timedelta(days=400)
        self.kinds._gc_kinds()
        self.assertFalse(kind.exists())

    def test_what_is_failed_is_kept(self):
        self.date_back(self.failed(), days=400)
        kind = self.kind()
        self.kinds._gc_kinds()
        self.assertTrue(kind.exists())

    # -- companies -----------------------------------------------------------------

    def of_two_companies(self):
        """Return the kinds of jobs that failed in the same way."""
        self.failed("Order 1", company_id=self.env.company.id)
        self.failed("Order 2", company_id=self.company.id)
        self.failed("Order 3", company_id=self.company.id)
        kinds = self.refresh()
        self.assertEqual(len(set(kinds.mapped("fingerprint"))), 1)
        theirs = kinds.filtered(lambda kind: kind.company_id == self.company)
        return kinds - theirs, theirs

    def test_a_manager_sees_the_kinds_of_the_own_companies(self):
        ours, theirs = self.of_two_companies()
        for user, kind, count in (
            (self.manager, ours, 1),
            (self.elsewhere, theirs, 2),
        ):
            seen = self.kinds.with_user(user).search([])
            self.assertEqual(seen, kind)
            self.assertEqual((seen.job_count, len(seen.job_ids)), (count, count))
            figures = self.env["queue.job.dashboard"].with_user(user).get_figures()
            (failure,) = figures["failures"]
            self.assertEqual((failure["count"], failure["kinds"]), (count, 1))
        with self.assertRaises(AccessError):
            self.kinds.with_user(self.plain_user).search([])

    def test_who_may_not_see_a_kind_does_nothing_with_it(self):
        ours, theirs = self.of_two_companies()
        for user, error_for in ((self.manager, theirs), (self.plain_user, ours)):
            kind = error_for.with_user(user)
            for method in (
                *("action_acknowledge", "action_ignore", "action_solve"),
                *("action_reopen", "action_try", "action_requeue_all"),
                *("action_open_jobs", "action_open_trial", "action_open_records"),
            ):
                with self.subTest(f"{user.login} {method}"):
                    with self.assertRaises(AccessError):
                        getattr(kind, method)()
        self.assertEqual((ours + theirs).mapped("state"), ["open", "open"])
        with self.assertRaises(AccessError):
            ours.with_user(self.manager).write({"state": "solved"})
        with self.assertRaises(AccessError):
            ours.with_user(self.manager).unlink()

    def test_each_company_says_for_itself(self):
        ours, theirs = self.of_two_companies()
        ours.with_user(self.manager).action_solve()
        self.assertEqual((ours.state, theirs.state), ("solved", "open"))
        (row,) = self.env["queue.job.journal"].search([("kind", "=", "failure")])
        self.assertEqual(row.company_id, ours.company_id)
        self.failed("Order 4", company_id=self.company.id)
        self.refresh()
        self.assertEqual((ours.state, theirs.job_count), ("solved", 3))

    # -- versions of modules -------------------------------------------------------

    def test_new_since_the_versions_changed(self):
        self.date_back(self.failed("before"), days=1)
        before = self.kind()
        self.assertFalse(before.is_new)  # nothing has changed yet
        new = [("is_new", "=", True)]
        self.assertFalse(self.kinds.search(new))
        self.assertEqual(self.kinds.search([("is_new", "=", False)]), before)
        self.update_module("99.0")
        self.failed("after")
        after = self.refresh() - before
        self.assertEqual((before.is_new, after.is_new), (False, True))
        self.assertEqual(self.kinds.search(new), after)
        self.assertEqual(self.kinds.search([("is_new", "!=", True)]), before)

    def test_what_has_changed_since(self):
        self.failed("Order 1")
        kind = self.kind()
        self.assertEqual(kind.module, "base")
        version = self.kinds._versions_at(fields.Datetime.now())["base"]
        self.assertEqual(kind.first_version, f"base {version}")
        self.assertFalse(kind.changed_since)
        kind.first_seen -= timedelta(hours=1)
        self.update_module("99.0")
        kind.invalidate_recordset()
        self.assertEqual(kind.first_version, f"base {version}")
        self.assertEqual(kind.changed_since, f"base {version} → 99.0")

    def test_a_change_is_noted_once(self):
        def rows():
            self.env.cr.execute("SELECT count(*) FROM queue_job_module_version")
            return self.env.cr.fetchone()[0]

        before = rows()
        self.kinds._register_hook()
        self.kinds._refresh()
        self.assertEqual(rows(), before)
        self.update_module("99.0")
        self.assertEqual(rows(), before + 1)

    def test_a_database_before_its_update_is_no_reason_to_fail(self):
        self.env.cr.execute("DROP TABLE queue_job_module_version")
        self.kinds._register_hook()

    def test_the_module_of_a_function(self):
        for function, module in (
            (READ, "base"),
            ("<queue.job>.requeue", "queue_job"),
            ("<res.partner>._message_get_suggested_recipients", "mail"),
            ("<res.partner>.gone", "base"),
            ("<gone.model>.gone", None),
            ("?", None),
            (None, None),
        ):
            with self.subTest(function):
                self.assertEqual(self.kinds._module_of(function), module)


class TestFailureKindActions(KindCase):
    def as_manager(self):
        return self.kind().with_user(self.manager)

    # -- states --------------------------------------------------------------------

    def test_each_state_and_the_journal(self):
        self.failed()
        kind = self.as_manager()
        for method, state, action in (
            ("action_acknowledge", "acknowledged", "acknowledge"),
            ("action_ignore", "ignored", "ignore"),
            ("action_solve", "solved", "solve"),
            ("action_reopen", "open", "reopen"),
        ):
            with self.subTest(method):
                getattr(kind, method)()
                self.assertEqual(kind.state, state)
                by = self.env["res.users"] if state == "open" else self.manager
                self.assertEqual(kind.user_id, by)
                row = self.env["queue.job.journal"].search([], limit=1)
                self.assertEqual((row.action, row.kind), (action, "failure"))
                self.assertEqual((row.user_id, row.job_count), (self.manager, 1))
                self.assertEqual(row.subject, kind.display_name)
                self.assertIn("→", row.details)

    def test_solved_comes_back_with_the_next_one(self):
        self.date_back(self.failed(), hours=1)
        kind = self.as_manager()
        kind.action_solve()
        self.set_back(kind, minutes=30)
        self.assertEqual(self.kind().state, "solved")
        self.failed()
        self.assertEqual((self.kind().state, kind.came_back), ("open", "after_solved"))
        kind.action_acknowledge()
        self.assertFalse(kind.came_back)

    def test_ignored_is_quiet_until_it_comes_back(self):
        self.date_back(self.failed(), hours=1)
        kind = self.as_manager()
        kind.action_ignore()
        self.set_back(kind, minutes=30)
        self.failed()
        self.assertEqual(self.kind().state, "ignored")
        self.failed()
        self.assertEqual((self.kind().state, kind.came_back), ("open", "more_often"))

    def test_ignored_comes_back_in_another_version(self):
        self.date_back(self.failed(), hours=1)
        kind = self.as_manager()
        kind.action_ignore()
        self.set_back(kind, minutes=30)
        self.update_module("99.0", "mail")  # not of the function
        self.failed()
        self.assertEqual(self.kind().state, "ignored")
        self.date_back(self.jobs.search([("state", "=", "failed")]), hours=2)
        kind.sudo().last_seen -= timedelta(minutes=10)
        self.update_module("99.0")
        self.assertEqual(self.kind().state, "ignored")
        self.failed()
        self.assertEqual((self.kind().state, kind.came_back), ("open", "other_version"))

    def test_the_digest_is_silent_of_what_is_ignored(self):
        self.failed("Order 1")
        self.failed("Another")
        ignored = self.refresh().filtered(lambda kind: kind.wording == "Order …")
        ignored.with_user(self.manager).action_ignore()
        self.send()
        body = self.digests(self.manager).body
        self.assertIn("Another", body)
        self.assertNotIn("Order", body)

    def test_the_digest_links_to_the_kind(self):
        self.failed("Order 1")
        self.failed("Order 2")
        self.failed("Another")
        self.send()
        body = str(self.digests(self.manager).body)
        self.assertEqual(body.count("<li"), 2)
        for kind in self.refresh():
            self.assertIn(f"&amp;kind={kind.fingerprint}", body)
            action = self.kinds.with_user(self.manager).open_kind(kind.fingerprint)
            self.assertEqual(action["res_id"], kind.id)
        self.assertIn("/odoo/job-failures", body)

    def test_from_a_job_to_its_kind(self):
        job = self.job(
            "failed", exc_name="ValueError", exc_message="1", company_id=False
        )
        action = job.with_user(self.manager).action_open_failure_kind()
        self.assertEqual(action["res_id"], self.kind().id)
        self.assertEqual(self.kind().job_count, 1)

    def test_a_link_to_what_is_gone_or_of_several_companies(self):
        self.failed("Order 1", company_id=self.env.company.id)
        self.failed("Order 1", company_id=self.company.id)
        kinds = self.refresh()
        self.env.user.company_ids += self.company
        action = self.kinds.open_kind(kinds[0].fingerprint)
        self.assertEqual(self.kinds.search(action["domain"]), kinds)
        self.assertFalse(self.kinds.open_kind("gone")["domain"])
        with self.assertRaises(AccessError):
            self.kinds.with_user(self.plain_user).open_kind("gone")

    # -- trials --------------------------------------------------------------------

    def test_three_on_trial_then_the_rest(self):
        jobs = self.jobs.concat(*(self.failed(f"Order {n}") for n in range(5)))
        for number, job in enumerate(jobs):
            self.date_back(job, minutes=10 - number)
        kind = self.as_manager()
        self.assertFalse(kind.trial_text)
        action = kind.action_try()
        self.assertIn("3 job(s) changed", action["params"]["message"])
        tried = jobs[2:]
        self.assertEqual(sorted(kind.trial_ids), tried.ids)
        self.assertEqual(set(tried.mapped("state")), {"pending"})
        self.assertEqual(
            (kind.trial_text, kind.trial_user_id.id),
            ("0 of 3 done, 3 not ended yet", self.manager.id),
        )
        self.assertEqual(self.jobs.search(kind.action_open_trial()["domain"]), tried)
        tried[:2].write({"state": "done"})
        tried[2].write(
            {"state": "failed", "exc_name": "ValueError", "exc_message": "Order 9"}
        )
        kind = self.as_manager()
        self.assertEqual(kind.trial_text, "2 of 3 done, 1 failed the same way")
        self.assertEqual(kind.job_count, 3)
        row = self.env["queue.job.journal"].search([], limit=1)
        self.assertEqual((row.action, row.job_count), ("requeue", 3))
        self.assertIn(kind.display_name, row.reason)
        rest = kind.action_requeue_all()
        wizard = self.env[rest["res_model"]].with_user(self.manager)
        wizard.browse(rest["res_id"]).action_change()
        self.assertFalse(self.jobs.search([("state", "=", "failed")]))
        kind.action_solve()
        self.assertFalse(kind.trial_ids)

    def test_a_trial_without_failed_jobs(self):
        self.failed().write({"state": "done"})
        self.failed("Another").unlink()
        self.failed()
        kind = self.as_manager()
        self.jobs.search([("state", "=", "failed")]).write({"state": "pending"})
        with self.assertRaises(UserError):
            kind.action_try()

    def test_a_trial_changes_failed_jobs_of_its_kind_alone(self):
        self.failed("Order 1")
        other, done = self.failed("Another"), self.job("done")
        kind = self.refresh().filtered(lambda each: each.wording == "Order …")
        kind.with_user(self.manager).action_try()
        self.assertEqual((other.state, done.state), ("failed", "done"))

    # -- what the page shows -------------------------------------------------------

    def test_jobs_message_and_records(self):
        partners = self.env["res.partner"].search([], limit=3)
        self.failed("Order 1", records=partners[:2])
        last = self.failed("Order 2", records=partners[1:])
        self.failed("Order 3", records=partners.browse())
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET records = '\"no records\"' WHERE id = %s",
            [self.failed("Order 4").id],
        )
        self.env.invalidate_all()
        kind = self.as_manager()
        self.date_back(self.jobs.search([("state", "=", "failed")]) - last, hours=1)
        kind.invalidate_recordset()
        self.assertEqual((len(kind.job_ids), kind.job_ids[0]), (4, last))
        self.assertEqual(kind.message, "Order 2")
        self.assertEqual(kind.record_count, 3)
        action = kind.action_open_records()
        self.assertEqual(action["res_model"], "res.partner")
        found = self.env["res.partner"].search(action["domain"])
        self.assertEqual(found, partners)
        self.assertEqual(len(self.jobs.search(kind.action_open_jobs()["domain"])), 4)

    def test_a_kind_without_records(self):
        self.failed()
        with self.assertRaises(UserError):
            self.as_manager().action_open_records()

    def test_the_dashboard_shows_how_many_kinds_there_are(self):
        for number in range(12):
            self.failed("x", function=f"<res.partner>.method_{'abcdefghijkl'[number]}")
        self.refresh()
        failures = self.env["queue.job.dashboard"].get_figures()["failures"]
        self.assertEqual((len(failures), failures[0]["kinds"]), (10, 12))
        kind = failures[0]
        action = self.env["queue.job.dashboard"].requeue_failures(
            kind["function"], kind["exc_name"], kind["kind"]
        )
        domain = self.env[action["res_model"]].browse(action["res_id"])._jobs_domain()
        self.assertIn(["failure_kind", "=", kind["kind"]], [list(x) for x in domain])
