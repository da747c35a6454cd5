"""What each operation answers, member by member: a change of it is seen here before clients see it.

`make test ARGS="tests/openapi/test_answers.py --snapshot-update"` takes over what is answered now.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from backend.models.roles_plans_scopes import Plan
from backend.resources import API_KEYS, KEPT_RESPONSES, row_limits
from development.describe_api import describe
from tests.emulator.harness import EmulatorProcess
from tests.support.admins import add_user
from tests.support.answers import Recorder, as_json
from tests.support.clerk import Instance, event, user_data
from tests.support.database import Sql
from tests.support.server import PROJECT, Server, running_server
from tests.support.specimen.owner import GOOD

# The description and its page are as large as the API, and `/` is a page where it was built; their own tests look at
# them.
ELSEWHERE = {"GET /openapi.json", "GET /docs", "GET /"}
LEDGER_ROW = """
INSERT INTO webhook_events (event_id, source, type, subject_id, status, occurred_at, processed_at)
VALUES ('msg_1', 'svix', 'user.created', %s, 'applied', now(), now())
"""


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
    return as_json(snapshot)


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
    key = record("POST /api/keys", json={"name": "backup", "scopes": ["profile:read"]})["key_id"]
    record("GET /api/keys/{key_id}", key)
    new = record("POST /api/keys/{key_id}/rotate", key, json={})["key_id"]
    record("GET /api/keys")
    record("DELETE /api/keys/{key_id}", new)


def call_users(record: Recorder, other: int) -> None:
    record("GET /api/users")
    record("PATCH /api/users/{user_id}", other, json={"role": "developer", "plan": "enterprise"})
    record("POST /api/users/{user_id}/ban", other)
    record("POST /api/users/{user_id}/unban", other)
    record("GET /api/users/{user_id}", other)


def kept_with_features() -> set[str]:
    """The operations whose answers are kept beside the tests of their feature. Specimens are not served."""
    files = (PROJECT / "tests").glob("*/__snapshots__/*/test_answers.json")
    kept = {name for file in files if file.parents[2].name != "openapi" for name in json.loads(file.read_text())}
    return {name for name in kept if "/api/specimens" not in name}


def without_resources(subscription: dict[str, Any]) -> None:
    """Drop what belongs to the resources of the product."""
    own = row_limits(Plan.FREE).keys() - {API_KEYS.quota.name if API_KEYS.quota else "", KEPT_RESPONSES.name}
    for shown in (subscription["limits"], subscription["used"], *subscription["plans"]):
        for name in own & shown.keys():
            del shown[name]


def test_answers(
    record: Recorder, server: Server, clerk: Instance, emulator: EmulatorProcess, sql: Sql, shown: SnapshotAssertion
) -> None:
    call_account(record)
    call_keys(record)
    bob = emulator.create_user("bob.answers@example.com")["id"]
    call_users(record, add_user(sql, clerk_user_id=bob, first_name="Bob"))
    body = event("user.created", user_data("user_3"))
    record.keep(
        "POST /api/webhooks", server.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
    )
    record("POST /api/sessions/revoke")
    described = json.loads(describe())["paths"]
    operations = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert operations - ELSEWHERE - record.answers.keys() == kept_with_features(), "keep a snapshot of what it answers"
    without_resources(record.answers["GET /api/subscription"]["body"])
    assert record.answers == shown


def test_refusals(specimen_server: Server, clerk: Instance, sql: Sql, shown: SnapshotAssertion) -> None:  # noqa: ARG001
    """One of each kind, in the one form that all have."""
    token, server = clerk.token(sub="user_1"), specimen_server
    record = Recorder(server, lambda: token)
    wrong = {"name": "", "description": 1.5, "x": 1}
    for _ in range(2):
        server.request("POST", "/api/specimens", token, json=GOOD)
    tagged = {"If-Match": '"9"'}
    for name, answer in {
        "no credential": server.get("/auth/me"),
        "bad credential": server.get("/auth/me", "x.y.z"),
        "no scope": server.get("/api/users", token),
        "unknown": server.get("/api/specimens/4711", token),
        "wrong values": server.request("POST", "/api/specimens", token, json=wrong),
        "broken body": server.request(
            "POST", "/api/specimens", token, data=b"{", headers={"Content-Type": "application/json"}
        ),
        "other type": server.request("POST", "/api/specimens", token, data=b"x=1"),
        "wrong method": server.request("PUT", "/api/specimens", token),
        "no room": server.request("POST", "/api/specimens", token, json=GOOD),
        "no tokens": server.request("POST", "/api/tokens/consume", token, json={"amount": 20_000}),
        "other version": server.request("PATCH", "/api/specimens/1", token, json={"name": "x"}, headers=tagged),
    }.items():
        assert not answer.ok
        record.keep(name, answer)
    assert record.answers == shown
