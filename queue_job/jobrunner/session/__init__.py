# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the runner knows of its databases: sessions, settings, statements."""
