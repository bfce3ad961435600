# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reasons in the words of a user, who may not read all that they name.

What blocks a job may be a job of somebody else: it is named, and linked, only for those
who may read it. Who may read and change what is asked once for all reasons of a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from odoo import fields

from .waiting_reason import CHANNEL, JOB, Reason
from .waiting_texts import FOR_USERS, OF_SERVER, TEXTS

MINUTE, HOUR, DAY = 60, 3600, 86400

#: Seconds; a date further ahead is said to be this far.
FURTHEST = 100 * 365 * DAY


class Words:
    """Says reasons to the user of an environment.

    :param env: of the user
    :param reasons: those that will be said
    """

    def __init__(self, env: Any, reasons: Iterable[Reason | None]) -> None:
        self._env = env
        named = {record for each in reasons for record in _records(each)}
        self._jobs: dict[int, Any] = {}
        self._shown_ids: dict[str, set[int]] = {}
        self._changeable: dict[str, set[int]] = {}
        for model in {model for model, _id in named}:
            ids = sorted(record_id for each, record_id in named if each == model)
            self._look_up(model, env[model].browse(ids).exists())

    def _look_up(self, model: str, records: Any) -> None:
        shown = records._filtered_access("read")
        self._changeable[model] = set(shown._filtered_access("write").ids)
        if model == JOB:
            own = records.sudo().filtered(lambda job: job.user_id == self._env.user)
            shown |= own.sudo(self._env.su)
            self._jobs = {job.id: job for job in shown.sudo()}
        self._shown_ids[model] = set(shown.ids)

    def shows(self, record: tuple[str, int] | None) -> bool:
        """Tell whether the user may know of a record.

        :param record: (model, id) of one that a reason names, or None
        """
        if not record:
            return False
        model, record_id = record
        return record_id in self._shown_ids.get(model, ())

    def remedy(self, reason: Reason | None) -> str | bool:
        """Return the method which helps, False if the user can't call it."""
        cure = reason.cure if reason else None
        if not cure or not cure.record:
            return False
        model, record_id = cure.record
        return cure.remedy if record_id in self._changeable.get(model, ()) else False

    def values(self, reason: Reason) -> dict[str, Any]:
        """Return a reason as RPC tells it: code, text, record, remedy and because."""
        because, is_shown = reason.because, self.shows(reason.record)
        return {
            "code": reason.code,
            "text": self.text(reason),
            "record": list(reason.record) if is_shown else False,
            "remedy": reason.remedy or False if is_shown else False,
            "because": self.values(because) if because else False,
        }

    def text(self, reason: Reason) -> str:
        """Return a reason as sentences."""
        values = dict(reason.values)
        if "job" in values:
            values["job"] = self._name_of_job(values["job"], values.get("steps", 1))
        if "until" in values:
            values["until"] = self._time(values["until"])
        if "duration" in values:
            values["duration"] = self._duration(values["duration"])
        if reason.because:
            values["because"] = self.text(reason.because)
        code = reason.code
        if code in OF_SERVER and not self._hears_of_the_server:
            code = FOR_USERS
        if code == "retry" and reason.record and not self.shows(reason.record):
            code = "retry_lost"  # the error is none of the user's business
        text = self._env._(TEXTS[code])
        text = text % values
        if code == "channel_paused" and reason.record:
            text = f"{text} {self._who_paused(reason.record[1])}".rstrip()
        return text

    def _who_paused(self, channel_id: int) -> str:
        channel = self._env[CHANNEL].sudo().browse(channel_id).exists()
        return channel._who_paused() if channel else ""

    @property
    def _hears_of_the_server(self) -> bool:
        return self._env.su or self._env["queue.job"]._reads_all_jobs()

    def _name_of_job(self, job_id: int, steps: int) -> str:
        name = self._env._("(of another user or company)")
        if self.shows((JOB, job_id)):
            job = self._jobs[job_id]
            name = f"{job.name or job.method_name or ''} [{job.uuid}]"
        if steps > 1:
            return self._env._("%(job)s (%(steps)s steps up)", job=name, steps=steps)
        return name

    def _time(self, seconds: float) -> str:
        """Return a moment of today as a time, and any other with its date."""
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        # to the nearest second: what was read is a little less than what is stored
        moment = now + timedelta(seconds=min(seconds, FURTHEST) + 0.5)
        now, moment = (
            fields.Datetime.context_timestamp(self._env["queue.job"], each)
            for each in (now, moment)
        )
        pattern = "%H:%M:%S" if moment.date() == now.date() else "%Y-%m-%d %H:%M:%S"
        return moment.strftime(pattern)

    def _duration(self, seconds: float) -> str:
        seconds = min(seconds, FURTHEST)
        if seconds < 2 * MINUTE:
            return self._env._("%s s", round(max(seconds, 1)))
        if seconds < 2 * HOUR:
            return self._env._("%s min", round(seconds / MINUTE))
        if seconds < 2 * DAY:
            return self._env._("%s h", round(seconds / HOUR))
        return self._env._("%s days", round(seconds / DAY))


def _records(reason: Reason | None) -> Iterator[tuple[str, int]]:
    """Iterate over the records that a reason names, and those of what it is due to."""
    while reason:
        if reason.record:
            yield reason.record
        reason = reason.because
