"""An endpoint for webhooks, which keeps what it gets."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from svix.webhooks import Webhook, WebhookVerificationError

from counterfoil_testing.waiting import wait_for


@dataclass(frozen=True)
class Delivery:
    headers: dict[str, str]
    body: bytes
    path: str = ""

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    def is_genuine(self, secret: str) -> bool:
        """As svix sees it."""
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Receiver:
    """A webhook endpoint that keeps what it gets and answers what it is told to."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.secret = ""  # of the emulator that sends, once it has one
        self.forged: list[Delivery] = []
        self.answers: list[int] = []  # one a delivery, then 200
        self.redirect_to = ""
        self.retry_after = ""
        self.held_subjects: set[str] = set()  # whom alone `hold` holds up; nobody means everybody
        self.hold = threading.Event()
        self.hold.set()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.server_port}/api/webhooks"

    @property
    def types(self) -> list[str]:
        return [delivery.event["type"] for delivery in self.deliveries]

    def wait_for(self, count: int) -> list[Delivery]:
        wait_for(lambda: len(self.deliveries) >= count)
        return self.deliveries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, delivery: Delivery) -> int:
        if self.secret and not delivery.is_genuine(self.secret):
            self.forged.append(delivery)
        self.deliveries.append(delivery)
        status = self.answers.pop(0) if self.answers else 200
        if not self.held_subjects or delivery.event["data"]["id"] in self.held_subjects:
            self.hold.wait(10)
        return status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the emulator was stopped amid sending it
                status = receiver._take(Delivery({k.lower(): v for k, v in self.headers.items()}, body, self.path))
                self.send_response(status)
                if receiver.redirect_to:
                    self.send_header("Location", receiver.redirect_to)
                if receiver.retry_after:
                    self.send_header("Retry-After", receiver.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                """Welcome whoever follows a redirect, which no delivery may do."""
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        return Handler
