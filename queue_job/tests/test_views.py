# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The views: what a word finds, what pivot and graph group by, how things are named.

One thing has one name, in a button, in a menu and in the title of a dialog.
"""

from ast import literal_eval
from collections import defaultdict

from lxml import etree

from .job_case import JobCase

METHOD = "<res.partner>.read"

#: What a user does in several places, by different methods.
SAME = (
    {"queue.job.requeue", "queue.job.action_requeue_all", "queue.requeue.job"},
    {"queue.job.button_done", "queue.job.action_done_all", "queue.jobs.to.done"},
    {
        *("queue.job.button_cancelled", "queue.job.action_cancel_all"),
        "queue.jobs.to.cancelled",
    },
    {
        *("queue.job.channel.action_ask_pause", "queue.job.channel.pause"),
        "queue.job.channel.pause.action_pause",
    },
)
#: Their labels say what helps, or after what: it is different each time.
SAYS_MORE = {
    "queue.job.action_cure_waiting",
    *(f"queue.job.failure.kind.action_{name}" for name in ("try", "requeue_all")),
}

#: Fields with names from the code, as `<model>.method` or root.sale.
CODE = {
    "queue.job": {
        *("func_string", "method_name", "channel_method_name", "channel"),
        *("exc_name", "exc_message"),
    },
    "queue.job.channel": {"complete_name", "name", "parent_id"},
    "queue.job.function": {"name", "method", "former_names", "channel_id"},
    "queue.job.journal": {"subject"},
}


class TestJobViews(JobCase):
    def fields_of(self, view):
        """The fields at the top of a view."""
        arch = self.env["queue.job"].get_view(view_type=view)["arch"]
        return etree.fromstring(arch).xpath("./field")

    def test_enter_searches_description_and_method(self):
        job = self.job(name="Send the quotations", channel_method_name=METHOD)
        first = self.fields_of("search")[0]
        for word in ("quotations", "partner>.re"):
            domain = literal_eval(
                first.get("filter_domain").replace("self", repr(word))
            )
            self.assertIn(job, self.env["queue.job"].search(domain), word)

    def test_pivot_and_graph_show_jobs_that_wait(self):
        """They open with the filter of the list, which leaves out what is done."""
        job = self.job(channel_method_name=METHOD)
        for view in ("pivot", "graph"):
            shown = self.fields_of(view)
            self.assertFalse([one for one in shown if one.get("type") == "measure"])
            for field in shown:
                self.assertTrue(job[field.get("name")], (view, field.get("name")))


class TestNames(JobCase):
    def views(self):
        """Yield model and arch of each view of the addon."""
        views = self.env["ir.ui.view"].search([("model", "=like", "queue.%")])
        for view in views:
            if view.xml_id.startswith("queue_job."):
                yield view.model, etree.fromstring(view.get_combined_arch())

    def labels(self):
        """Return {what is done: its labels}, in views, menus and dialogs."""
        labels = defaultdict(set)
        for model, arch in self.views():
            for button in arch.iter("button"):
                label = button.get("string") or button.get("title")
                if label and button.get("type") == "object":
                    labels[f"{model}.{button.get('name')}"].add(label)
        actions = self.env["ir.actions.act_window"].search(
            [("res_model", "=like", "queue.%"), ("target", "=", "new")]
        )
        for action in actions:
            labels[action.res_model].add(action.name)
        return labels

    def test_an_action_has_one_name(self):
        labels = self.labels()
        self.assertIn("queue.requeue.job", labels)
        same = {name: min(group) for group in SAME for name in group}
        found = defaultdict(set)
        for name, texts in labels.items():
            if name not in SAYS_MORE:
                # one job, or several of them
                found[same.get(name, name)] |= {text.rstrip("s") for text in texts}
        several = {name: texts for name, texts in found.items() if len(texts) > 1}
        self.assertFalse(several)

    def test_a_menu_is_called_as_its_action(self):
        menus = self.env["ir.ui.menu"].search([("action", "!=", False)])
        menus = [menu for menu in menus if menu._get_external_ids()[menu.id]]
        of_addon = [
            menu
            for menu in menus
            if menu._get_external_ids()[menu.id][0].startswith("queue_job.")
        ]
        self.assertTrue(of_addon)
        for menu in of_addon:
            self.assertEqual(menu.name, menu.action.name)

    def test_names_of_the_code_keep_their_direction(self):
        """In a language that is written from right to left."""
        turned = [
            (model, arch.tag, field.get("name"))
            for model, arch in self.views()
            if arch.tag not in ("search", "pivot", "graph", "calendar")
            for field in arch.iter("field")
            if field.get("name") in CODE.get(model, ())
            and not field.xpath("ancestor::field")  # of another model
            and field.get("invisible") != "1"
            and "o_job_code" not in (field.get("class") or "")
        ]
        self.assertFalse(turned)
