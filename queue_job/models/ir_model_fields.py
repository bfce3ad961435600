# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Make the field type of `JobSerialized` known to the list of fields."""

from odoo import fields, models


class IrModelFields(models.Model):
    _inherit = "ir.model.fields"

    ttype = fields.Selection(
        selection_add=[("job_serialized", "Job Serialized")],
        ondelete={"job_serialized": "cascade"},
    )
