# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a channel does: its limits as they act now, its load, and the history of it.

The numbers of jobs are those of the companies that the user sees. The limits are those
of all: whoever runs the others, they hold up the jobs of everybody.
"""

from odoo import api, fields, models

from ..jobrunner.schedule.channel_config import ChannelLimits
from ..jobrunner.schedule.rate import Rate
from ..monitoring.effective_settings import (
    configured_channels,
    effective_settings,
    maxima_of,
)
from ..monitoring.waiting_facts import recent_starts
from ..monitoring.waiting_reason import opens_in


# pylint: disable=consider-merging-classes-inherited
class QueueJobChannel(models.Model):
    _inherit = "queue.job.channel"

    limits_in_force = fields.Char(
        string="Starts",
        compute="_compute_limits_in_force",
        help="The throttle, the rate and the order that the job runner obeys, and when "
        "they let the next job start.",
    )

    @api.depends("sequential", "throttle", "rate_limit", "rate_period")
    @api.depends_context("lang", "tz")
    def _compute_limits_in_force(self):
        configured = configured_channels()[0]
        maxima = maxima_of(self.env.cr.dbname)
        for channel in self:
            name = channel.complete_name
            settings = effective_settings(name, channel, configured, maxima)
            limits = ChannelLimits(*(settings[each] for each in ChannelLimits._fields))
            channel.limits_in_force = "; ".join(channel._limits_in_words(limits))

    def _limits_in_words(self, limits):
        """Return a text for each limit of the starts, and one for the next start."""
        texts = []
        if limits.sequential:
            texts.append(self.env._("one after the other"))
        if limits.throttle:
            texts.append(self.env._("one in %(period)s s", period=limits.throttle))
        if limits.rate:
            number, period = limits.rate
            texts.append(
                self.env._("%(number)s in %(period)s s", number=number, period=period)
            )
        wait = self._seconds_to_next_start(limits)
        if wait is not None:
            texts.append(
                self.env._("the next in %(seconds)s s", seconds=round(max(wait, 1)))
                if wait
                else self.env._("the next may be now")
            )
        return texts

    def _seconds_to_next_start(self, limits):
        """Return when throttle and rate let a job start, None where there is none."""
        if not (limits.throttle or limits.rate):
            return None
        ages = recent_starts(self.env.cr, self.complete_name, limits)
        throttle = Rate.of(1, limits.throttle) if limits.throttle else None
        return max(opens_in(throttle, ages), opens_in(limits.rate, ages))

    def get_history(self, period="hour") -> dict:
        """Return what the jobs of the channel and of those below it did.

        :param period: a key of `PERIODS`, see `queue_job_dashboard`
        :return: since (a text in UTC), and series: a point for each step of time, as
            those of the dashboard
        :raise AccessError: the user may not read jobs, or the channel
        """
        self.ensure_one()
        self.check_access("read")
        return self.env["queue.job.dashboard"]._history(self.complete_name, period)
