# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Recover the jobs whose worker is gone, and whatever else got stuck."""
