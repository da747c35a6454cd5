"""A-09: a key is shown once, or again to whoever sends the same Idempotency-Key. Nobody else finds it: in no table, log
or file.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.api_keys import KeyOwner
from tests.support.caller import is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.rows import all_rows


@pytest.fixture
def keys(owner: KeyOwner) -> list[dict[str, Any]]:
    """Keys that were made, used, rotated, revoked, refused, and made and rotated with an Idempotency-Key."""
    keys = [owner.create(name=f"key {number}") for number in range(2)]
    keys.append(owner.rotate(keys[0]).json())
    body, once = {"name": "once", "scopes": ["profile:read"]}, {"Idempotency-Key": "k"}
    keys.append(owner.call("POST", json=body, headers=once).json())
    keys.append(owner.call("POST", f"/{keys[-1]['key_id']}/rotate", json={}, headers=once).json())
    owner.revoke(keys[1])
    for key in keys:
        owner.use(key)
        owner.server.get("/auth/me", f"{key['key']}x")
        owner.server.get("/auth/me", headers={"X-API-Key": key["key"].lower()})
    return keys


def random_part(key: dict[str, Any]) -> str:
    return str(key["key"]).removeprefix("sk_app_")[:31]


def test_no_answer_shows_it_again(owner: KeyOwner, keys: list[dict[str, Any]]) -> None:
    answers = [owner.call("GET"), *(owner.call("GET", f"/{key['key_id']}") for key in keys), owner.use(keys[2])]
    for key in keys:
        assert all(random_part(key) not in answer.text for answer in answers)


def test_no_row_of_any_table(keys: list[dict[str, Any]], sql: Sql) -> None:
    tables = all_rows(sql)
    assert {"api_keys", "audit_events", "idempotency_keys"} <= tables.keys()
    rows = [str(row) for table in tables.values() for row in table]
    assert sum("sk_app" in row for row in rows) == len(keys)
    for key in keys:
        assert not [row for row in rows if random_part(key)[:10] in row]


def test_no_line_of_the_log(owner: KeyOwner, keys: list[dict[str, Any]]) -> None:
    log = owner.server.log.read_text(errors="replace")
    for key in keys:
        assert random_part(key) not in log
        assert random_part(key).lower() not in log


def test_no_file_of_the_database(keys: list[dict[str, Any]], sql: Sql) -> None:
    """Tables, write-ahead log and PostgreSQL's own log. The hash is there: the search does find things."""
    folder = Path(sql.value("SHOW data_directory")).parent
    if not (folder / "server.log").exists():
        pytest.skip("the files of a server that the tests did not start are not theirs to read")
    sql.rows("CHECKPOINT")
    digest = sql.value("SELECT key_hash FROM api_keys LIMIT 1").encode()
    parts = [random_part(key).encode() for key in keys]
    found_digest = False
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found_digest |= digest in content
            assert not [part for part in parts if part in content], file
    assert found_digest


ONCE = {"Idempotency-Key": "k"}
BODY = {"name": "backup", "scopes": ["profile:read"]}


def create(owner: KeyOwner, **changes: Any) -> requests.Response:
    return owner.call("POST", json=BODY | changes, headers=ONCE)


def rotate(owner: KeyOwner, key: dict[str, Any]) -> requests.Response:
    return owner.call("POST", f"/{key['key_id']}/rotate", json={}, headers=ONCE)


class TestAgain:
    def test_create(self, owner: KeyOwner, sql: Sql) -> None:
        first, again = create(owner), create(owner)
        assert (first.status_code, again.status_code) == (201, 201)
        assert (again.json(), again.headers["Location"]) == (first.json(), first.headers["Location"])
        assert [answer.headers.get("Idempotent-Replayed") for answer in (first, again)] == [None, "true"]
        assert sql.value("SELECT count(*) FROM api_keys") == 1
        assert owner.use(again.json()).status_code == 200

    def test_rotate(self, owner: KeyOwner, sql: Sql) -> None:
        """Without the header the second one is a conflict."""
        old = create(owner).json()
        first, again = rotate(owner, old), rotate(owner, old)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert sql.value("SELECT count(*) FROM api_keys") == 2
        assert owner.use(again.json()).status_code == 200

    def test_after_its_end(self, owner: KeyOwner, sql: Sql) -> None:
        """What was asked for lies in the past by now. It was good when it was asked for."""
        expires_at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        first = create(owner, expires_at=expires_at)
        assert first.status_code == 201
        while not sql.value("SELECT now() > expires_at FROM api_keys"):
            time.sleep(0.1)
        again = create(owner, expires_at=expires_at)
        assert (again.status_code, again.json()) == (201, first.json())

    def test_other_body(self, owner: KeyOwner, sql: Sql) -> None:
        create(owner)
        is_problem(create(owner, name="other"), 409, "conflict")
        assert sql.value("SELECT count(*) FROM api_keys") == 1

    def test_somebody_elses(self, owner: KeyOwner, clerk: Instance) -> None:
        key = create(owner).json()["key"]
        assert create(KeyOwner(owner.server, clerk, "user_2")).json()["key"] != key

    def test_under_another_pepper(self, owner: KeyOwner, start_server: StartServer, clerk: Instance, sql: Sql) -> None:
        """What was kept cannot be shown any more; that is said, and no second key is made. Nor does the key still work:
        whoever steals the table cannot make one.
        """
        made = create(owner).json()
        with start_server(API_KEY_PEPPER="another pepper, long enough") as server:
            other = KeyOwner(server, clerk)
            is_problem(create(other), 409, "conflict")
            is_problem(other.use(made), 401, "api-key-invalid")
            assert sql.value("SELECT count(*) FROM api_keys") == 1
            assert other.use(other.create()).status_code == 200
