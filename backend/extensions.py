"""The database: one engine a process, bounded in connections and in waiting."""

from collections.abc import Callable
from typing import TypeVar

import psycopg2
from flask_sqlalchemy import SQLAlchemy
from psycopg2.errors import DeadlockDetected, SerializationFailure
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from backend.models import Base

T = TypeVar("T")

POOL_SIZE = 20
POOL_WAIT_SECONDS = 2.0  # for a connection of the pool, then 503: a queue only makes an overload longer
CONNECT_SECONDS = 3
LOCK_SECONDS = 3
STATEMENT_SECONDS = 8
TRIES = 3

ENGINE_OPTIONS = {
    "pool_size": POOL_SIZE,
    "max_overflow": 0,
    "pool_timeout": POOL_WAIT_SECONDS,
    "pool_use_lifo": True,  # the connection used last: its backend still has its caches warm
    "pool_recycle": 1800,
    "connect_args": {"connect_timeout": CONNECT_SECONDS, "application_name": "counterfoil"},
}

db = SQLAlchemy(metadata=Base.metadata)


def limit_statements(driver_connection: psycopg2.extensions.connection, _record: object) -> None:
    """Let the server end what takes too long: a client that gave up would leave it waiting for its lock.

    Sent as a statement because PgBouncer refuses these as connection options; through it they may not reach every
    server connection, and only that protection is lost.
    """
    driver_connection.autocommit = True
    with driver_connection.cursor() as cursor:
        cursor.execute(
            f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s';"
            f"SET idle_in_transaction_session_timeout = '{STATEMENT_SECONDS}s'"
        )
    driver_connection.autocommit = False


def watch_engine() -> None:
    """Attach the limits to the engine. Call once, with the application's context."""
    event.listen(db.engine, "connect", limit_statements)


def in_transaction(work: Callable[[Connection], T]) -> T:
    """Run `work` and commit. The one place that commits.

    Tried again after a deadlock, a serialization failure or a connection that had died: `work` must be safe to run
    twice, also when the first commit went through and only its confirmation was lost.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            with db.engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            is_passing = error.connection_invalidated or isinstance(
                error.orig, DeadlockDetected | SerializationFailure
            )
            if not is_passing or tries_left == 0:
                raise
    raise AssertionError("unreachable")
