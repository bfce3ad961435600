# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From `record.with_delay().method()` to jobs that are to be stored."""
