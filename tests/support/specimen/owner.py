"""Somebody with specimens."""

from typing import Any

import requests

from tests.support.caller import Caller
from tests.support.clerk import Instance
from tests.support.server import Server

GOOD: dict[str, Any] = {"name": "Fossil"}


class Owner(Caller):
    """A user who calls with session tokens."""

    def __init__(self, server: Server, clerk: Instance, sub: str = "user_1", path: str = "/api/specimens") -> None:
        super().__init__(server, clerk, sub, path)

    def post(self, key: str | None = None, **changes: Any) -> requests.Response:
        """Ask for a specimen, with this Idempotency-Key."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.call("POST", json=GOOD | changes, headers=headers)

    def create(self, key: str | None = None) -> str:
        """A new one; its path."""
        answer = self.post(key)
        assert answer.status_code == 201, answer.text
        return f"/{answer.json()['specimen_id']}"

    def delete(self, path: str) -> None:
        answer = self.call("DELETE", path)
        assert answer.status_code == 204, answer.text
