# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job says while it runs."""
