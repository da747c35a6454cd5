"""Time limits, of a request and of parts of it, for whatever waits in them: the worker, the database, calls to Clerk.

Every server knows when a request's time is up. Only the gevent worker can also interrupt what waits then; other
servers, and tests in process, let it finish.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import ClassVar

import psycopg2


class RequestTimeout(BaseException):
    """A deadline is over. Not an Exception, so that no `except Exception` on the way swallows it."""


class DatabaseTimeout(psycopg2.OperationalError):
    """The database did not respond in time. psycopg2 has closed the connection: the response may still come."""


_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class Deadline:
    """The time limit of what runs from here to `end()`. `ends_at` is on the monotonic clock.

    `waiting` is what the worker interrupts when the time is up; None from `end()` on.
    """

    __slots__ = ("_token", "ends_at", "waiting")

    # The gevent worker replaces both: who runs now, and whose time is to be watched, by how long it is: of those that
    # last equally long the first to begin is the first to end. The second forgets by default.
    current: ClassVar[Callable[..., object]] = staticmethod(lambda: None)
    watched: ClassVar[defaultdict[float, deque["Deadline"]]] = defaultdict(lambda: deque(maxlen=0))

    def __init__(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.waiting: object | None = self.current()
        self._token: Token[float | None] = _ends_at.set(self.ends_at)
        self.watched[seconds].append(self)

    def end(self) -> None:
        self.waiting = None
        _ends_at.reset(self._token)


def remaining_seconds() -> float | None:
    """What is left of the request's time, negative when it is over; None outside a request."""
    ends_at = _ends_at.get()
    return None if ends_at is None else ends_at - time.monotonic()
