"""A commit whose confirmation was lost is tried again: `in_transaction` then runs the same work a second time."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from backend.models.choices import Plan
from backend.services.api_keys.form import KeyForm
from backend.services.api_keys.keys import (
    ApiKey,
    MintedKey,
    create_key,
    note_use,
    revoke_key,
    rotate_key,
)
from backend.services.audit import CLI
from backend.services.plans.catalogue import PLANS
from config import DEVELOPMENT_PEPPER
from tests.support.database import Sql

FORM = KeyForm("sk_app", DEVELOPMENT_PEPPER)

Twice = Callable[[Callable[[Connection], Any]], list[Any]]


@pytest.fixture
def twice(database_url: str, sql: Sql) -> Iterator[Twice]:
    """Runs work in two transactions, one after the other."""
    sql.rows("INSERT INTO users (clerk_user_id, provisioned_by) VALUES ('user_1', 'webhook')")
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg2:", 1))

    def run(work: Callable[[Connection], Any]) -> list[Any]:
        results = []
        for _ in range(2):
            with engine.begin() as connection:
                results.append(work(connection))
        return results

    yield run
    engine.dispose()


def make(twice: Twice) -> list[ApiKey]:
    minted = MintedKey.of(FORM)
    return twice(lambda connection: create_key(connection, CLI, 1, minted, "x", ["profile:read"], None))


class TestTwice:
    def test_create(self, twice: Twice, sql: Sql) -> None:
        one, other = make(twice)
        assert one == other
        assert (
            sql.value("SELECT count(*) FROM api_keys") == sql.value("SELECT count(*) FROM audit_events") == 1
        )

    def test_last_one_of_the_quota(self, twice: Twice, sql: Sql) -> None:
        limit = PLANS[Plan.FREE].api_keys
        for _ in range(limit):
            make(twice)
        assert sql.value("SELECT count(*) FROM api_keys") == limit

    def test_rotate(self, twice: Twice, sql: Sql) -> None:
        """Without overlap the old key is no longer usable the second time; that is no conflict."""
        old, _ = make(twice)
        minted, nothing = MintedKey.of(FORM), timedelta()
        one, other = twice(
            lambda connection: rotate_key(
                connection, CLI, old.key_id, minted, owner=1, overlap=nothing, expires_at=None
            )
        )
        assert one == other
        assert (
            sql.value("SELECT count(*) FROM api_keys") == sql.value("SELECT count(*) FROM audit_events") == 2
        )

    def test_revoke(self, twice: Twice, sql: Sql) -> None:
        key, _ = make(twice)
        twice(lambda connection: revoke_key(connection, CLI, key.key_id, owner=1))
        assert sql.value("SELECT count(*) FROM audit_events WHERE action = 'api_key.revoked'") == 1

    def test_note_use(self, twice: Twice, sql: Sql) -> None:
        """Two requests may both have read that it is time to note the use; the second one writes nothing."""
        key, _ = make(twice)

        def note(connection: Connection) -> object:
            note_use(connection, key.key_id)
            return connection.exec_driver_sql("SELECT last_used_at FROM api_keys").scalar_one()

        one, other = twice(note)
        assert one == other
        assert sql.value("SELECT last_used_at FROM api_keys") == one
