# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""My jobs: what every user sees of the own jobs, and of nothing else."""

import json

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import new_test_user
from odoo.tools import SQL, mute_logger

from ..storage import own_jobs
from .job_case import JobCase

FUNCTION = "<res.partner>.read"
SECRET = "canary-secret"

_FILL = """
INSERT INTO queue_job (uuid, state, channel, priority, date_created, user_id, options)
SELECT gen_random_uuid(), (%(states)s::text[])[1 + i %% 7], 'root', 10, now(),
       (%(users)s::int[])[1 + i %% 3], '{"meant_for": 1}'
  FROM generate_series(1, 2100) AS i
"""


class MyJobsCase(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "mine_user", groups="base.group_user")
        cls.other = new_test_user(cls.env, "mine_other", groups="base.group_user")
        cls.customer = new_test_user(
            cls.env, "mine_customer", groups="base.group_portal"
        )

    def mine(self, user=None):
        return self.env["queue.job.mine"].with_user(user or self.user)

    def own_job(self, state="pending", user=None, **values):
        values = {"channel_method_name": FUNCTION, **values}
        return self.job(state, user_id=(user or self.user).id, **values)

    def meant_job(self, state="pending", **values):
        options = {"meant_for": self.customer.partner_id.id}
        return self.own_job(state, user=self.other, options=options, **values)

    def shown(self, user=None, **options):
        return [job["uuid"] for job in self.mine(user).get_jobs(**options)]

    def let(self, **values):
        """Set who may change the jobs of the function."""
        functions = self.env["queue.job.function"]
        function = functions.search([("name", "=", FUNCTION)])
        if function:
            function.write(values)
        else:
            functions.create({"name": FUNCTION, **values})


class TestMyJobs(MyJobsCase):
    def test_whose_jobs_are_shown(self):
        own, meant = self.own_job(), self.meant_job()
        self.job(user_id=1)
        self.assertEqual(self.shown(), [own.uuid])
        self.assertEqual(self.shown(self.customer), [meant.uuid])
        self.assertEqual(self.shown(self.other), [meant.uuid])
        self.assertEqual(self.shown(self.manager), [])

    def test_a_job_that_is_mine_in_two_ways_is_shown_once(self):
        options = {"meant_for": self.user.partner_id.id}
        job = self.own_job(options=options)
        self.assertEqual(self.shown(), [job.uuid])
        self.assertEqual(self.mine().get_news()["open"], 1)

    def test_visitors_of_a_website_share_a_user_and_see_nothing(self):
        public = self.env.ref("base.public_user")
        job = self.own_job(user=public)
        self.assertEqual(self.mine(public).get_jobs(), [])
        self.assertEqual(self.mine(public).get_news(), {"open": 0, "notices": []})
        with self.assertRaises(AccessError):
            self.mine(public).cancel(job.uuid)

    def test_neither_arguments_nor_traceback(self):
        self.own_job(
            "failed",
            args=[SECRET],
            kwargs={"password": SECRET},
            records=self.env["res.partner"].browse(1),
            func_string=SECRET,
            exc_info=SECRET,
            exc_name="KeyError",
            exc_message=SECRET,
            identity_key=SECRET,
            result=SECRET,
        )
        (job,) = self.mine().get_jobs()
        self.assertNotIn(SECRET, json.dumps(job))
        self.assertIn("administrator", job["error"])

    def test_an_error_for_people_is_shown(self):
        name = "odoo.exceptions.UserError"
        self.own_job("failed", exc_name=name, exc_message="The shop is closed")
        self.assertEqual(self.mine().get_jobs()[0]["error"], "The shop is closed")

    def test_states_and_pages(self):
        jobs = [self.own_job(state) for state in ("done", "failed", "started", "done")]
        newest = [job.uuid for job in reversed(jobs)]
        self.assertEqual(self.shown(), newest)
        self.assertEqual(self.shown(states=["done"]), [newest[0], newest[3]])
        self.assertEqual(self.shown(states=[]), [])
        self.assertEqual(self.shown(limit=2), newest[:2])
        self.assertEqual(self.shown(before=jobs[2].id), newest[2:])
        self.assertEqual(self.shown(limit=-1), [])

    def test_what_is_said_of_a_job(self):
        eta = "2999-01-01 00:00:00"
        self.own_job(scheduled=True, eta=eta)
        self.own_job("started", date_started="2026-01-01 00:00:00")
        running, planned = self.mine().get_jobs()
        self.assertEqual((planned["phase"], planned["moment"]), ("Planned", eta))
        self.assertEqual(running["phase"], "Running")
        self.assertEqual(running["moment"], "2026-01-01 00:00:00")

    def test_progress_of_this_attempt(self):
        job = self.own_job("started", date_started="2026-01-01 12:00:00")
        row = {"job_id": job.id, "percent": 40, "message": "At 40"}
        progress = self.env["queue.job.progress"].create(
            {**row, "date": "2026-01-01 11:00:00"}
        )
        self.assertIsNone(self.mine().get_jobs()[0]["percent"])
        progress.date = "2026-01-01 13:00:00"
        (shown,) = self.mine().get_jobs()
        self.assertEqual((shown["percent"], shown["message"]), (40, "At 40"))

    def test_the_result(self):
        action = {"type": "ir.actions.act_url", "url": "/web/content/1"}
        self.own_job("done", result="x" * 1000)
        self.own_job("done", result="-", result_json=json.dumps(action))
        link, text = self.mine().get_jobs()
        self.assertEqual((link["link"], link["result"]), (action["url"], None))
        self.assertTrue(link["has_action"])
        self.assertEqual(len(text["result"]), 300)
        opened = self.mine().open_result(link["uuid"])
        self.assertEqual(opened["url"], action["url"])
        self.assertFalse(self.mine().open_result(text["uuid"]))
        for uuid in (link["uuid"], "no such job"):
            with self.assertRaises(AccessError):
                self.mine(self.manager).open_result(uuid)

    def test_a_customer_sees_no_text_that_a_method_has_returned(self):
        self.meant_job("done", result="of the method")
        self.assertIsNone(self.mine(self.customer).get_jobs()[0]["result"])
        self.assertEqual(self.mine(self.other).get_jobs()[0]["result"], "of the method")


