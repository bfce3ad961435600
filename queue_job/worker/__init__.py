# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A worker serves a lease: it runs one job after the other."""
