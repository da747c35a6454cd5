"""Migrations while an application, or another migration, uses the database."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from migrations import locking
from tests.migrations.databases import HEAD, Database, alembic, reading_users

HELD = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND datname = current_database()
"""

TERMINATE_SLEEPER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'PgSleep'
"""


def test_two_at_once_both_succeed(password_era: Database) -> None:
    before = password_era.what_users_keep()

    with ExitStack() as stack:
        with locking_session(password_era):
            nodes = [stack.enter_context(alembic("upgrade", "head", database_url=password_era.url)) for _ in range(2)]
            for node in nodes:
                assert node.stderr is not None
                lines = iter(node.stderr.readline, "")
                assert "another migration is running: waiting for it\n" in lines
            assert password_era.revision() == "002"
        outputs = [node.communicate(timeout=60)[1] for node in nodes]

    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert sum("Running upgrade 002 -> 003" in output for output in outputs) == 1
    assert password_era.revision() == HEAD
    assert password_era.what_users_keep() == before
    assert password_era.rows(HELD) == [(0,)]


@contextmanager
def locking_session(database: Database) -> Iterator[None]:
    with database.engine.connect() as connection, locking.alone(connection):
        yield


def test_waiting_for_another_migration_has_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "WAIT_FOR_OTHER", 0.1)
    monkeypatch.setattr(locking, "POLL", 0.05)

    with locking_session(database), pytest.raises(TimeoutError, match="another migration is running"):
        database.upgrade()


def test_a_long_transaction_delays_the_migration_and_no_reader(password_era: Database) -> None:
    before = password_era.what_users_keep()

    with password_era.engine.connect() as report, reading_users(password_era):
        report.execute(text("SELECT count(*) FROM users"))  # its lock stays until the transaction ends
        with alembic("upgrade", "head", database_url=password_era.url) as node:
            assert node.stderr is not None
            refused = (line for line in iter(node.stderr.readline, "") if "locked by another transaction" in line)
            assert "(attempt 1 of 30)" in next(refused)
            assert password_era.revision() == "002"
            report.rollback()
            _, errors = node.communicate(timeout=60)

    assert node.returncode == 0, errors
    assert password_era.revision() == HEAD
    assert password_era.what_users_keep() == before


def test_a_transaction_that_never_ends_stops_the_migration(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "ATTEMPTS", 2)
    monkeypatch.setattr(locking, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(locking, "PAUSE", 0.05)

    with old.engine.connect() as report:
        report.execute(text("SELECT count(*) FROM users"))
        with pytest.raises(OperationalError, match="lock timeout"):
            old.upgrade()
    assert old.revision() == "002"
    assert old.rows(HELD) == [(0,)]


def test_a_lost_connection_is_one_line_and_the_next_run_finishes(old: Database) -> None:
    old.rows(
        """
        INSERT INTO users (email, password_hash) VALUES ('user-1@invalid.invalid', '!');
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
        CREATE TRIGGER wait BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION wait()
        """
    )
    with alembic("upgrade", "head", database_url=old.url) as node:
        while old.rows(TERMINATE_SLEEPER) == []:
            assert node.poll() is None
            time.sleep(0.05)
        _, errors = node.communicate(timeout=60)
    assert node.returncode == 1
    assert errors.splitlines()[-1] == "database: the connection was lost"
    assert "Traceback" not in errors

    old.rows("DROP TRIGGER wait ON users")
    old.upgrade()
    assert old.revision() == HEAD
