"""Specimens are made, listed, changed and deleted, within the plan, by their owner alone; and go with their user."""

from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from tests.support.answers import Recorder, as_json
from tests.support.caller import Caller, is_problem
from tests.support.clerk import Instance, event
from tests.support.database import Sql
from tests.support.server import Server, running_server


def test_whole_life(specimen_server: Server, clerk: Instance, sql: Sql) -> None:
    ada, bob = (Caller(specimen_server, clerk, name, "/api/specimens") for name in ("user_1", "user_2"))
    made = ada.call("POST", json={"name": "one"})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    path = f"/{made.json()['specimen_id']}"
    assert made.headers["Location"] == f"/api/specimens{path}"
    changed = ada.call("PATCH", path, json={"description": "x"}, headers={"If-Match": '"1"'})
    assert (changed.json()["description"], changed.headers["ETag"]) == ("x", '"2"')
    is_problem(ada.call("PATCH", path, json={"name": "y"}, headers={"If-Match": '"1"'}), 412, "precondition-failed")
    assert ada.call("GET", path, headers={"If-None-Match": '"2"'}).status_code == 304
    ada.call("POST", json={"name": "two"})
    refused = is_problem(ada.call("POST", json={"name": "three"}), 402, "quota-exceeded")
    assert refused["detail"] == "The plan free has room for 2 specimens. Delete one, or change the plan."
    used = specimen_server.get("/api/subscription", clerk.token(sub="user_1")).json()
    assert (used["limits"]["specimens"], used["used"]["specimens"]) == (2, 2)
    assert [one["name"] for one in ada.page(limit=1)["specimens"]] == ["two"]
    for method in ("GET", "PATCH", "DELETE"):
        is_problem(bob.call(method, path, json={"name": "z"} if method == "PATCH" else None), 404, "not-found")
    assert ada.call("DELETE", path).status_code == 204
    assert sql.value("SELECT count(*) FROM specimens") == 1


def test_goes_with_its_user(
    specimen_server: Server, settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path
) -> None:
    """At once, where nothing is to wait for a merge."""
    Caller(specimen_server, clerk, "user_1", "/api/specimens").call("POST", json={"name": "one"})
    body = event("user.deleted", {"id": "user_1", "object": "user", "deleted": True}, instance_id=clerk.kid)
    at_once = settings | {"DELETED_USER_RETENTION_DAYS": "0"}
    with running_server(tmp_path, at_once, app="tests.support.specimen.wsgi:app") as other:
        told = other.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
    assert told.json() == {"status": "applied"}
    assert sql.value("SELECT count(*) FROM specimens") == 0


def test_answers(specimen_server: Server, clerk: Instance, sql: Sql, snapshot: SnapshotAssertion) -> None:  # noqa: ARG001
    """Member by member; `--snapshot-update` takes over what is answered now."""
    record = Recorder(specimen_server, lambda: clerk.token(sub="user_1"))
    made = record("POST /api/specimens", json={"name": "one"})["specimen_id"]
    record("GET /api/specimens")
    record("GET /api/specimens/{specimen_id}", made)
    record("PATCH /api/specimens/{specimen_id}", made, json={"description": "x"})
    record("DELETE /api/specimens/{specimen_id}", made)
    assert record.answers == as_json(snapshot)
