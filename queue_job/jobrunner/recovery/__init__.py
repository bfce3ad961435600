# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs whose worker is gone, and all else that got stuck."""
