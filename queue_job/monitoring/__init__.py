# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Figures and problems for dashboard, metrics and the command line."""
