"""Somebody with API keys, and what tests look at."""

from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.support.caller import Caller
from tests.support.clerk import Instance
from tests.support.server import Server

SHOWN = {
    *("key_id", "name", "prefix", "last_four", "scopes", "replaced_by"),
    *("created_at", "expires_at", "revoked_at", "last_used_at"),
}
ALL_ROWS = "SELECT (SELECT json_agg(k) FROM api_keys k)::text, (SELECT json_agg(a) FROM audit_events a)::text"


class KeyOwner(Caller):
    """A user who calls /api/keys with session tokens."""

    def __init__(self, server: Server, clerk: Instance, sub: str = "user_1") -> None:
        super().__init__(server, clerk, sub, "/api/keys")

    def post(self, **changes: Any) -> requests.Response:
        """Ask for a key; a change to `...` drops the member."""
        body = {"name": "backup", "scopes": ["profile:read"]} | changes
        return self.call("POST", json={name: value for name, value in body.items() if value is not ...})

    def create(self, **changes: Any) -> dict[str, Any]:
        answer = self.post(**changes)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def show(self, key: dict[str, Any]) -> Any:
        return self.call("GET", f"/{key['key_id']}").json()

    def rotate(self, key: dict[str, Any], **body: Any) -> requests.Response:
        return self.call("POST", f"/{key['key_id']}/rotate", json=body)

    def revoke(self, key: dict[str, Any]) -> requests.Response:
        return self.call("DELETE", f"/{key['key_id']}")

    def use(self, key: dict[str, Any]) -> requests.Response:
        """Call something else with the key."""
        return requests.get(f"{self.server.url}/auth/me", headers={"X-API-Key": key["key"]}, timeout=30)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def at(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)
