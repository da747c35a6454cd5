"""What gunicorn's gevent worker adds to the application: deadlines, and a database driver that waits in turn.

Imported by gunicorn.conf.py alone, after gevent has patched the standard library. A frozen PostgreSQL defeats
statement_timeout, tcp_user_timeout and keepalives alike (measured): only giving up the wait helps.
"""

import time
from collections import deque
from contextvars import ContextVar, Token
from typing import Any, Self
from weakref import WeakKeyDictionary

import psycopg2.extensions
from gevent import get_hub, getcurrent
from gevent.socket import wait_read, wait_write
from greenlet import greenlet

from backend.deadline import DatabaseTimeout, RequestTimeout, provide_deadlines

TICK_SECONDS = 0.1
READ_EVENT = 1  # libev's EV_READ
# For what runs after the deadline, like the ROLLBACK of what it cut.
LAST_WAIT_SECONDS = 0.2
# For each step of connecting: libpq heeds its connect_timeout only where it waits itself.
CONNECT_SECONDS = 3.0
# For waits outside a request.
DEFAULT_WAIT_SECONDS = 10.0

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)
_readers: WeakKeyDictionary[psycopg2.extensions.connection, Any] = WeakKeyDictionary()


class Watch:
    """Ends requests that are past their deadline.

    One repeating timer for all of them: a gevent.Timeout for each request costs three times as much. All have the same
    time to run, so they fall due in the order in which they came.
    """

    def __init__(self) -> None:
        self._running: deque[Deadline] = deque()
        self._timer = get_hub().loop.timer(TICK_SECONDS, TICK_SECONDS)
        self._timer.start(self._end_overdue)

    def limit(self, seconds: float) -> "Deadline":
        deadline = Deadline(time.monotonic() + seconds)
        self._running.append(deadline)
        return deadline

    def _end_overdue(self) -> None:
        """Runs in gevent's hub, where throwing into a waiting greenlet is what a timer of gevent does too."""
        now = time.monotonic()
        while self._running and (self._running[0].waiting is None or self._running[0].ends_at <= now):
            overdue = self._running.popleft().waiting
            if overdue is not None:
                overdue.throw(RequestTimeout)


class Deadline:
    """The time limit of one request, entered while it runs. `ends_at` on the monotonic clock."""

    __slots__ = ("_token", "ends_at", "waiting")

    _token: Token[float | None]

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.waiting: greenlet | None = getcurrent()

    def __enter__(self) -> Self:
        self._token = _ends_at.set(self.ends_at)
        return self

    def __exit__(self, *_error: object) -> None:
        self.waiting = None
        _ends_at.reset(self._token)


def install() -> None:
    """Watch this process's requests, and make psycopg2 wait through gevent: else one query blocks the worker."""
    provide_deadlines(Watch().limit)
    psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Drive one operation of the driver to its end while other requests run. Raises DatabaseTimeout."""
    try:
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            _wait_once(connection, state)
    except RequestTimeout:
        raise DatabaseTimeout("no answer before the request's deadline") from None


def _wait_once(connection: psycopg2.extensions.connection, state: int) -> None:
    if state not in {psycopg2.extensions.POLL_READ, psycopg2.extensions.POLL_WRITE}:
        raise psycopg2.OperationalError("the connection is broken")
    limit = _own_limit()
    is_reading = state == psycopg2.extensions.POLL_READ
    is_connecting = connection.status == psycopg2.extensions.STATUS_SETUP
    if limit is None and is_reading and not is_connecting:
        get_hub().wait(_reader(connection))
        return
    if is_connecting:
        limit = min(limit or CONNECT_SECONDS, CONNECT_SECONDS)
    wait = wait_read if is_reading else wait_write
    wait(connection.fileno(), timeout=limit, timeout_exc=DatabaseTimeout("no answer in time"))


def _own_limit() -> float | None:
    """How long one wait may take, in seconds. None inside a request: its deadline ends the wait."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return DEFAULT_WAIT_SECONDS
    return None if time.monotonic() < ends_at else LAST_WAIT_SECONDS


def _reader(connection: psycopg2.extensions.connection) -> Any:  # noqa: ANN401 - a type of gevent's C core
    """The watcher of a connection, made once: making one for each wait cost a tenth of the whole request.

    Not while it connects: libpq may then take another socket under the same number.
    """
    watcher = _readers.get(connection)
    if watcher is None:
        watcher = _readers[connection] = get_hub().loop.io(connection.fileno(), READ_EVENT)
    return watcher
