"""Ways in which a key server can fail, each as an `answer` for KeyServer."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from threading import Event

from tests.support.clerk import answer_json

Answer = Callable[[BaseHTTPRequestHandler], None]

HUGE = 200 * 1024 * 1024
DRIP_SECONDS = 12


def hang(handler: BaseHTTPRequestHandler) -> None:  # noqa: ARG001
    Event().wait(DRIP_SECONDS)


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: no wait for a single one is ever too long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "10000")
    handler.end_headers()
    _drip(handler, b" ")


def drip_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(handler, b"a")


def _drip(handler: BaseHTTPRequestHandler, byte: bytes) -> None:
    ends_at = time.monotonic() + DRIP_SECONDS
    while time.monotonic() < ends_at:
        handler.wfile.write(byte)
        handler.wfile.flush()
        time.sleep(0.1)


def send_huge_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(HUGE))
    handler.end_headers()
    chunk = b" " * 1_048_576
    for _ in range(HUGE // len(chunk)):
        handler.wfile.write(chunk)


def redirect_to(url: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    """Half an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "10000")
    handler.end_headers()
    handler.wfile.write(b'{"keys": [')


FAILURES: dict[str, Answer] = {
    "500": answer_json({"errors": []}, 500),
    "garbage": answer_json(b"<html>not today</html>"),
    "not utf-8": answer_json(b"\xff\xfe\x00"),
    "nested": answer_json(b"[" * 60_000),
    "empty object": answer_json({}),
    "null": answer_json(None),
    "no keys": answer_json({"keys": []}),
    "keys is no list": answer_json({"keys": {"kid": "x"}}),
    "unfit keys": answer_json({"keys": [None, 7, "x", [], {}, {"kty": "oct", "kid": "x", "k": "AAAA"}]}),
    "cut off": cut_off,
    "200 MB": send_huge_body,
    "hang": hang,
    "drip": drip_body,
    "drip in the head": drip_head,
}
