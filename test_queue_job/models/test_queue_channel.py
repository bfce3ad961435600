# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models


class TestQueueChannel(models.Model):
    _name = "test.queue.channel"
    _description = "Test model for queue.channel"

    def job_a(self) -> None:
        """Run in the default channel, by a function record."""

    def job_b(self) -> None:
        """Run in the default channel, without a function record."""

    def job_sub_channel(self) -> None:
        """Run in root.sub.subsub."""
