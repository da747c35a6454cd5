"""What each operation answers, member by member: a change of it is seen here before clients see it.

`make test ARGS="tests/openapi/test_answers.py --snapshot-update"` takes over what is answered now.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from development.describe_api import describe
from tests.emulator.harness import EmulatorProcess
from tests.support.admins import add_user
from tests.support.clerk import Instance, event, user_data
from tests.support.database import Sql
from tests.support.server import Server, running_server

# The description and its page are as large as the API, and `/` is a page where it was built; their own tests look at
# them.
ELSEWHERE = {"GET /openapi.json", "GET /docs", "GET /"}
HEADERS = ("Content-Type", "Location", "ETag", "WWW-Authenticate", "Retry-After")
MOST_BYTES = 2_000
LEDGER_ROW = """
INSERT INTO webhook_events (event_id, source, type, subject_id, status, occurred_at, processed_at)
VALUES ('msg_1', 'svix', 'user.created', %s, 'applied', now(), now())
"""
CHANGING = (
    (re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+Z"), "<time>"),
    (re.compile(r"\b(user|sess)_[0-9A-Za-z]{20,}"), r"<\1>"),
    (re.compile(r"http://localhost:\d+"), "<clerk>"),
    (re.compile(r"sk_app_[0-9A-Za-z]{37}"), "<key>"),
)
CHANGING_MEMBERS = {"request_id", "last_four", "next_cursor"}


class Recorder:
    """Calls as an admin, and keeps what was answered under the name of the operation."""

    def __init__(self, server: Server, token: Callable[[], str]) -> None:
        self._server = server
        self._token = token
        self.answers: dict[str, Any] = {}

    def __call__(self, name: str, *ids: int, query: str = "", **options: Any) -> Any:
        """`name`: method and path of the operation, as the description has it."""
        method, template = name.split()
        found = iter(ids)
        path = re.sub(r"\{\w+\}", lambda _: str(next(found)), template)
        answer = self._server.request(method, path + query, self._token(), **options)
        assert answer.ok, (name, answer.text)
        self.keep(name, answer)
        return answer.json() if answer.content else None

    def keep(self, name: str, answer: requests.Response) -> None:
        assert len(answer.content) <= MOST_BYTES, name
        headers = {header: answer.headers[header] for header in HEADERS if header in answer.headers}
        body = json.loads(answer.content) if answer.content else None
        self.answers[name] = steady({"status": answer.status_code, "headers": headers, "body": body})


def steady(value: Any) -> Any:
    """Without what differs from one run to the next."""
    if isinstance(value, dict):
        return {
            name: "<text>" if name in CHANGING_MEMBERS and part is not None else steady(part)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [steady(part) for part in value]
    if isinstance(value, str):
        for pattern, replacement in CHANGING:
            value = pattern.sub(replacement, value)
    return value


@pytest.fixture(scope="module")
def server(
    settings: dict[str, str], emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    own = settings | {"CLERK_API_URL": emulator.url, "CLERK_SECRET_KEY": emulator.keys["CLERK_SECRET_KEY"]}
    with running_server(tmp_path_factory.mktemp("answers"), own) as running:
        yield running


@pytest.fixture
def record(server: Server, clerk: Instance, emulator: EmulatorProcess, sql: Sql) -> Recorder:
    admin = emulator.create_user("admin.answers@example.com")["id"]
    add_user(sql, clerk_user_id=admin, role="admin", first_name="Ada", plan="pro")
    sql.rows(LEDGER_ROW, admin)
    session = emulator.create_session(admin)["id"]
    return Recorder(server, lambda: clerk.token(sub=admin, sid=session))


@pytest.fixture
def shown(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


def call_account(record: Recorder) -> None:
    for path in ("/config.json", "/healthz", "/readyz", "/auth/me", "/protected", "/api/subscription", "/api/tokens"):
        record(f"GET {path}")
    record(
        "PATCH /api/me", json={"bio": "Counts.", "website": None, "social_links": {"github": "https://github.com/ada"}}
    )
    record("GET /api/me")
    record("GET /api/me/events")
    record("POST /api/tokens/consume", json={"amount": 25})


def call_keys(record: Recorder) -> None:
    key = record("POST /api/keys", json={"name": "backup", "scopes": ["campaigns:read"]})["key_id"]
    record("GET /api/keys/{key_id}", key)
    new = record("POST /api/keys/{key_id}/rotate", key, json={})["key_id"]
    record("GET /api/keys")
    record("DELETE /api/keys/{key_id}", new)


def call_campaigns(record: Recorder) -> None:
    template = record("POST /api/templates", json={"name": "Sale", "channel": "email", "tags": ["a"]})["template_id"]
    record("GET /api/templates")
    record("GET /api/templates/{template_id}", template)
    record("PATCH /api/templates/{template_id}", template, json={"description": "Every spring."})
    for mount in ("/api/campaigns", "/campaigns"):
        made = record(
            f"POST {mount}", json={"template_id": template, "budget": {"amount_minor": 125_000, "currency": "EUR"}}
        )
        one, campaign = f"{mount}/{{campaign_id}}", made["campaign_id"]
        record(f"GET {one}", campaign)
        record(f"PATCH {one}", campaign, json={"status": "active", "starts_at": "2027-03-01T09:00:00Z"})
        record(f"POST {one}/archive", campaign)
        record(f"POST {one}/restore", campaign)
        record(f"GET {mount}", query="?limit=1")
        record(f"DELETE {one}", campaign)
    record("DELETE /api/templates/{template_id}", template)


def call_users(record: Recorder, other: int) -> None:
    record("GET /api/users")
    record("PATCH /api/users/{user_id}", other, json={"role": "developer", "plan": "enterprise"})
    record("POST /api/users/{user_id}/ban", other)
    record("POST /api/users/{user_id}/unban", other)
    record("GET /api/users/{user_id}", other)


def test_answers(
    record: Recorder, server: Server, clerk: Instance, emulator: EmulatorProcess, sql: Sql, shown: SnapshotAssertion
) -> None:
    call_account(record)
    call_keys(record)
    call_campaigns(record)
    bob = emulator.create_user("bob.answers@example.com")["id"]
    call_users(record, add_user(sql, clerk_user_id=bob, first_name="Bob"))
    body = event("user.created", user_data("user_3"))
    record.keep(
        "POST /api/webhooks", server.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
    )
    record("POST /api/sessions/revoke")
    described = json.loads(describe())["paths"]
    operations = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert set(record.answers) == operations - ELSEWHERE
    assert record.answers == shown


def test_refusals(server: Server, clerk: Instance, sql: Sql, shown: SnapshotAssertion) -> None:  # noqa: ARG001
    """One of each kind, in the one form that all have."""
    token = clerk.token(sub="user_1")
    record = Recorder(server, lambda: token)
    wrong = {"name": "", "channel": "fax", "budget": {"amount_minor": 1.5}, "x": 1}
    campaign = {"name": "x", "channel": "sms"}
    for _ in range(3):
        server.request("POST", "/api/campaigns", token, json=campaign)
    tagged = {"If-Match": '"9"'}
    for name, answer in {
        "no credential": server.get("/auth/me"),
        "bad credential": server.get("/auth/me", "x.y.z"),
        "no scope": server.get("/api/users", token),
        "unknown": server.get("/api/campaigns/4711", token),
        "wrong values": server.request("POST", "/api/campaigns", token, json=wrong),
        "broken body": server.request(
            "POST", "/api/campaigns", token, data=b"{", headers={"Content-Type": "application/json"}
        ),
        "other type": server.request("POST", "/api/campaigns", token, data=b"x=1"),
        "wrong method": server.request("PUT", "/api/campaigns", token),
        "no room": server.request("POST", "/api/campaigns", token, json=campaign),
        "no tokens": server.request("POST", "/api/tokens/consume", token, json={"amount": 20_000}),
        "other version": server.request("PATCH", "/api/campaigns/1", token, json={}, headers=tagged),
        "wrong status": server.request("PATCH", "/api/campaigns/1", token, json={"status": "completed"}),
    }.items():
        assert not answer.ok
        record.keep(name, answer)
    assert record.answers == shown
