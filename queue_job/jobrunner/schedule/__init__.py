# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which job may start now: channels, capacities, rates.

Nothing here imports Odoo or reads a database.
"""
