"""SQL, as an admin would type it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg2
from alembic import command
from alembic.config import Config
from psycopg2.extras import RealDictCursor
from sqlalchemy.engine import make_url

from config import PROJECT

# TRUNCATE makes each table and index a new file, 25 ms for all: it is for tables that were filled, or grew by many
# tests. The lock waits for what is still being written behind an answer, as TRUNCATE does.
EMPTY_ALL = """
DO $$
DECLARE
    tables text[];
    largest bigint;
BEGIN
    SELECT array_agg(oid::regclass::text), max(pg_relation_size(oid)) INTO tables, largest FROM pg_class
    WHERE relnamespace::regnamespace::text IN ('public', 'clerk') AND relkind = 'r' AND relname <> 'alembic_version';
    IF largest > 256 * 1024 THEN
        EXECUTE 'TRUNCATE ' || array_to_string(tables, ', ') || ' RESTART IDENTITY';
    ELSE
        EXECUTE 'LOCK TABLE ' || array_to_string(tables, ', ');
        SET LOCAL session_replication_role = replica;
        FOR number IN 1 .. cardinality(tables) LOOP
            EXECUTE 'DELETE FROM ' || tables[number];
        END LOOP;
        PERFORM setval(sequencename::regclass, start_value, false) FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL;
    END IF;
END $$
"""
BLOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def driver_url(url: str, database: str | None = None) -> str:
    """The URL for psycopg2, of another database where one is named."""
    parts = make_url(url).set(drivername="postgresql")
    return (parts.set(database=database) if database else parts).render_as_string(hide_password=False)


class Sql:
    """One connection that commits each statement."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(driver_url(url))
        self._connection.autocommit = True

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        with self._connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(statement, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def row(self, statement: str, *values: object) -> dict[str, Any]:
        """The one row. Fails on none and on several."""
        (row,) = self.rows(statement, *values)
        return row

    def value(self, statement: str, *values: object) -> Any:
        (value,) = self.row(statement, *values).values()
        return value

    def user(self, clerk_user_id: str) -> dict[str, Any]:
        return self.row("SELECT * FROM users WHERE clerk_user_id = %s", clerk_user_id)

    def empty_all(self) -> None:
        """Empty every table but the migration's; numbers begin at 1 again."""
        self.rows(EMPTY_ALL)

    def close(self) -> None:
        self._connection.close()


def migrate(url: str, revision: str = "head") -> None:
    """What `alembic upgrade` does, without a second of imports."""
    config = Config(PROJECT / "alembic.ini")
    address = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", address.replace("%", "%%"))
    command.upgrade(config, revision)


@contextmanager
def migrated_database(postgres_url: str, name: str) -> Iterator[str]:
    """The URL of a new database with our tables. The next one of that name takes its place."""
    admin = Sql(postgres_url)
    try:
        admin.rows(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.rows(f"CREATE DATABASE {name}")
        url = driver_url(postgres_url, name)
        migrate(url)
        yield url
    finally:
        admin.close()


@contextmanager
def holding(url: str, statement: str) -> Iterator[None]:
    """Somebody else has run this statement and not committed: nobody else gets what it locks."""
    connection = psycopg2.connect(driver_url(url))
    try:
        connection.cursor().execute(statement)
        yield
        connection.rollback()  # or the lock may be there for a moment after close()
    finally:
        connection.close()


def locked(url: str, table: str) -> AbstractContextManager[None]:
    """Nobody else can use the table."""
    return holding(url, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