class TestChanges(MyJobsCase):
    def may(self, change, user, state):
        (job,) = self.mine(user).get_jobs(states=[state], limit=1)
        try:
            getattr(self.mine(user), change)(job["uuid"])
            done = True
        except AccessError:
            done = False
        self.assertEqual(job[f"may_{change}"], done, "what is offered is allowed")
        return done

    def test_who_may_cancel_and_retry(self):
        # the setting: the user who delayed it, the customer for whom it is
        table = {
            "managers": (False, False),
            "user": (True, False),
            "meant_for": (True, True),
        }
        for change, state in (("cancel", "pending"), ("retry", "failed")):
            for setting, expected in table.items():
                self.let(**{f"{change}_by": setting})
                found = []
                for user in (self.other, self.customer):
                    self.meant_job(state)
                    found.append(self.may(change, user, state))
                self.assertEqual(tuple(found), expected, f"{change}_by {setting}")

    def test_without_a_setting(self):
        """A user cancels what the user has delayed; managers run it again."""
        self.own_job()
        self.assertTrue(self.may("cancel", self.user, "pending"))
        self.own_job("failed")
        self.assertFalse(self.may("retry", self.user, "failed"))

    def test_a_running_job_is_stopped(self):
        job = self.own_job("started")
        self.mine().cancel(job.uuid)
        self.assertEqual(job.state, "started")
        signal = self.env["queue.job.signal"].search([("job_id", "=", job.id)])
        self.assertEqual((signal.kind, signal.user_id), ("cancel", self.user))

    def test_what_has_ended_is_not_cancelled(self):
        for state in ("failed", "done", "cancelled"):
            job = self.own_job(state)
            with self.assertRaisesRegex(UserError, "has ended already"):
                self.mine().cancel(job.uuid)
            self.assertEqual(job.state, state)

    def test_only_a_failed_job_runs_again(self):
        self.let(retry_by="user")
        job = self.own_job("failed")
        self.mine().retry(job.uuid)
        self.assertEqual(job.state, "pending")
        with self.assertRaises(UserError):
            self.mine().retry(job.uuid)

    def test_others_change_nothing(self):
        self.let(cancel_by="meant_for", retry_by="meant_for")
        job = self.own_job("failed")
        for user in (self.other, self.customer, self.manager):
            for change in ("cancel", "retry"):
                with self.assertRaises(AccessError):
                    getattr(self.mine(user), change)(job.uuid)
        self.assertEqual(job.state, "failed")

    def test_one_rule_for_cancelling(self):
        """The other ways in which its user cancels a job know the setting as well."""
        self.let(cancel_by="managers")
        job = self.own_job()
        with self.assertRaises(AccessError):
            job.with_user(self.user).cancel()
        with self.assertRaises(AccessError):
            self.jobs.with_user(self.user).wait_cancel(job.uuid)
        self.assertFalse(
            job.with_user(self.user)
            .sudo()
            .wait_action(cancellable=True)["params"]["cancellable"]
        )
        self.jobs.with_user(self.manager).wait_cancel(job.uuid)
        self.assertEqual(job.state, "cancelled")


