"""A server in the place of Clerk's Backend API. It keeps connections, as the real one does, and counts them."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

SECRET_KEY = "sk_test_of_the_backend_api"


class Asked(NamedTuple):
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body, sent apart, wait 40 ms for each other
    server: "ApiServer"
    served = 0  # on this connection

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client gave up, as it should
            super().handle()

    def do_GET(self) -> None:
        self.served += 1
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers)))
        self.server.answer(self)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_args: object) -> None:
        return


Answer = Callable[[Handler], None]


class ApiServer(ThreadingHTTPServer):
    """Answers every GET and POST with what `answer` says at that moment. `tls`: a context with a certificate."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, answer: Any = None, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Any = answer or answer_with({})
        self.asked: list[Asked] = []
        self.connections = 0
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, *_args: object) -> None:
        return

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no further connection. The ones that are there live on."""
        self.shutdown()
        self.server_close()


def answer_with(document: object, status: int = 200, **headers: str) -> Answer:
    """This document; `headers` with _ for -."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def refuse_with(code: str, status: int, **headers: str) -> Answer:
    """An error in Clerk's form."""
    return answer_with({"errors": [{"message": "no", "long_message": "no", "code": code}]}, status, **headers)


def hang_up(handler: Handler) -> None:
    """Nothing at all."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)
