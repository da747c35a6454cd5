"""Somebody who asks for tokens and spends them."""

from typing import Any

import pytest
import requests

from tests.support.caller import Caller
from tests.support.clerk import Instance, clerk_id
from tests.support.database import Sql
from tests.support.server import Server


class Spender(Caller):
    """A user who calls /api/tokens."""

    def __init__(self, server: Server, clerk: Instance, sub: str = "user_1") -> None:
        super().__init__(server, clerk, sub, "/api/tokens")

    def consume(self, amount: object = 10, *, key: str | None = None, **options: Any) -> requests.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", "/consume", json={"amount": amount}, headers=headers, **options)

    def consume_in_the_end(self, amount: int) -> requests.Response:
        """As a client does that is told 429 or 503: the request waited for two seconds, and its turn did not come."""
        key = clerk_id("spend")
        while (answer := self.consume(amount, key=key)).status_code in {429, 503}:
            continue
        return answer


@pytest.fixture
def spender(server: Server, clerk: Instance, sql: Sql) -> Spender:  # noqa: ARG001 - the tables are to be empty
    return Spender(server, clerk)
