# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models


class TestRelatedAction(models.Model):
    _name = "test.related.action"
    _description = "Test model for related actions"

    def testing_related_action__no(self, *args) -> None:
        """Related action switched off."""

    def testing_related_action__return_none(self, *args) -> None:
        """Related action that opens nothing."""

    def testing_related_action__kwargs(self, *args) -> None:
        """Related action with keyword arguments from the function record."""

    def testing_related_action__store(self, *args) -> None:
        """Related action that reads the stored arguments of the job."""
