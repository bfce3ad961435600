# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Scheduled actions which enqueue a job instead of running in a cron worker."""

from . import models
