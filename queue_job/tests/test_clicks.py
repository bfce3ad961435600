# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""No click repeats a done job without a word of its own, whoever clicks.

Each role clicks each button and each entry of the menu of actions that our views show,
on done jobs: as the web client does it, whatever the button is hidden for, since a page
may show what a job was a minute ago. Where a dialog opens its buttons are clicked as
well, with what the dialog offers: no box is ticked. What the code of the web client
calls is tried with the calls of `rpc_case`.

Whatever is clicked, the done jobs stay done, and no new job does the same, unless the
button asks for confirmation (`confirm`).
"""

import re
from pathlib import Path

from lxml import etree

from odoo.service.model import call_kw
from odoo.tests import tagged
from odoo.tools import file_path, mute_logger
from odoo.tools.safe_eval import safe_eval

from .rpc_case import RpcCase
from .test_rpc import MUTED as MUTED_OF_RPC

MUTED = (*MUTED_OF_RPC, "odoo.addons.base.models.ir_actions")

#: A call of a method of a model in the code of the web client.
CLIENT_CALL = re.compile(r"""\bcall\(\s*(?:[\w.]+|"[\w.]+"),\s*"(\w+)\"""")

CLICKABLE = "//*[self::button or self::a][@type='object' or @type='action']"

STATES = """
SELECT id, state FROM queue_job WHERE id = ANY(%s) AND state <> 'done'
UNION ALL
SELECT id, 'a new job does the same' FROM queue_job
 WHERE method_name = 'read' AND id <> ALL(%s)"""

#: Dialogs within dialogs.
DEPTH = 3


