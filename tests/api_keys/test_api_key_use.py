"""`last_used_at`: noted once a minute, and no request waits or fails for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from tests.support.api_keys import KeyOwner
from tests.support.attacks import check_refusal
from tests.support.clerk import Instance
from tests.support.database import Sql, driver_url
from tests.support.server import Server

QUICK_SECONDS = 2.0  # below lock_timeout (3 s), far above a request


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> KeyOwner:  # noqa: ARG001 - the tables are to be empty
    return KeyOwner(server, clerk)


@pytest.fixture
def key(owner: KeyOwner) -> dict[str, Any]:
    return owner.create()


class TestNoteOfUse:
    def last_used(self, sql: Sql) -> Any:
        return sql.value("SELECT last_used_at FROM api_keys")

    def use(self, owner: KeyOwner, key: dict[str, Any]) -> None:
        """The key works, at once, whatever becomes of the note."""
        began = time.monotonic()
        assert owner.use(key).status_code == 200
        assert time.monotonic() - began < QUICK_SECONDS

    def test_once_a_minute(self, owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
        assert self.last_used(sql) is None
        self.use(owner, key)
        first = self.last_used(sql)
        assert first is not None
        self.use(owner, key)
        assert self.last_used(sql) == first
        for seconds, is_noted in ((50, False), (70, True)):
            set_back = sql.value(
                f"UPDATE api_keys SET last_used_at = now() - interval '{seconds} s' RETURNING last_used_at"
            )
            self.use(owner, key)
            assert (self.last_used(sql) != set_back) is is_noted

    def test_waits_for_no_lock_on_the_row(
        self, owner: KeyOwner, key: dict[str, Any], sql: Sql, database_url: str
    ) -> None:
        with holding(database_url, "SELECT FROM api_keys FOR UPDATE"):
            self.use(owner, key)
        assert self.last_used(sql) is None

    def test_waits_for_no_lock_on_the_table(
        self, owner: KeyOwner, key: dict[str, Any], sql: Sql, database_url: str
    ) -> None:
        with holding(database_url, "LOCK TABLE api_keys IN SHARE MODE"):
            self.use(owner, key)
        assert self.last_used(sql) is None

    def test_may_fail(self, owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
        sql.rows("ALTER TABLE api_keys ADD CONSTRAINT never_used CHECK (last_used_at IS NULL)")
        try:
            self.use(owner, key)
        finally:
            sql.rows("ALTER TABLE api_keys DROP CONSTRAINT never_used")
        assert self.last_used(sql) is None
        log = owner.server.log.read_text()
        assert f"The use of API key {key['key_id']} was not noted" in log
        assert key["key"][7:] not in log

    def test_not_of_a_refused_key(self, owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
        owner.revoke(key)
        check_refusal(owner.use(key), "api-key-revoked")
        assert self.last_used(sql) is None


@contextmanager
def holding(database_url: str, lock: str) -> Iterator[None]:
    """Another transaction holds this lock."""
    connection = psycopg2.connect(driver_url(database_url))
    try:
        connection.cursor().execute(lock)
        yield
    finally:
        connection.close()
