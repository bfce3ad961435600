# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A user of the server, who delays methods of the probe model of
``test_queue_job``."""

from __future__ import annotations

from typing import Any

from setup import client

PROBE = "test.queue.job.probe"


class Client(client.Client):
    """A logged-in user."""

    def delay(self, method: str, *args: Any, **options: Any) -> str:
        """Delay a method of the probe; the uuid of the job."""
        return self.call(PROBE, "delay", method, list(args), options)

    def delay_many(
        self, count: int, method: str, *args: Any, **options: Any
    ) -> list[str]:
        """Delay it ``count`` times in one transaction; the uuids of the jobs."""
        return self.call(PROBE, "delay_many", count, method, list(args), options)

    def delay_on(self, model: str, ids: list[int], method: str, *args: Any) -> str:
        """Delay a method of any records; the uuid of the job."""
        return self.call(PROBE, "delay_on", model, ids, method, list(args))
