"""A time limit for each request. The gevent worker provides it; other servers, and tests in process, have none."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import psycopg2


class RequestTimeout(BaseException):
    """The request is past its deadline. Not an Exception, so that no `except Exception` on the way swallows it."""


class DatabaseTimeout(psycopg2.OperationalError):
    """The database did not answer in time. psycopg2 has closed the connection: its answer may still be on the way."""


Limiter = Callable[[float], AbstractContextManager[object]]

_limiter: Limiter = nullcontext


def request_deadline(seconds: float) -> AbstractContextManager[object]:
    """Raise RequestTimeout in the body after `seconds`, where the worker can."""
    return _limiter(seconds)


def provide_deadlines(limiter: Limiter) -> None:
    """Set how this process limits requests."""
    global _limiter  # noqa: PLW0603 - one a process, as is its worker
    _limiter = limiter
