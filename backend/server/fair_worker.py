"""gunicorn's gevent worker, made to belong to all connections: `worker_class` of gunicorn.conf.py.

gevent lets others run only where a socket would block, so a client that always has more to say was served alone: two
connections with an endless body kept everybody waiting until the arbiter killed the worker. Neither gunicorn nor
gevent has a setting for that, hence a subclass.

gunicorn's master imports this before gevent patches the standard library, so it imports nothing of the application.
"""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent import sleep
from gevent.socket import socket
from gunicorn import http, util  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]
from structlog.contextvars import clear_contextvars

from backend.server.bounded_requests import DRAIN_SECONDS, Parser
from backend.server.broken_requests import describe

READS_IN_A_ROW = 4
# gunicorn would ask for 1 MiB of a body, and with each piece that it hands on it copies the rest: a body of 1 MiB took
# 7 ms instead of 3.
READ_BYTES = 65_536
# A client takes that long to make room for the next piece of a response, or loses it.
PROGRESS_SECONDS = 30.0

# get_parser() offers no other way to name one.
http.RequestParser = Parser


class Client:
    """The socket of a connection. Reading lets others run, and sending ends where the client takes nothing."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._reads = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a socket has
        return getattr(self._connection, name)

    def recv(self, size: int) -> bytes:
        self._reads += 1
        if self._reads % READS_IN_A_ROW == 0:
            sleep(0)
        return self._connection.recv(min(size, READ_BYTES))

    def sendall(self, data: bytes) -> None:
        """Not gevent's: its limit is of the whole, and a large response may well take a slow client longer."""
        rest = memoryview(data)
        with self._demanding_progress():
            while rest:
                rest = rest[self._connection.send(rest) :]

    def sendfile(self, *file: Any, **part: Any) -> int:  # noqa: ANN401 - as gevent's own
        with self._demanding_progress():
            return int(self._connection.sendfile(*file, **part))

    @contextmanager
    def _demanding_progress(self) -> Iterator[None]:
        """For sending alone: how long reading may take, gunicorn's `--keep-alive` and the request's deadline say."""
        self._connection.settimeout(PROGRESS_SECONDS)
        yield
        self._connection.settimeout(None)

    def close(self) -> None:
        """Closed with something unread, a connection is reset, and the last response lost with it."""
        util.close_graceful(self._connection, timeout=DRAIN_SECONDS)


class FairWorker(GeventWorker):  # type: ignore[misc]
    """`connections`: how many are open. `requests`: how many are under way."""

    connections = 0
    requests = 0

    def handle(self, listener: socket, client: socket, address: Any) -> None:  # noqa: ANN401
        self.connections += 1
        try:
            super().handle(listener, Client(client), address)
        finally:
            self.connections -= 1

    def handle_request(self, *request: Any) -> None:  # noqa: ANN401
        self.requests += 1
        try:
            super().handle_request(*request)
        except TimeoutError:
            # Of such errors gunicorn logs no traceback.
            raise BrokenPipeError(errno.EPIPE, "the client takes nothing of its response") from None
        finally:
            self.requests -= 1
        sleep(0)  # the next request of this connection may be here already

    def handle_error(self, request: Any, client: Any, address: Any, error: BaseException) -> None:  # noqa: ANN401
        refusal = describe(error)
        if refusal is None:
            super().handle_error(request, client, address, error)
            return
        # In place of the line that the application writes for the requests that reach it.
        clear_contextvars()  # of the request before it on this connection
        fields = {"status": refusal.status, "code": refusal.code, "reason": type(error).__name__}
        logging.getLogger("access").info("request", extra={"fields": fields})
        client.sendall(refusal.response)
