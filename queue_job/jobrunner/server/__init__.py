# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The processes of the Odoo server: where the runner and its workers live."""
