# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The chosen jobs are claimed and sent to workers as leases."""
