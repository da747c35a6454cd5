"""Idempotency-Key where the answer shows an API key: the same key comes again, and the database cannot tell it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.api_keys import KeyOwner, is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.rows import all_rows
from tests.support.server import Server, running_server

ONCE = {"Idempotency-Key": "k"}
BODY = {"name": "backup", "scopes": ["profile:read"]}


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> KeyOwner:  # noqa: ARG001 - the tables are to be empty
    return KeyOwner(server, clerk)


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
        expires_at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
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


class TestSecret:
    def test_is_nowhere_in_the_database(self, owner: KeyOwner, sql: Sql) -> None:
        made = create(owner).json()
        rotated = rotate(owner, made).json()
        text = str(all_rows(sql))
        for key in (made["key"], rotated["key"]):
            assert key not in text
            assert key.removeprefix("sk_app_")[:10] not in text

    def test_under_another_pepper(
        self, owner: KeyOwner, settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path
    ) -> None:
        """What was kept cannot be shown any more; that is said, and no second key is made."""
        create(owner)
        with running_server(tmp_path, settings | {"API_KEY_PEPPER": "another pepper, long enough"}) as server:
            is_problem(create(KeyOwner(server, clerk)), 409, "conflict")
        assert sql.value("SELECT count(*) FROM api_keys") == 1


class TestFullHouse:
    def test_a_leaked_key_can_be_replaced(self, owner: KeyOwner, sql: Sql) -> None:
        """After a change to a smaller plan there are more keys than it allows."""
        owner.call("GET")
        sql.rows("UPDATE subscriptions SET plan = 'pro'")
        keys = [owner.create() for _ in range(7)]
        sql.rows("UPDATE subscriptions SET plan = 'free'")
        body = is_problem(owner.rotate(keys[0], overlap_seconds=60), 402, "quota-exceeded")
        assert (body["limit"], body["used"], body["remaining"], body["resets_at"]) == (5, 7, 0, None)
        assert owner.rotate(keys[0], overlap_seconds=0).status_code == 201
        assert owner.use(keys[0]).status_code == 401
