"""Somebody with campaigns and templates, and what tests look at."""

from collections.abc import Iterator
from typing import Any

import requests

from tests.support.caller import Caller
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

SHOWN = {
    *("campaign_id", "user_id", "name", "description", "status", "channel", "budget", "starts_at", "ends_at"),
    *("tags", "template_id", "version", "created_at", "updated_at"),
}
MOUNTS = ("/api/campaigns", "/campaigns")


class Owner(Caller):
    """A user who calls with session tokens."""

    def __init__(self, server: Server, clerk: Instance, sub: str = "user_1", path: str = MOUNTS[0]) -> None:
        super().__init__(server, clerk, sub, path)

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

    def act(
        self, method: str, campaign: dict[str, Any], action: str = "", if_match: str | None = None, **options: Any
    ) -> requests.Response:
        headers = {} if if_match is None else {"If-Match": if_match}
        return self.call(method, f"/{campaign['campaign_id']}{action}", headers=headers, **options)

    def patch(self, campaign: dict[str, Any], if_match: str | None = None, **changes: Any) -> requests.Response:
        return self.act("PATCH", campaign, if_match=if_match, json=changes)

    def get(self, campaign: dict[str, Any]) -> requests.Response:
        return self.act("GET", campaign)

    def delete(self, campaign: dict[str, Any], if_match: str | None = None) -> requests.Response:
        return self.act("DELETE", campaign, if_match=if_match)

    def archive(self, campaign: dict[str, Any], if_match: str | None = None) -> requests.Response:
        return self.act("POST", campaign, "/archive", if_match)

    def restore(self, campaign: dict[str, Any], if_match: str | None = None) -> requests.Response:
        return self.act("POST", campaign, "/restore", if_match)

    def names(self, **query: Any) -> list[str]:
        return [one["name"] for one in self.page(**query)["campaigns"]]

    def pages(self, **query: Any) -> Iterator[list[str]]:
        return self.listed("campaigns", "name", **query)


def check_counts(sql: Sql) -> None:
    """What is counted and copied is what is there."""
    assert sql.value("SELECT sum(campaigns_created) FROM usage_metrics") == sql.value("SELECT count(*) FROM campaigns")
    copied = "SELECT campaign_id, tag FROM campaign_tags ORDER BY 1, 2"
    held = "SELECT campaign_id, unnest(tags) AS tag FROM campaigns WHERE deleted_at IS NULL ORDER BY 1, 2"
    assert sql.rows(copied) == sql.rows(held)
