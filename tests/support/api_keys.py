"""Somebody with API keys, and what tests look at."""

from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.support.clerk import Instance
from tests.support.server import Server

SHOWN = {
    "replaced_by",
    "key_id",
    "name",
    "prefix",
    "last_four",
    "scopes",
    "created_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
}
ALL_ROWS = "SELECT (SELECT json_agg(k) FROM api_keys k)::text, (SELECT json_agg(a) FROM audit_events a)::text"


class KeyOwner:
    """A user who calls /api/keys with session tokens. Safe for threads: each request has a connection of its own."""

    def __init__(self, server: Server, clerk: Instance, sub: str = "user_1") -> None:
        self.server = server
        self.clerk = clerk
        self.sub = sub

    def call(self, method: str, path: str = "", **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.clerk.token(sub=self.sub)}"} | options.pop("headers", {})
        url = f"{self.server.url}/api/keys{path}"
        return requests.request(method, url, headers=headers, timeout=30, **options)

    def post(self, **changes: Any) -> requests.Response:
        """Ask for a key; a change to `...` drops the member."""
        body = {"name": "backup", "scopes": ["profile:read"]} | changes
        return self.call("POST", json={name: value for name, value in body.items() if value is not ...})

    def create(self, **changes: Any) -> dict[str, Any]:
        answer = self.post(**changes)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def rotate(self, key: dict[str, Any], **body: Any) -> requests.Response:
        return self.call("POST", f"/{key['key_id']}/rotate", json=body)

    def revoke(self, key: dict[str, Any]) -> requests.Response:
        return self.call("DELETE", f"/{key['key_id']}")

    def use(self, key: dict[str, Any]) -> requests.Response:
        """Call something else with the key."""
        return requests.get(f"{self.server.url}/auth/me", headers={"X-API-Key": key["key"]}, timeout=30)


def is_problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def at(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)
