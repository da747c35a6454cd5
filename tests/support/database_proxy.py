"""A PostgreSQL that commits and cannot say so: a proxy that cuts the connection in place of the confirmation."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

from sqlalchemy.engine import make_url

COMMIT = b"COMMIT\0"  # the end of libpq's message


class DatabaseProxy:
    """In front of the server behind `url`. While `loses_commits`, each COMMIT is handed on and its answer is not."""

    def __init__(self, url: str) -> None:
        self.loses_commits = False
        parts = make_url(url)
        folder = parts.query.get("host")
        self._target: str | tuple[str, int] = (str(parts.host), parts.port or 5432)
        if isinstance(folder, str):
            self._target = str(next(Path(folder).glob(".s.PGSQL.*[0-9]")))
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        own = parts.set(host="127.0.0.1", port=port, query={"sslmode": "disable"})
        self.url = own.render_as_string(hide_password=False)
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
                server = socket.socket(family)
                server.connect(self._target)
                Thread(target=self._hand_on, args=(client, server), daemon=True).start()
                Thread(target=self._hand_back, args=(server, client), daemon=True).start()

    def _hand_on(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for sent in _chunks(client):
                if self.loses_commits and sent.endswith(COMMIT):
                    client.shutdown(socket.SHUT_RDWR)
                server.sendall(sent)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _hand_back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for answered in _chunks(server):
                client.sendall(answered)
        server.close()
        client.close()


def _chunks(connection: socket.socket) -> Iterator[bytes]:
    while chunk := connection.recv(65_536):
        yield chunk
