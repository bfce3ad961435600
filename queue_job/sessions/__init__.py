# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The database sessions in which jobs work, one job after the other."""
