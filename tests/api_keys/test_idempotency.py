"""Idempotency-Key where the answer shows an API key: the same key comes again, and the database cannot tell it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.support.api_keys import KeyOwner
from tests.support.caller import is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.fixtures import StartServer

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

    def test_under_another_pepper(
        self, owner: KeyOwner, start_server: StartServer, clerk: Instance, sql: Sql
    ) -> None:
        """What was kept cannot be shown any more; that is said, and no second key is made. Nor does the key still work:
        whoever steals the table cannot make one."""
        made = create(owner).json()
        with start_server(API_KEY_PEPPER="another pepper, long enough") as server:
            other = KeyOwner(server, clerk)
            is_problem(create(other), 409, "conflict")
            is_problem(other.use(made), 401, "api-key-invalid")
            assert sql.value("SELECT count(*) FROM api_keys") == 1
            assert other.use(other.create()).status_code == 200
