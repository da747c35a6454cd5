"""How connections to PostgreSQL are made: bounded in number and in waiting, and the same for readers and writers."""

import socket
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy.engine import make_url

from backend.database.prepared_reads import ReadConnection

# For each worker: 10 readers and 5 writers.
READERS = 10
WRITERS = 5
POOL_TIMEOUT_SECONDS = 2.0  # for a free connection, then 503: a queue only makes an overload longer
LOCK_SECONDS = 3
STATEMENT_SECONDS = 8

# Let the server end what takes too long: a client that gave up would leave it waiting for its lock. And let times come
# in UTC, as our responses have them. Sent as a statement because PgBouncer refuses these as connection options; through
# it they may not reach every server connection, and only that protection is lost.
SET_UP_SESSION = f"""
SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s';
SET idle_in_transaction_session_timeout = '{STATEMENT_SECONDS}s'; SET TIME ZONE 'UTC'
"""

CONNECT_ARGUMENTS: dict[str, Any] = {
    "application_name": "counterfoil",
    "connect_timeout": 3,
    # A firewall that drops an idle connection without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def engine_options(connect: Callable[[], ReadConnection]) -> dict[str, Any]:
    """What SQLAlchemy's engine of the writers is made with."""
    return {
        "creator": connect,
        "pool_size": WRITERS,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        "pool_use_lifo": True,
        # An error repeats the values of its statement otherwise, addresses too.
        "hide_parameters": True,
    }


def connector(url: str) -> Callable[[], ReadConnection]:
    """A function that opens a connection to `url`. Connects to nothing yet."""
    # Not the URL as a text: SQLAlchemy writes a space in it as +, which libpq does not read.
    parts = make_url(url)
    address = parts.translate_connect_args(username="user", database="dbname")
    address |= {name: ",".join(values) for name, values in parts.normalized_query.items()}

    def connect() -> ReadConnection:
        arguments = {**address, **CONNECT_ARGUMENTS, **_resolve(address)}
        connection: ReadConnection = psycopg2.connect(None, ReadConnection, **arguments)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(SET_UP_SESSION)
        connection.autocommit = False
        return connection

    return connect


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
    numbers = [str(address[4][0]) for address in found]
    return {"host": ",".join([host] * len(numbers)), "hostaddr": ",".join(numbers)}
