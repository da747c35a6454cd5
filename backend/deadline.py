"""A time limit for each request, also while it waits for the database.

Works under gunicorn's gevent worker, which calls `install()`; elsewhere there is no limit. A frozen PostgreSQL
defeats statement_timeout, tcp_user_timeout and keepalives alike (measured): only giving up the wait helps.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import psycopg2
import psycopg2.extensions

if TYPE_CHECKING:
    from greenlet import greenlet

TICK_SECONDS = 0.1
READ_EVENT = 1  # libev's EV_READ
# For what runs after the deadline, like the ROLLBACK of what it cut.
LAST_WAIT_SECONDS = 0.2
# For waits outside a request.
DEFAULT_WAIT_SECONDS = 10.0


class RequestTimeout(BaseException):
    """The request is past its deadline. Not an Exception, so that no `except Exception` on the way swallows it."""


class DatabaseTimeout(psycopg2.OperationalError):
    """The database did not answer in time. psycopg2 has closed the connection: its answer may still be on the way."""


class Running:
    """A request that has not ended. `ends_at` on the monotonic clock."""

    __slots__ = ("ends_at", "greenlet")

    def __init__(self, ends_at: float, current: "greenlet") -> None:
        self.ends_at = ends_at
        self.greenlet: greenlet | None = current


class Watch:
    """Ends requests that are past their deadline.

    One repeating timer for all of them: a gevent.Timeout for each request costs 10 times as much. All have the same
    time to run, so they fall due in the order in which they came.
    """

    def __init__(self) -> None:
        from gevent import get_hub  # noqa: PLC0415 - other servers run without gevent

        self._running: deque[Running] = deque()
        self._timer = get_hub().loop.timer(TICK_SECONDS, TICK_SECONDS)
        self._timer.start(self._end_overdue)

    def begin(self, seconds: float) -> Running:
        from gevent import getcurrent  # noqa: PLC0415 - other servers run without gevent

        running = Running(time.monotonic() + seconds, getcurrent())
        self._running.append(running)
        return running

    def _end_overdue(self) -> None:
        """Runs in gevent's hub, where throwing into a waiting greenlet is what a timer of gevent does too."""
        now = time.monotonic()
        while self._running and (self._running[0].greenlet is None or self._running[0].ends_at <= now):
            overdue = self._running.popleft().greenlet
            if overdue is not None:
                overdue.throw(RequestTimeout)


_watch: Watch | None = None
_readers: WeakKeyDictionary[psycopg2.extensions.connection, Any] = WeakKeyDictionary()
_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


def install() -> None:
    """Watch this process's requests, and make psycopg2 wait through gevent: else one query blocks the worker."""
    global _watch  # noqa: PLW0603 - one a process, like the driver's callback
    _watch = Watch()
    psycopg2.extensions.set_wait_callback(_wait)


@contextmanager
def request_deadline(seconds: float) -> Iterator[None]:
    """Raise RequestTimeout in the body after `seconds`."""
    if _watch is None:
        yield
        return
    running = _watch.begin(seconds)
    token = _ends_at.set(running.ends_at)
    try:
        yield
    finally:
        running.greenlet = None
        _ends_at.reset(token)


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Drive one operation of the driver to its end while other requests run. Raises DatabaseTimeout."""
    try:
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            _wait_once(connection, state)
    except RequestTimeout:
        raise DatabaseTimeout("no answer before the request's deadline") from None


def _wait_once(connection: psycopg2.extensions.connection, state: int) -> None:
    from gevent import get_hub  # noqa: PLC0415 - other servers run without gevent
    from gevent.socket import wait_read, wait_write  # noqa: PLC0415 - other servers run without gevent

    limit = _own_limit()
    is_reading = state == psycopg2.extensions.POLL_READ
    if limit is None and is_reading and connection.status != psycopg2.extensions.STATUS_SETUP:
        get_hub().wait(_reader(connection))
    else:
        wait = wait_read if is_reading else wait_write
        wait(connection.fileno(), timeout=limit, timeout_exc=DatabaseTimeout("no answer in time"))


def _reader(connection: psycopg2.extensions.connection) -> Any:  # noqa: ANN401 - a type of gevent's C core
    """The watcher of a connection, made once: making one for each wait cost a tenth of the whole request.

    Not while it connects: libpq may then take another socket under the same number.
    """
    watcher = _readers.get(connection)
    if watcher is None:
        from gevent import get_hub  # noqa: PLC0415 - other servers run without gevent

        watcher = _readers[connection] = get_hub().loop.io(connection.fileno(), READ_EVENT)
    return watcher


def _own_limit() -> float | None:
    """How long one wait may take, in seconds. None inside a request: its deadline ends the wait."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return DEFAULT_WAIT_SECONDS
    return None if time.monotonic() < ends_at else LAST_WAIT_SECONDS
