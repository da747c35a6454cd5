"""A server in the place of Clerk's Backend API that keeps connections, as the real one does, and counts them."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from backend.services.clerk.client.backend_api import ClerkApi

DEADLINE = 0.5  # seconds, in the place of three: one that a test can wait for
SECRET_KEY = "sk_test_of_the_backend_api"

# Every call of ClerkApi, by what it sends.
CALLS: dict[str, Callable[[ClerkApi, str], object]] = {
    "GET /v1/users/{}": ClerkApi.get_user,
    "POST /v1/users/{}/ban": ClerkApi.ban_user,
    "POST /v1/users/{}/unban": ClerkApi.unban_user,
    "GET /v1/sessions/{}": ClerkApi.get_session,
    "POST /v1/sessions/{}/revoke": ClerkApi.revoke_session,
}


class Asked(NamedTuple):
    """A request that came in. `connection`: which one it came over, from 1."""

    method: str
    path: str
    headers: dict[str, str]
    connection: int


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body, sent apart, wait 40 ms for each other
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self.connection_number = self.server.owner.accept()
        self.served = 0

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client gave up, as it should
            super().handle()

    def do_GET(self) -> None:
        owner = self.server.owner
        self.served += 1
        owner.asked.append(Asked(self.command, self.path, dict(self.headers), self.connection_number))
        owner.answer(self)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_args: object) -> None:
        return


Answer = Callable[[Handler], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: "ApiServer"

    def handle_error(self, *_args: object) -> None:
        return


class ApiServer:
    """Answers every GET and POST with what `answer` says at that moment. `tls`: a context with a certificate."""

    def __init__(self, answer: Any = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Any = answer or answer_with({})
        self.asked: list[Asked] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def accept(self) -> int:
        with self._lock:
            self.connections += 1
            return self.connections

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no further connection. The ones that are there live on."""
        self._server.shutdown()
        self._server.server_close()


def answer_with(document: object, status: int = 200, **headers: str) -> Answer:
    """This document; `headers` with _ for -."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def refuse_with(code: str, status: int, **headers: str) -> Answer:
    """An error in Clerk's form."""
    return answer_with({"errors": [{"message": "no", "long_message": "no", "code": code}]}, status, **headers)


def then_close(answer: Answer) -> Answer:
    """The answer, after which the server closes the connection without having said so."""

    def answer_and_close(handler: Handler) -> None:
        answer(handler)
        handler.close_connection = True

    return answer_and_close


def only_first(answer: Answer) -> Answer:
    """The answer to the first request of each connection; the next one finds it closed without an answer."""

    def answer_once(handler: Handler) -> None:
        if handler.served == 1:
            answer(handler)
        else:
            handler.close_connection = True

    return answer_once


def hang_up(handler: Handler) -> None:
    """Nothing at all."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def open_api(url: str, key: str = SECRET_KEY, **options: Any) -> Iterator[ClerkApi]:
    """A client that closes its connections at the end; the application's live as long as their worker."""
    api = ClerkApi(url, key, **options)
    with contextlib.closing(api._client):
        yield api