class TestNews(MyJobsCase):
    def test_what_is_open_is_counted(self):
        for state in ("pending", "enqueued", "started", "wait_dependencies", "done"):
            self.own_job(state)
        self.assertEqual(self.mine().get_news()["open"], 4)
        self.assertEqual(self.mine(self.other).get_news()["open"], 0)

    def test_one_query(self):
        self.own_job()
        mine = self.mine()
        mine.get_news()  # the cache knows the user
        with self.assertQueryCount(1):
            mine.get_news()

    def fill(self):
        self.env.cr.execute(
            SQL(
                _FILL,
                states=list(dict(self.jobs._fields["state"].selection)),
                users=[1, self.user.id, self.other.id],
            )
        )

    def plan(self, query, **values):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        values = {
            "user_id": self.user.id,
            "meant_for": "2",
            "partner_id": 2,
            "states": list(own_jobs.OPEN),
            "before": own_jobs.ANY_ID,
            "limit": 40,
            **values,
        }
        self.env.cr.execute(SQL("EXPLAIN (ANALYZE) %s", SQL(query, **values)))
        return "\n".join(line for (line,) in self.env.cr.fetchall())

    def test_no_more_is_read_than_is_shown(self):
        self.fill()
        for query in (own_jobs.NEWS, own_jobs.READ):
            plan = self.plan(query)
            self.assertIn("queue_job_delayed_by_idx", plan)
            self.assertIn("queue_job_meant_for_idx", plan)
            self.assertNotRegex(plan, r"Seq Scan on queue_job( |$)")
            self.assertNotRegex(plan, r"Rows Removed by Filter: \d\d")

    def test_what_odoobot_delays_is_in_no_index(self):
        """It delays most jobs, and nobody asks for them."""
        self.fill()
        self.env.cr.execute(
            "SELECT pg_get_expr(indpred, indrelid) FROM pg_index"
            " WHERE indexrelid = 'queue_job_delayed_by_idx'::regclass"
        )
        self.assertEqual(self.env.cr.fetchone(), ("(user_id > 1)",))


class TestNothingElse(MyJobsCase):
    """Over RPC, users reach of the jobs what the page shows, and nothing more."""

    CALLS = (
        ("search", [[("exc_info", "like", "a%")]]),
        ("search", [[]], {"order": "exc_info"}),
        ("search_count", [[("kwargs", "!=", False)]]),
        ("search_read", [[], ["exc_info"]]),
        ("formatted_read_group", [[], ["exc_info"], ["__count"]]),
        ("web_search_read", [[], {"records": {}}]),
        ("web_read_group", [[], ["result"]]),
        ("name_search", ["a"]),
        ("read", [[1], ["args"]]),
        ("web_read", [[1], {"kwargs": {}}]),
        ("requeue", [[1]]),
        ("button_done", [[1]]),
        ("write", [[1], {"state": "pending"}]),
        ("web_save", [[1], {"state": "pending"}, {}]),
    )
    #: What is tried on the tables around the jobs.
    USUAL = (
        ("search", [[]]),
        ("search_count", [[]]),
        ("search_read", [[], ["display_name"]]),
        ("formatted_read_group", [[], ["job_id"], ["__count"]]),
        ("read", [[1], ["display_name"]]),
        ("name_search", ["a"]),
        ("create", [[{}]]),
        ("unlink", [[1]]),
    )
    MODELS = (
        *("queue.job.progress", "queue.job.attempt", "queue.job.notice"),
        *("queue.job.signal", "queue.job.failure", "queue.job.dependency"),
    )

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_the_tables_stay_closed(self):
        """No domain, order or group of a caller's reaches them."""
        self.own_job("failed", exc_info=SECRET)
        self.meant_job("failed", exc_info=SECRET)
        calls = [("queue.job", *call) for call in self.CALLS]
        calls += [(model, *call) for model in self.MODELS for call in self.USUAL]
        for user in (self.user, self.customer):
            for model, method, args, *kwargs in calls:
                with (
                    self.subTest(f"{user.login}: {model}.{method}"),
                    self.assertRaises(AccessError),
                    self.env.cr.savepoint(),
                ):
                    records = self.env[model].with_user(user)
                    call_kw(records, method, args, dict(*kwargs))

    def test_parameters_are_values(self):
        """What is given for a state, an id or a number is never part of a query."""
        self.own_job()
        hostile = "pending') OR 1 = 1 --"
        self.assertEqual(self.mine(self.other).get_jobs(states=[hostile]), [])
        self.assertEqual(self.mine(self.other).get_jobs(states=[["pending"]]), [])
        for name in ("before", "limit"):
            with self.assertRaises(ValueError):
                self.mine(self.other).get_jobs(**{name: hostile})
        with self.assertRaises(AccessError):
            self.mine(self.other).cancel([("id", ">", 0)])
