"""What gunicorn's gevent worker adds to the application: deadlines, and a database driver that lets others run while it
waits.

Imported by gunicorn.conf.py alone, after gevent has patched the standard library. A frozen PostgreSQL defeats
statement_timeout, tcp_user_timeout and keepalives alike (measured): only giving up the wait helps.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import psycopg2.extensions
from gevent import get_hub, getcurrent
from gevent.socket import wait_read, wait_write
from greenlet import greenlet

from backend.database import time_spent
from backend.deadline import DatabaseTimeout, Deadline, RequestTimeout, remaining_seconds

TICK_SECONDS = 0.1
READ_EVENT = 1  # libev's EV_READ
# For what runs after the deadline, like the ROLLBACK of what it cut.
LAST_WAIT_SECONDS = 0.2
# For connecting to one address: libpq heeds its connect_timeout only where it waits itself.
CONNECT_SECONDS = 3.0
# For waits outside a request.
DEFAULT_WAIT_SECONDS = 10.0

_readers: WeakKeyDictionary[psycopg2.extensions.connection, Any] = WeakKeyDictionary()


def install() -> None:
    """Watch this process's requests, and make psycopg2 wait through gevent: else one query blocks the worker."""
    Deadline.current = getcurrent  # a C function, so not bound as a method
    Deadline.watched = defaultdict(deque)
    # One repeating timer for all requests: a gevent.Timeout for each costs three times as much.
    get_hub().loop.timer(TICK_SECONDS, TICK_SECONDS).start(_interrupt_overdue)
    psycopg2.extensions.set_wait_callback(_wait)


def _interrupt_overdue() -> None:
    """Runs in gevent's hub, where throwing into a waiting greenlet is what a timer of gevent does too."""
    now = time.monotonic()
    for watched in list(Deadline.watched.values()):
        while watched and (watched[0].waiting is None or watched[0].ends_at <= now):
            overdue = watched.popleft().waiting
            if isinstance(overdue, greenlet):
                overdue.throw(RequestTimeout)


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Drive one operation of the driver to its end while other requests run. Raises DatabaseTimeout."""
    # Only before the first poll(). From then on, while it connects, the status is one that psycopg2 has no name for.
    wait_once = _wait_to_connect() if connection.status == psycopg2.extensions.STATUS_SETUP else _wait_once
    began_at = time.perf_counter()
    try:
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            if state not in {psycopg2.extensions.POLL_READ, psycopg2.extensions.POLL_WRITE}:
                raise psycopg2.OperationalError("the connection is broken")
            wait_once(connection, state)
    except RequestTimeout:
        raise DatabaseTimeout("no answer before the request's deadline") from None
    finally:
        time_spent.add(time.perf_counter() - began_at)


def _wait_once(connection: psycopg2.extensions.connection, state: int) -> None:
    """Wait until the socket is ready. In a request its deadline ends the wait; elsewhere a limit of our own does."""
    limit: float | None = DEFAULT_WAIT_SECONDS
    if (remaining := remaining_seconds()) is not None:
        limit = None if remaining > 0 else LAST_WAIT_SECONDS
    if limit is None and state == psycopg2.extensions.POLL_READ:
        # The watcher of a connection is made once: making one for each wait cost a tenth of the whole request.
        watcher = _readers.get(connection)
        if watcher is None:
            watcher = _readers[connection] = get_hub().loop.io(connection.fileno(), READ_EVENT)
        get_hub().wait(watcher)
        return
    _wait_for_socket(connection, state, limit, "no answer in time")


def _wait_to_connect() -> Callable[[psycopg2.extensions.connection, int], None]:
    """A `_wait_once` with one limit for all that connecting takes.

    It keeps no watcher: libpq may go on with another socket, even one of the same number, and libev ends the process
    when it meets one that is closed.
    """
    remaining = remaining_seconds()
    limit = CONNECT_SECONDS if remaining is None else min(CONNECT_SECONDS, max(remaining, LAST_WAIT_SECONDS))
    ends_at = time.monotonic() + limit

    def wait_once(connection: psycopg2.extensions.connection, state: int) -> None:
        server = f'connection to server at "{connection.info.host}", port {connection.info.port}'
        _wait_for_socket(connection, state, max(ends_at - time.monotonic(), 0), f"{server} failed: timeout expired")

    return wait_once


def _wait_for_socket(connection: psycopg2.extensions.connection, state: int, seconds: float | None, fault: str) -> None:
    wait = wait_read if state == psycopg2.extensions.POLL_READ else wait_write
    wait(connection.fileno(), timeout=seconds, timeout_exc=DatabaseTimeout(fault))
