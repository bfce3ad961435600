# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A small company at work: what ``make run`` shows beside the import of contacts.

``furnish`` makes channels, users and a second company, and delays jobs of all kinds:
some run for minutes, some wait, some have failed. ``setup/demo_tour.py`` says where to
look for each. The jobs only pretend to work.
"""

import time

from odoo import api, fields, models
from odoo.fields import Command

from odoo.addons.queue_job.delay import chain, delay_many, group

#: Below `root`: what a channel can be told.
CHANNELS = {
    "month": {"capacity": 1},
    "orders": {"capacity": 1},
    "mail": {"capacity": 1, "rate_limit": 10, "rate_period": 60},
    "shop": {"capacity": 2, "throttle": 1},
    "archive": {"capacity": 1, "paused": True},
}
BRANCH = "Second Company"
MONTH_PARTS = ("Sales", "Purchases", "Stock", "Payroll", "Banks", "Taxes")
ORDER_STEPS = ("confirm", "pack", "ship", "invoice")
LETTERS = 40
PRICES = 3
LINES = 4
WRONG_LINE = 2
ARCHIVED = 40
SAMPLE = 50


class TestQueueJobDemo(models.AbstractModel):
    _name = "test.queue.job.demo"
    _description = "A company at work, for a demonstration"

    @api.model
    def furnish(self) -> bool:
        """Make what there is to see, as a user who may administrate users."""
        root = self.env.ref("queue_job.channel_root")
        self.env["queue.job.channel"].create(
            [
                {"name": name, "parent_id": root.id, **values}
                for name, values in CHANNELS.items()
            ]
        )
        # a list begins with the newest: what is many comes last there
        self._delay_many(ARCHIVED, "_pretend", "root.archive", "Archive a document")
        self._delay_many(LETTERS, "_pretend", "root.mail", "Send the newsletter")
        self._delay_many(PRICES, "_push_price", "root.shop", "Push a price to the shop")
        self._make_users()
        self._delay_scheduled()
        self._delay_lines()
        self._delay_order()
        self._delay_month()
        return True

    # -- who is there ---------------------------------------------------------------

    def _make_users(self):
        """A user without rights on the queue, and the manager of a second company."""
        contacts = self.env.ref("base.group_partner_manager")
        manager = self.env.ref("queue_job.group_queue_job_manager")
        self._make_user("demo", self.env.company, contacts)
        branch = self.env["res.company"].create({"name": BRANCH})
        user = self._make_user("branch", branch, contacts + manager)
        jobs = self.with_user(user).with_company(branch)
        for name in ("Count the stock", "Order new stock", "Print the price list"):
            jobs.with_delay(description=f"{BRANCH}: {name}")._pretend()

    def _make_user(self, login, company, groups):
        """Return a user whose password is the login."""
        return self.env["res.users"].create(
            {
                "name": login.capitalize(),
                "login": login,
                "password": login,
                "company_id": company.id,
                "company_ids": [Command.set(company.ids)],
                "group_ids": [
                    Command.link(group_.id)
                    for group_ in groups + self.env.ref("base.group_user")
                ],
            }
        )

    # -- what it does ---------------------------------------------------------------

    def _delay_month(self):
        """A group whose jobs report how far they are, and one that waits for all."""
        group(
            *(
                self.delayable(
                    channel="root.month", description=f"Close the month: {part}"
                )._close(part)
                for part in MONTH_PARTS
            )
        ).on_done(self.delayable(description="Report of the month")._pretend()).delay()

    def _delay_order(self):
        """A chain."""
        chain(
            *(
                self.delayable(
                    channel="root.orders", description=f"Order S0042: {step}"
                )._pretend(6)
                for step in ORDER_STEPS
            )
        ).delay()

    def _delay_lines(self):
        """A sequence, which one of its jobs holds up."""
        for line in range(1, LINES + 1):
            self.with_delay(
                sequence_key="journal-1", description=f"Book line {line} of journal 1"
            )._book(line)

    def _delay_many(self, count, method, channel, description):
        """So many times the same."""
        options = {"channel": channel, "description": description}
        delay_many(
            getattr(self.delayable(**options), method)() for _number in range(count)
        )

    def _delay_scheduled(self):
        """A job for tomorrow at two o'clock, UTC."""
        tomorrow = fields.Date.add(fields.Date.context_today(self), days=1)
        eta = fields.Datetime.to_datetime(tomorrow).replace(hour=2)
        self.with_delay(eta=eta, description="Value the stock")._pretend()

    # -- the jobs -------------------------------------------------------------------

    def _pretend(self, seconds=0.2):
        """Take a while."""
        time.sleep(seconds)

    def _close(self, part):
        """Close a part of the month."""
        steps = self.job_iter(range(100), message=f"{part}: {{progress}} of 100")
        for _step in steps:
            time.sleep(0.3)
        return self.env._("%s closed", part)

    def _book(self, line):
        """Book a line of a journal; one account is closed until somebody asks again."""
        if line == WRONG_LINE and not self._was_tried():
            raise ValueError("The account of line 2 is closed")
        time.sleep(0.2)

    def _push_price(self):
        """Push a price to the shop, which answers when it is asked again."""
        if not self._was_tried():
            raise ConnectionError("The shop does not answer")
        time.sleep(0.2)

    def _was_tried(self):
        """Whether the running job has failed before."""
        uuid = self.env.context.get("job_uuid")
        attempts = self.env["queue.job.attempt"].sudo()
        return bool(attempts.search_count([("job_id.uuid", "=", uuid)], limit=1))


class TestContactImport(models.Model):
    _inherit = "test.contact.import"

    def action_import_sample(self):
        """Import some contacts, for which the user waits: a button of the list."""
        record = self.create({"name": self.env._("A sample")})
        job = record.with_delay(description=record.name)._import_sample()
        message = self.env._("Importing the contacts")
        return job.wait_action(cancellable=True, message=message)

    def _import_sample(self):
        """Create contacts, one after the other; return the action that shows it."""
        numbers = self.job_iter(
            range(SAMPLE), message=self.env._("{progress} of {valuemax} contacts")
        )
        for number in numbers:
            self.env["res.partner"].create(
                {"name": f"Sample {number}", "test_import_id": self.id}
            )
            time.sleep(0.1)
        self.write({"row_count": SAMPLE, "created_count": SAMPLE, "state": "reported"})
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "views": [[False, "form"]],
        }
