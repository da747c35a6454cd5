"""Somebody at an address who sends requests to an application in this process, one after the other."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from backend.services.rate_limits.table import Group, amount
from tests.support.clerk import Instance

HOME = "198.51.100.7"


@dataclass
class Client:
    app: Flask
    clerk: Instance
    address: str = HOME

    def send(
        self, path: str = "/auth/me", *, user: str | None = None, method: str = "GET", **options: Any
    ) -> TestResponse:
        """`user`: whose session token it has."""
        headers = options.pop("headers", {})
        if user is not None:
            headers = headers | {"Authorization": f"Bearer {self.clerk.token(sub=user)}"}
        return self.app.test_client().open(
            path, method=method, headers=headers, environ_overrides={"REMOTE_ADDR": self.address}, **options
        )

    def statuses(self, count: int, path: str = "/auth/me", **options: Any) -> Counter[int]:
        """How often each came."""
        return Counter(self.send(path, **options).status_code for _ in range(count))

    def spend(self, group: Group, path: str, plan: str | None = None, **options: Any) -> Counter[int]:
        """Send as many as the table allows."""
        return self.statuses(amount(group, plan), path, **options)
