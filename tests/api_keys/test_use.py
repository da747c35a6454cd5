"""`last_used_at`: noted once a minute, and no request waits or fails for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from sqlalchemy import create_engine, make_url

from backend.services.api_keys.keys import note_use
from tests.support.api_keys import KeyOwner
from tests.support.attacks import check_refusal
from tests.support.database import Sql, driver_url

QUICK_SECONDS = 2.0  # below lock_timeout (3 s), far above a request


@contextmanager
def holding(database_url: str, lock: str) -> Iterator[None]:
    """Another transaction holds this lock."""
    connection = psycopg2.connect(driver_url(database_url))
    try:
        connection.cursor().execute(lock)
        yield
    finally:
        connection.close()


def last_used(sql: Sql) -> Any:
    return sql.value("SELECT last_used_at FROM api_keys")


def use(owner: KeyOwner, key: dict[str, Any]) -> None:
    """The key works, at once, whatever becomes of the note."""
    began = time.monotonic()
    assert owner.use(key).status_code == 200
    assert time.monotonic() - began < QUICK_SECONDS


def test_once_a_minute(owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
    assert last_used(sql) is None
    use(owner, key)
    first = last_used(sql)
    assert first is not None
    use(owner, key)
    assert last_used(sql) == first
    for seconds, is_noted in ((50, False), (70, True)):
        set_back = sql.value(
            f"UPDATE api_keys SET last_used_at = now() - interval '{seconds} s' RETURNING last_used_at"
        )
        use(owner, key)
        assert (last_used(sql) != set_back) is is_noted


@pytest.mark.parametrize("lock", ["SELECT FROM api_keys FOR UPDATE", "LOCK TABLE api_keys IN SHARE MODE"])
def test_waits_for_no_lock(
    owner: KeyOwner, key: dict[str, Any], sql: Sql, database_url: str, lock: str
) -> None:
    with holding(database_url, lock):
        use(owner, key)
    assert last_used(sql) is None


def test_written_once_by_two_who_both_found_it_due(key: dict[str, Any], sql: Sql, database_url: str) -> None:
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    times = []
    for _ in range(2):
        with engine.begin() as connection:
            note_use(connection, key["key_id"])
        times.append(last_used(sql))
    engine.dispose()
    assert times[0] is not None
    assert times[0] == times[1]


def test_may_fail(owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
    sql.rows("ALTER TABLE api_keys ADD CONSTRAINT never_used CHECK (last_used_at IS NULL)")
    try:
        use(owner, key)
    finally:
        sql.rows("ALTER TABLE api_keys DROP CONSTRAINT never_used")
    assert last_used(sql) is None
    log = owner.server.log.read_text()
    assert f"The use of API key {key['key_id']} was not noted" in log
    assert key["key"][7:] not in log


def test_not_of_a_refused_key(owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
    owner.revoke(key)
    check_refusal(owner.use(key), "api-key-revoked")
    assert last_used(sql) is None
