"""Somebody with campaigns and templates, and what tests look at."""

from collections.abc import Iterator
from typing import Any

import requests

from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

SHOWN = {
    *("campaign_id", "user_id", "name", "description", "status", "channel", "budget", "starts_at", "ends_at"),
    *("tags", "template_id", "version", "created_at", "updated_at"),
}
MOUNTS = ("/api/campaigns", "/campaigns")


class Owner:
    """A user who calls with session tokens. Safe for threads: each request has a connection of its own."""

    def __init__(self, server: Server, clerk: Instance, sub: str = "user_1", path: str = MOUNTS[0]) -> None:
        self.server = server
        self.clerk = clerk
        self.sub = sub
        self.path = path

    def call(self, method: str, path: str = "", **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.clerk.token(sub=self.sub)}"} | options.pop("headers", {})
        return requests.request(
            method, f"{self.server.url}{self.path}{path}", headers=headers, timeout=30, **options
        )

    def post(self, key: str | None = None, **changes: Any) -> requests.Response:
        """Ask for a campaign or template; a change to `...` drops the member."""
        body = {"name": "Spring sale", "channel": "email"} | changes
        headers = {} if key is None else {"Idempotency-Key": key}
        sent = {name: value for name, value in body.items() if value is not ...}
        return self.call("POST", json=sent, headers=headers)

    def create(self, **changes: Any) -> dict[str, Any]:
        answer = self.post(**changes)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def patch(
        self, campaign: dict[str, Any], if_match: str | None = None, **changes: Any
    ) -> requests.Response:
        headers = {} if if_match is None else {"If-Match": if_match}
        return self.call("PATCH", f"/{campaign['campaign_id']}", json=changes, headers=headers)

    def get(self, campaign: dict[str, Any]) -> requests.Response:
        return self.call("GET", f"/{campaign['campaign_id']}")

    def delete(self, campaign: dict[str, Any]) -> requests.Response:
        return self.call("DELETE", f"/{campaign['campaign_id']}")

    def archive(self, campaign: dict[str, Any]) -> requests.Response:
        return self.call("POST", f"/{campaign['campaign_id']}/archive")

    def restore(self, campaign: dict[str, Any]) -> requests.Response:
        return self.call("POST", f"/{campaign['campaign_id']}/restore")

    def page(self, **query: Any) -> dict[str, Any]:
        answer = self.call("GET", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def names(self, **query: Any) -> list[str]:
        return [one["name"] for one in self.page(**query)["campaigns"]]

    def pages(self, **query: Any) -> Iterator[list[str]]:
        cursor: dict[str, str] = {}
        while True:
            page = self.page(**query, **cursor)
            yield [one["name"] for one in page["campaigns"]]
            if page["next_cursor"] is None:
                return
            assert page["next_cursor"] != cursor.get("cursor"), "the same page for ever"
            cursor = {"cursor": page["next_cursor"]}

    def make_key(self, *scopes: str) -> dict[str, str]:
        """The header of a new API key."""
        body = {"name": "k", "scopes": list(scopes)}
        token = self.clerk.token(sub=self.sub)
        made = self.server.request("POST", "/api/keys", token, json=body)
        return {"X-API-Key": made.json()["key"]}


def set_plan(sql: Sql, plan: str, sub: str = "user_1") -> None:
    sql.rows(
        "UPDATE subscriptions SET plan = %s WHERE user_id = (SELECT user_id FROM users WHERE clerk_user_id = %s)",
        plan,
        sub,
    )


def is_problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


def is_same_refusal(one: requests.Response, other: requests.Response) -> bool:
    """But for the request's id."""
    texts = [answer.text.replace(answer.json()["request_id"], "-") for answer in (one, other)]
    return texts[0] == texts[1]


def check_counts(sql: Sql) -> None:
    """What is counted and copied is what is there."""
    assert sql.value("SELECT sum(campaigns_created) FROM usage_metrics") == sql.value(
        "SELECT count(*) FROM campaigns"
    )
    copied = "SELECT campaign_id, tag FROM campaign_tags ORDER BY 1, 2"
    held = "SELECT campaign_id, unnest(tags) AS tag FROM campaigns WHERE deleted_at IS NULL ORDER BY 1, 2"
    assert sql.rows(copied) == sql.rows(held)
