"""In place of the local Clerk instance: says what it was asked, and fails on demand."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

BUNDLE = bytes(range(256)) * 8_000  # 2 MB
STALLED_SECONDS = 2


@contextmanager
def running_upstream() -> Iterator[int]:
    """On the port that is yielded."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


class Upstream(BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in {"/stalled", "/cut"}:
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"abc")
            if path == "/stalled":
                time.sleep(STALLED_SECONDS)
                self.wfile.write(b"def")
            self.close_connection = path == "/cut"
        elif path == "/broken":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif path == "/bundle":
            self.answer(200, BUNDLE, ("Content-Type", "text/javascript"), ("ETag", '"1"'))
        elif path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
        elif path == "/away":
            self.answer(302, b"", ("Location", "http://localhost/elsewhere"))
        elif path == "/wrong":
            self.answer(422, b'{"errors": []}', ("Content-Type", "application/json"))
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = {"method": self.command, "path": self.path, "headers": headers, "length": len(body)}
            self.answer(
                200,
                json.dumps(asked | {"body": body.decode()}).encode(),
                ("Set-Cookie", "__client=a; HttpOnly; Path=/"),
                ("Set-Cookie", "__client_uat=1; Path=/"),
                ("Access-Control-Allow-Origin", "http://localhost:8000"),
            )

    do_POST = do_OPTIONS = do_HEAD = do_DELETE = do_GET  # noqa: N815

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return
