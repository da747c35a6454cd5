"""A time limit for each request, and for each wait of its database driver.

Works under gunicorn's gevent worker, which calls `install()`. A frozen PostgreSQL defeats statement_timeout,
tcp_user_timeout and keepalives alike (measured); only a wait that ends by itself gives the connection up.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import psycopg2
import psycopg2.extensions

# The driver gives up a little before the request does, so that the answer can still say what was slow.
HEAD_START_SECONDS = 0.3
# For what runs after the deadline, like the ROLLBACK of what it cut.
LAST_WAIT_SECONDS = 0.2
# For waits outside a request.
DEFAULT_WAIT_SECONDS = 10.0

_is_installed = False
_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class RequestTimeout(BaseException):
    """The request is past its deadline. Not an Exception, so that no `except Exception` on the way swallows it."""


class DatabaseTimeout(psycopg2.OperationalError):
    """The database did not answer in time. psycopg2 has closed the connection: its answer may still be on the way."""


def install() -> None:
    """Make psycopg2 wait through gevent: without this one query would block the whole worker."""
    global _is_installed  # noqa: PLW0603 - the driver's callback is global too
    psycopg2.extensions.set_wait_callback(_wait)
    _is_installed = True


@contextmanager
def request_deadline(seconds: float) -> Iterator[None]:
    """Raise RequestTimeout in the body after `seconds`. Without the gevent worker there is no limit."""
    if not _is_installed:
        yield
        return
    from gevent import Timeout  # noqa: PLC0415 - other servers run without gevent

    timer = Timeout.start_new(seconds, RequestTimeout)
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        timer.close()
        _ends_at.reset(token)


def _remaining() -> float:
    ends_at = _ends_at.get()
    if ends_at is None:
        return DEFAULT_WAIT_SECONDS
    return max(ends_at - HEAD_START_SECONDS - time.monotonic(), LAST_WAIT_SECONDS)


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Drive one driver operation to its end while other requests run. Raises DatabaseTimeout."""
    from gevent.socket import wait_read, wait_write  # noqa: PLC0415 - other servers run without gevent

    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        wait = wait_read if state == psycopg2.extensions.POLL_READ else wait_write
        wait(connection.fileno(), timeout=_remaining(), timeout_exc=DatabaseTimeout("no answer in time"))
