"""Somebody who calls with session tokens, and what tests look at in the answers."""

from collections.abc import Iterator
from typing import Any

import requests

from tests.support.clerk import Instance
from tests.support.server import Server


class Caller:
    """A user, and the path below which they call. Safe for threads: each request has a connection of its own."""

    def __init__(self, server: Server, clerk: Instance, sub: str = "user_1", path: str = "") -> None:
        self.server, self.clerk, self.sub, self.path = server, clerk, sub, path

    def call(
        self, method: str, path: str = "", *, claims: dict[str, Any] | None = None, **options: Any
    ) -> requests.Response:
        token = self.clerk.token(**{"sub": self.sub} | (claims or {}))
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        url = f"{self.server.url}{self.path}{path}"
        return requests.request(method, url, headers=headers, timeout=30, **options)

    def page(self, **query: Any) -> Any:
        answer = self.call("GET", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def listed(self, member: str, field: str, **query: Any) -> Iterator[list[Any]]:
        """Page after page: this field of what each has in `member`."""
        cursor: dict[str, str] = {}
        while True:
            page = self.page(**query, **cursor)
            yield [one[field] for one in page[member]]
            if page["next_cursor"] is None:
                return
            assert page["next_cursor"] != cursor.get("cursor"), "the same page for ever"
            cursor = {"cursor": page["next_cursor"]}

    def make_key(self, *scopes: str) -> dict[str, str]:
        """The header of a new API key."""
        token = self.clerk.token(sub=self.sub)
        made = self.server.request("POST", "/api/keys", token, json={"name": "k", "scopes": scopes})
        return {"X-API-Key": made.json()["key"]}


def is_problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


def is_same_refusal(one: requests.Response, other: requests.Response) -> bool:
    """But for the request's id."""
    texts = [answer.text.replace(answer.json()["request_id"], "-") for answer in (one, other)]
    return texts[0] == texts[1]
