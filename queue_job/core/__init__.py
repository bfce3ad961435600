# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What all stages share: states, options, values, errors and decisions.

Most of it imports nothing of Odoo and reads no database.
"""
