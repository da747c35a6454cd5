"""A proxy between a client and the server, which keeps what it was asked and may lose an answer."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import requests

from tests.support.server import Server


class Between:
    """`requests`: method, path and idempotency key. `instead`: answers that are given in place of the server's."""

    def __init__(self, server: Server) -> None:
        self.requests: list[tuple[str, str, str | None]] = []
        self.instead: list[tuple[int, dict[str, str]]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                owner.requests.append((self.command, self.path, self.headers["Idempotency-Key"]))
                answer = requests.request(
                    self.command, server.url + self.path, data=body, headers=dict(self.headers), timeout=30
                )
                status, headers, content = answer.status_code, dict(answer.headers), answer.content
                if owner.instead:
                    (status, headers), content = owner.instead.pop(0), b""
                self.send_response(status)
                for name in {"Content-Type", "ETag", "Retry-After"} & set(headers):
                    self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - names of http.server

            def log_message(self, *_args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
