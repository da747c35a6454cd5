"""How connections to PostgreSQL are made: bounded in number and in waiting, and the same for readers and writers."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2

from backend.database.prepared_reads import ReadConnection
from backend.deadline import remaining_seconds
from settings.database_url import DatabaseServer, read_database_url

# The connections of each worker: for the prepared read of who calls, for reading, for writing.
LOOKUPS = 6
READERS = 4
WRITERS = 5
READERS_OF_ONE_USER = 2
POOL_TIMEOUT_SECONDS = 2.0  # for a free connection, then 503: a queue only makes an overload longer
LOCK_SECONDS = 3
STATEMENT_SECONDS = 8

# Let the server end what takes too long: a client that gave up would leave it waiting for its lock. And let times come
# in UTC, as our responses have them. Sent as a statement because PgBouncer refuses these as connection options; through
# it they may not reach every server connection, and only that protection is lost.
# PostgreSQL's default for a page out of order is that of a spinning disk: statements that are prepared while a table is
# small are then planned to read all of it.
SET_UP_SESSION = f"""
SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s';
SET idle_in_transaction_session_timeout = '{STATEMENT_SECONDS}s'; SET TIME ZONE 'UTC'; SET random_page_cost = 1.1
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
    """What SQLAlchemy's engine is made with. Nobody waits in its pool, which keeps no order: see `Database`."""
    return {
        "creator": connect,
        "pool_size": READERS + WRITERS,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        "pool_use_lifo": True,
        # An error repeats the values of its statement otherwise, addresses too.
        "hide_parameters": True,
    }


def connector(url: str) -> Callable[[], ReadConnection]:
    """A function that opens a connection to `url`. Connects to nothing yet.

    It tries one address after the other. libpq could, too, but where it does not wait itself it has no time limit, and
    stays with the first one that is silent.
    """
    arguments, servers = read_database_url(url)

    def connect() -> ReadConnection:
        faults: list[str] = []
        for address in _addresses(servers, faults):
            try:
                connection: ReadConnection = psycopg2.connect(
                    None, ReadConnection, **arguments | CONNECT_ARGUMENTS | address
                )
            except psycopg2.OperationalError as fault:
                faults.append(str(fault).partition("\n")[0])
                if (remaining_seconds() or 1) <= 0:
                    break
            else:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(SET_UP_SESSION)
                connection.autocommit = False
                return connection
        raise psycopg2.OperationalError("; ".join(faults))

    return connect


def _addresses(servers: list[DatabaseServer], faults: list[str]) -> Iterator[dict[str, str]]:
    """Each as libpq's `host`, `hostaddr` and `port`. What becomes of a name that is not resolved is a fault.

    libpq would ask the resolver itself, in C: under gevent a slow name server then stops the whole worker.
    """
    for server in servers:
        numbers = [server.hostaddr]
        if not server.hostaddr and server.host and server.host[0] not in "/@":
            try:
                found = socket.getaddrinfo(server.host, server.port or None, type=socket.SOCK_STREAM)
            except OSError as error:
                faults.append(f'the name "{server.host}" was not resolved: {error}')
                continue
            numbers = [str(address[4][0]) for address in found]
        for number in numbers:
            yield {name: value for name, value in server._replace(hostaddr=number)._asdict().items() if value}
