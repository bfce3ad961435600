# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A user's client: logs in and calls methods of models, as the web client does."""

from __future__ import annotations

from typing import Any

import requests

from .console import SetupError


class Client:
    """``client.call("res.partner", "search", [])`` as the given user."""

    def __init__(self, url: str, database: str, login="admin", password="admin"):
        self.url = url
        self.session = requests.Session()
        answer = self._post(
            "/web/session/authenticate", db=database, login=login, password=password
        )
        self.uid = answer["uid"]

    def call(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a public method; raise SetupError with the server's reason."""
        return self._post(
            f"/web/dataset/call_kw/{model}/{method}",
            model=model,
            method=method,
            args=args,
            kwargs=kwargs,
        )

    def _post(self, path: str, **params: Any) -> Any:
        message = {"jsonrpc": "2.0", "method": "call", "params": params}
        try:
            answer = self.session.post(f"{self.url}{path}", json=message, timeout=120)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise SetupError(f"{self.url} does not serve {path}: {error}") from error
        content = answer.json()
        if "error" in content:
            data = content["error"].get("data", content["error"])
            raise SetupError(f"{path}: {data['message']}")
        return content.get("result")  # none is sent for None
