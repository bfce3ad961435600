# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A user's client: logs in over XML-RPC and calls methods of models."""

from __future__ import annotations

import xmlrpc.client
from functools import partial
from typing import Any

PROBE = "test.queue.job.probe"


class Client:
    """``client.call("res.partner", "search", [])`` as the given user."""

    def __init__(self, url: str, database: str, login="admin", password="admin"):
        proxy = partial(xmlrpc.client.ServerProxy, allow_none=True)
        self._object = proxy(f"{url}/xmlrpc/2/object")
        self._database = database
        self._password = password
        common = proxy(f"{url}/xmlrpc/2/common")
        self.uid = common.authenticate(database, login, password, {})
        assert self.uid, f"{login} cannot log in"

    def call(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._object.execute_kw(
            self._database, self.uid, self._password, model, method, args, kwargs
        )

    def delay(self, method: str, *args: Any, **options: Any) -> str:
        """Delay a method of the probe model; the uuid of the job."""
        return self.call(PROBE, "delay", method, list(args), options)

    def delay_many(
        self, count: int, method: str, *args: Any, **options: Any
    ) -> list[str]:
        return self.call(PROBE, "delay_many", count, method, list(args), options)