@tagged("post_install", "-at_install")
class TestClicks(RpcCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.done = cls.jobs
        for company in (cls.env.company, cls.elsewhere):
            parent = cls.done_job(company)
            cls.done += parent + cls.done_job(company, parent)
        cls.done += cls.at_home.filtered(lambda job: job.state == "done")
        cls.all_jobs = cls.jobs.search([])
        cls.clicked = set()

    @classmethod
    def done_job(cls, company, parents=None):
        return cls.job(
            cls,
            "done",
            parents,
            graph_uuid=f"clicks-{company.id}",
            company_id=company.id,
            user_id=1,
            records=cls.env["res.partner"].browse(1),
            args=[["name"]],
            date_started="2026-01-01 00:00:00",
            date_done="2026-01-01 00:00:01",
        )

    # -- what there is to click ------------------------------------------------------

    def buttons(self, user):
        """Yield (model, button) of all views of our models, as the user sees them."""
        ours = self.own_models()
        views = self.env["ir.ui.view"].search(
            [
                ("model", "in", ours),
                ("mode", "=", "primary"),
                ("type", "not in", ("qweb", "search")),
            ]
        )
        for view in views:
            model = self.env[view.model].with_user(user)
            if not model.has_access("read"):  # no page of it opens
                continue
            arch = model.get_view(view.id, view.type)["arch"]
            for button in etree.fromstring(arch).xpath(CLICKABLE):
                yield self._model_of(view.model, button), button

    def _model_of(self, model, button):
        """Return the model of the records of a button: that of a list in a form."""
        fields = list(button.iterancestors("field"))
        for node in reversed(fields):
            field = self.env[model]._fields.get(node.get("name"))
            model = field.comodel_name if field is not None else model
        return model

    def entries(self, user):
        """Yield (model, action) of the menus of actions of our models."""
        for model in self.own_models():
            actions = self.env["ir.actions.actions"].with_user(user)
            for action in actions.get_bindings(model).get("action", ()):
                yield model, action["id"]

    def ids(self, model):
        """Return lists of ids, each of which a view has selected."""
        if model == "queue.job":
            return [*([job_id] for job_id in self.done.ids), self.done.ids]
        if self.env[model]._abstract or self.env[model].is_transient():
            return []  # dialogs are clicked where they open
        found = self.env[model].sudo().search([], limit=5)
        return [[record_id] for record_id in found.ids]

    # -- clicks ----------------------------------------------------------------------

    def click(self, user, model, button, ids):
        """Click a button; return what it has repeated."""
        name, asks = button.get("name"), bool(button.get("confirm"))
        self.clicked.add((model, name))
        if button.get("type") == "action":
            return self.try_out(self.open, user, int(name), model, ids, asks=asks)
        context = safe_eval(button.get("context") or "{}", {"active_id": ids[0]})
        return self.try_out(self.press, user, model, name, ids, context, asks=asks)

    def try_out(self, action, *args, asks=False):
        """Do something, return what it has repeated, and undo it.

        :param asks: the user has confirmed it: a new job may do the same
        """
        cr = self.env.cr
        self.env.transaction.clear()
        cr.execute("SAVEPOINT click")
        try:
            action(*args)
            self.env.flush_all()
        except Exception:
            # of the button: nothing is left of it
            self.env.transaction.clear()
            cr.execute("ROLLBACK TO SAVEPOINT click")
        cr.execute(STATES, [self.done.ids, self.all_jobs.ids])
        found = cr.fetchall()
        self.env.transaction.clear()
        for hooks in (cr.precommit, cr.postcommit, cr.prerollback, cr.postrollback):
            hooks.clear()
        cr.execute("ROLLBACK TO SAVEPOINT click")
        new = "a new job does the same"
        return [each for each in found if not (asks and each[1] == new)]

    def press(self, user, model, method, ids, own=None, depth=0):
        """Call the method of a button, and click what opens then.

        :param own: context of the button
        """
        context = {"active_model": model, "active_ids": ids, "active_id": ids[0]}
        context.update(own or {})
        records = self.env(user=user)[model]
        self.follow(user, call_kw(records, method, [ids], {"context": context}), depth)

    def open(self, user, action_id, model, ids, depth=0):
        """Run an action on records, and click what opens then."""
        context = {"active_model": model, "active_ids": ids, "active_id": ids[0]}
        actions = self.env(user=user)["ir.actions.actions"].with_context(**context)
        action = actions.browse(action_id).sudo()
        if action.type == "ir.actions.server":
            server = actions.env["ir.actions.server"].browse(action_id)
            self.follow(user, server.run(), depth)
        elif action.type == "ir.actions.act_window":
            values = self.env["ir.actions.act_window"].sudo().browse(action_id)
            opened = {"type": action.type, "res_model": values.res_model}
            self.follow(user, {**opened, "context": context}, depth)

    def follow(self, user, action, depth):
        """Click all buttons of a dialog that an action opens."""
        if not isinstance(action, dict) or depth >= DEPTH:
            return
        model = action.get("res_model")
        if not model or model not in self.env or not self.env[model].is_transient():
            return
        wizards = self.env(user=user)[model]
        if isinstance(action.get("context"), dict):
            wizards = wizards.with_context(**action["context"])
        wizard = wizards.browse(action.get("res_id")) or wizards.create({})
        arch = wizards.get_view(view_type="form")["arch"]
        for button in etree.fromstring(arch).xpath(CLICKABLE):
            self.clicked.add((model, button.get("name")))
            self.press(user, model, button.get("name"), wizard.ids, None, depth + 1)

    def repeated(self, role):
        """Return what a role repeats by clicking all that there is."""
        user, found = self.users[role], []
        for model, button in list(self.buttons(user)):
            for ids in self.ids(model):
                repeated = self.click(user, model, button, ids)
                if repeated:
                    found.append((role, model, button.get("name"), repeated))
        for model, action_id in list(self.entries(user)):
            for ids in self.ids(model):
                repeated = self.try_out(self.open, user, action_id, model, ids)
                if repeated:
                    found.append((role, model, action_id, repeated))
        return found

    # -- tests -----------------------------------------------------------------------

    @mute_logger(*MUTED)
    def test_no_click_repeats_a_done_job(self):
        for role in ("employee", "owner", "manager", "elsewhere", "admin"):
            with self.subTest(role):
                self.assertEqual(self.repeated(role), [])
        expected = {
            ("queue.job", "requeue"),
            ("queue.job", "action_requeue_all"),
            ("queue.job", "action_duplicate"),
            ("queue.job", "action_cure_waiting"),
            ("queue.requeue.job", "action_change"),
            ("queue.jobs.to.cancelled", "action_change"),
            ("queue.jobs.to.done", "action_change"),
            ("queue.job.channel", "action_resume"),
            ("queue.job.journal", "action_undo"),
        }
        self.assertLessEqual(expected, self.clicked)

    @mute_logger(*MUTED)
    def test_a_button_that_does_is_found(self):
        self.env["ir.ui.view"].create(
            {
                "name": "repeats",
                "model": "queue.job",
                "inherit_id": self.env.ref("queue_job.view_queue_job_form").id,
                "arch": """<header position="inside">
                    <button name="requeue" type="object" string="Again"/>
                </header>""",
            }
        )
        found = self.repeated("manager")
        self.assertEqual({name for _role, _model, name, _what in found}, {"requeue"})

    @mute_logger(*MUTED)
    def test_an_entry_of_the_menu_that_does_is_found(self):
        model = self.env["ir.model"]._get("queue.job")
        action = self.env["ir.actions.server"].create(
            {
                "name": "Again",
                "model_id": model.id,
                "binding_model_id": model.id,
                "state": "code",
                "code": "records.action_duplicate()",
            }
        )
        found = self.repeated("manager")
        self.assertEqual({name for _role, _model, name, _what in found}, {action.id})

    @mute_logger(*MUTED)
    def test_what_the_code_of_the_client_calls(self):
        names = set()
        for path in Path(file_path("queue_job/static/src")).rglob("*.js"):
            names.update(CLIENT_CALL.findall(path.read_text()))
        own = [(model, name) for model, name in self.own_methods() if name in names]
        self.assertIn(("queue.job.dashboard", "requeue_failures"), own)
        self.assertIn(("queue.job", "change_matching"), own)
        for role in ("owner", "manager", "admin"):
            for model, method in own:
                for args, _counts in self.calls(model, method, role):
                    repeated = self.try_out(self.call, role, model, method, args)
                    self.assertFalse(repeated, f"{role}: {model}.{method}(*{args})")

    def call(self, role, model, method, args):
        """Call a method as the code of the web client does, and click what opens."""
        user = self.users[role]
        answer = call_kw(self.env(user=user)[model], method, list(args), {})
        self.follow(user, answer, 0)
