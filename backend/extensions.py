"""The database: readers and writers of one process, bounded in number and in waiting."""

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from psycopg2.errors import DeadlockDetected, SerializationFailure
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from backend.deadline import DatabaseTimeout
from backend.models import Base
from backend.services.database import ReadConnection, ReadPool

T = TypeVar("T")

# For each worker: 10 readers and 5 writers.
READERS = 10
WRITERS = 5
PATIENCE_SECONDS = 2.0  # for a free connection, then 503: a queue only makes an overload longer
LOCK_SECONDS = 3
STATEMENT_SECONDS = 8
TRIES = 3

CONNECT_ARGS: dict[str, Any] = {
    "application_name": "counterfoil",
    "connect_timeout": 3,
    # A firewall that drops an idle connection without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
ENGINE_OPTIONS = {
    "pool_size": WRITERS,
    "max_overflow": 0,
    "pool_timeout": PATIENCE_SECONDS,
    "pool_use_lifo": True,
    "connect_args": CONNECT_ARGS,
}

db = SQLAlchemy(metadata=Base.metadata)


def add_database(app: Flask) -> ReadPool:
    """Bind the engine to the application, and make the pool of its readers. Connects to nothing yet."""
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    event.listen(engine, "connect", _limit_statements)

    # Not the URL as a text: SQLAlchemy writes a space in it as +, which libpq does not read.
    _, address = engine.dialect.create_connect_args(engine.url)
    arguments = {**address, **CONNECT_ARGS}

    def connect() -> ReadConnection:
        connection: ReadConnection = psycopg2.connect(None, ReadConnection, **arguments)
        _limit_statements(connection, None)
        connection.autocommit = True
        return connection

    return ReadPool(connect, READERS, PATIENCE_SECONDS)


def _limit_statements(driver_connection: psycopg2.extensions.connection, _record: object) -> None:
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
            is_passing = isinstance(error.orig, DeadlockDetected | SerializationFailure) or (
                error.connection_invalidated and not isinstance(error.orig, DatabaseTimeout)
            )
            if not is_passing or tries_left == 0:
                raise
    raise AssertionError("unreachable")
