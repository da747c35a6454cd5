"""A-09: a key is shown once. After that nobody finds it: not in the tables, not in the log, not on the disk."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.api_keys import KeyOwner
from tests.support.database import Sql
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
    answers = [
        owner.call("GET"),
        *(owner.call("GET", f"/{key['key_id']}") for key in keys),
        owner.use(keys[2]),
    ]
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
