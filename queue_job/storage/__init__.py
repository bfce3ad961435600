# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The rows of jobs: insert, update, depend, keep the ORM informed."""
