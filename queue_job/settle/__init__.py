# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What becomes of an attempt, written down once."""
