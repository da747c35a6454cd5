"""Migrations while an application, or another migration, uses the database."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from migrations import locking
from tests.migrations.databases import HEAD, Database, alembic
from tests.migrations.readers import reading_users

HELD = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND datname = current_database()
"""

TERMINATE_SLEEPER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'PgSleep'
"""


def test_two_at_once_both_succeed(database: Database) -> None:
    database.upgrade("002")
    database.fill_password_era()
    before = database.what_users_keep()

    with ExitStack() as stack:
        with locking_session(database):
            nodes = [
                stack.enter_context(alembic("upgrade", "head", database_url=database.url)) for _ in range(2)
            ]
            for node in nodes:
                assert node.stderr is not None
                lines = iter(node.stderr.readline, "")
                assert "another migration is running: waiting for it\n" in lines
            assert database.revision() == "002"
        outputs = [node.communicate(timeout=60)[1] for node in nodes]

    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert sum("Running upgrade 002 -> 003" in output for output in outputs) == 1
    assert database.revision() == HEAD
    assert database.what_users_keep() == before
    assert database.rows(HELD) == [(0,)]


@contextmanager
def locking_session(database: Database) -> Iterator[None]:
    with database.engine.connect() as connection, locking.alone(connection):
        yield


def test_waiting_for_another_migration_has_an_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "WAIT_FOR_OTHER", 0.1)
    monkeypatch.setattr(locking, "POLL", 0.05)

    with locking_session(database), pytest.raises(TimeoutError, match="another migration is running"):
        database.upgrade()


def test_a_long_transaction_delays_the_migration_and_no_reader(database: Database) -> None:
    database.upgrade("002")
    database.fill_password_era()
    before = database.what_users_keep()

    with database.engine.connect() as report, reading_users(database):
        report.execute(text("SELECT count(*) FROM users"))  # its lock stays until the transaction ends
        with alembic("upgrade", "head", database_url=database.url) as node:
            assert node.stderr is not None
            refused = (
                line for line in iter(node.stderr.readline, "") if "locked by another transaction" in line
            )
            assert "(attempt 1 of 30)" in next(refused)
            assert database.revision() == "002"
            report.rollback()
            _, errors = node.communicate(timeout=60)

    assert node.returncode == 0, errors
    assert database.revision() == HEAD
    assert database.what_users_keep() == before


def test_a_transaction_that_never_ends_stops_the_migration(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "ATTEMPTS", 2)
    monkeypatch.setattr(locking, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(locking, "PAUSE", 0.05)
    database.upgrade("002")

    with database.engine.connect() as report:
        report.execute(text("SELECT count(*) FROM users"))
        with pytest.raises(OperationalError, match="lock timeout"):
            database.upgrade()
    assert database.revision() == "002"
    assert database.rows(HELD) == [(0,)]


def test_a_lost_connection_is_one_line_and_the_next_run_finishes(database: Database) -> None:
    database.upgrade("002")
    database.rows(
        """
        INSERT INTO users (email, password_hash) VALUES ('user-1@invalid.invalid', '!');
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
        CREATE TRIGGER wait BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION wait()
        """
    )
    with alembic("upgrade", "head", database_url=database.url) as node:
        while database.rows(TERMINATE_SLEEPER) == []:
            assert node.poll() is None
            time.sleep(0.05)
        _, errors = node.communicate(timeout=60)
    assert node.returncode == 1
    assert errors.splitlines()[-1] == "database: the connection was lost"
    assert "Traceback" not in errors

    database.rows("DROP TRIGGER wait ON users")
    database.upgrade()
    assert database.revision() == HEAD


def test_a_large_live_table(database: Database) -> None:
    database.upgrade("002")
    database.rows(
        """
        INSERT INTO users (email, email_verified, password_hash)
        SELECT format(CASE WHEN n % 2 = 0 THEN 'user%s@example.com' ELSE 'USER%s@example.com' END, n / 2), true, '!'
        FROM generate_series(1, 100000) AS n
        """
    )

    started = time.monotonic()
    with reading_users(database) as reads, alembic("upgrade", "head", database_url=database.url) as node:
        _, errors = node.communicate(timeout=60)
        assert node.returncode == 0, errors
    print(  # noqa: T201 - shown by `pytest -rP`
        f"{time.monotonic() - started:.2f} s; {reads.count} reads meanwhile, the longest {reads.longest * 1000:.0f} ms"
    )
    assert database.rows("SELECT count(*) FROM users") == [(100_000,)]
