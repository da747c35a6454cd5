"""How services reach the database: hot reads through the driver, and work in a caller's transaction."""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import psycopg2
from psycopg2.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName
from sqlalchemy import Connection, Engine, PoolProxiedConnection

from backend.deadline import DatabaseTimeout

T = TypeVar("T")


class Transact(Protocol):
    """Runs work in one transaction and commits it; may run it again after a passing fault."""

    def __call__(self, work: Callable[[Connection], T], /) -> T: ...


class HotRead:
    """A read that PostgreSQL plans once for each of its connections: planning takes longer than running it."""

    def __init__(self, query: str, parameters: int = 0) -> None:
        """`query` names its parameters $1, $2, …; all are texts."""
        self.query = query
        # Named by its text: through PgBouncer two versions of this application may share a server connection.
        name = f"counterfoil_{hashlib.sha256(query.encode()).hexdigest()[:16]}"
        types, places = (
            "(" + ", ".join([word] * parameters) + ")" if parameters else "" for word in ("text", "%s")
        )
        self.execute = f"EXECUTE {name}{places}"
        self.prepare = f"PREPARE {name}{types} AS {query.replace('%', '%%')}; {self.execute}"
        self.renew = f"DEALLOCATE {name}; {self.prepare}"


def fetch_row(engine: Engine, read: HotRead, *values: str | None) -> tuple[Any, ...] | None:
    """Run a read outside any transaction and return its first row: one round trip.

    SQLAlchemy's execution layer would double the CPU of the request, and a transaction would add two round trips.
    A connection that died while it lay in the pool (PostgreSQL was restarted) is thrown away and the next one is
    tried: none of the pool's connections fails twice. Raises psycopg2.Error, sqlalchemy.exc.TimeoutError.
    """
    while True:
        pooled = engine.raw_connection()
        is_fresh = not pooled.info
        try:
            return _run(pooled, read, values)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            is_dead = _driver(pooled).closed != 0
            if is_fresh or not is_dead or isinstance(error, DatabaseTimeout):
                raise
        finally:
            if _driver(pooled).closed:
                pooled.invalidate()
            pooled.close()


def _run(
    pooled: PoolProxiedConnection, read: HotRead, values: tuple[str | None, ...]
) -> tuple[Any, ...] | None:
    connection = _driver(pooled)
    is_prepared = read.execute in pooled.info
    pooled.info[read.execute] = True
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            try:
                cursor.execute(read.execute if is_prepared else read.prepare, values)
            except (InvalidSqlStatementName, DuplicatePreparedStatement):
                # PgBouncer gave us another server connection than last time: one that is the other way round.
                cursor.execute(read.prepare if is_prepared else read.execute, values)
            except FeatureNotSupported:
                # A migration changed the type of a column: the plan no longer fits.
                cursor.execute(read.renew, values)
            return cursor.fetchone()
    finally:
        if not connection.closed:
            connection.autocommit = False


def _driver(pooled: PoolProxiedConnection) -> psycopg2.extensions.connection:
    connection = pooled.driver_connection
    assert isinstance(connection, psycopg2.extensions.connection)  # noqa: S101 - the settings allow no other driver
    return connection
