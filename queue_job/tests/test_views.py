# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The views of jobs: what a word finds, and what pivot and graph group by."""

from ast import literal_eval

from lxml import etree

from .job_case import JobCase

METHOD = "<res.partner>.read"


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
