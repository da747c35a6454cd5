"""How services reach the database: one hot read through the driver, and work in a caller's transaction."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import psycopg2
from sqlalchemy import Connection, Engine

from backend.deadline import DatabaseTimeout

T = TypeVar("T")


class Transact(Protocol):
    """Runs work in one transaction and commits it; may run it again after a passing fault."""

    def __call__(self, work: Callable[[Connection], T], /) -> T: ...


def fetch_row(engine: Engine, statement: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
    """Run a read-only statement outside any transaction and return its first row.

    SQLAlchemy's execution layer would double the CPU of the request, and a transaction would add two round trips.
    A connection that died while it lay in the pool (PostgreSQL was restarted) is thrown away and the next one is
    tried: none of the pool's connections fails twice. Raises psycopg2.Error, sqlalchemy.exc.TimeoutError.
    """
    while True:
        pooled = engine.raw_connection()
        connection = pooled.driver_connection
        assert isinstance(connection, psycopg2.extensions.connection)  # noqa: S101 - the settings allow no other driver
        was_new = "seen" not in pooled.info
        pooled.info["seen"] = True
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                row = cursor.fetchone()
            connection.autocommit = False
        except BaseException as error:
            if connection.closed:
                pooled.invalidate()
            else:
                connection.autocommit = False
            is_stale = (
                isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) and connection.closed
            )
            if was_new or not is_stale or isinstance(error, DatabaseTimeout):
                raise
        else:
            return row
        finally:
            pooled.close()
