"""The database: readers and writers of one process, bounded in number and in waiting."""

import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from psycopg2.errors import DeadlockDetected, SerializationFailure
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from backend.database.prepared_reads import ReadConnection, ReadPool
from backend.deadline import DatabaseTimeout
from backend.models import Base

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

db = SQLAlchemy(metadata=Base.metadata)


def add_database(app: Flask, url: str) -> ReadPool:
    """Bind the engine to the application, and make the pool of its readers. Connects to nothing yet."""
    # Not the URL as a text: SQLAlchemy writes a space in it as +, which libpq does not read.
    parts = make_url(url)
    address = parts.translate_connect_args(username="user", database="dbname")
    address |= {name: ",".join(values) for name, values in parts.normalized_query.items()}

    def connect() -> ReadConnection:
        arguments = {**address, **CONNECT_ARGS, **_resolve(address)}
        connection: ReadConnection = psycopg2.connect(None, ReadConnection, **arguments)
        _set_up_session(connection)
        return connection

    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "creator": connect,
        "pool_size": WRITERS,
        "max_overflow": 0,
        "pool_timeout": PATIENCE_SECONDS,
        "pool_use_lifo": True,
    }
    db.init_app(app)
    return ReadPool(connect, READERS, PATIENCE_SECONDS)


def _resolve(address: Mapping[str, Any]) -> dict[str, str]:
    """The numbers of the database's host name, as libpq's `hostaddr`.

    libpq would ask the resolver itself, in C: under gevent a slow name server then stops the whole worker.
    """
    host = str(address.get("host", ""))
    if not host or host.startswith("/") or "," in host:
        return {}
    try:
        found = socket.getaddrinfo(host, address.get("port"), type=socket.SOCK_STREAM)
    except OSError as error:
        raise psycopg2.OperationalError(f"the database's host name was not resolved: {error}") from error
    numbers = [str(answer[4][0]) for answer in found]
    return {"host": ",".join([host] * len(numbers)), "hostaddr": ",".join(numbers)}


def _set_up_session(connection: psycopg2.extensions.connection) -> None:
    """Let the server end what takes too long: a client that gave up would leave it waiting for its lock.

    And let times come in UTC, as we answer them. Sent as a statement because PgBouncer refuses these as connection
    options; through it they may not reach every server connection, and only that protection is lost.
    """
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s';"
            f"SET idle_in_transaction_session_timeout = '{STATEMENT_SECONDS}s'; SET TIME ZONE 'UTC'"
        )
    connection.autocommit = False


def has_free_writer() -> bool:
    """Whether a transaction could begin without waiting for another one to end."""
    pool = db.engine.pool
    return not isinstance(pool, QueuePool) or pool.checkedout() < WRITERS


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
