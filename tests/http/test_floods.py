"""A worker belongs to all connections: whoever sends without end, or takes no answer, harms nobody else.

tests/faults/test_floods.py has each flood by itself, with fifty connections.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from backend.server import fair_worker
from backend.server.bounded_requests import MAX_CHUNKS, MAX_HEAD_BYTES
from backend.server.fair_worker import Client
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.floods import (
    CHUNKED,
    HEALTH,
    LARGE_CHUNKS,
    UNWANTED,
    flooding,
    make_floods,
    take_turns,
    time_others,
    wanted,
)
from tests.support.server import PROJECT, Server
from tests.support.traffic import connect, exchange, get_me

PROGRESS_SECONDS = 0.5
CLOSE = b"Connection: close\r\n"


@pytest.fixture(scope="module")
def flooded(start_server: StartServer) -> Iterator[Server]:
    with start_server(REQUEST_TIMEOUT="2", TEST_PROGRESS_SECONDS=str(PROGRESS_SECONDS)) as server:
        (worker,) = server.worker_pids()
        yield server
        assert server.worker_pids() == [worker], "the worker was replaced"


def read_to_the_end(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65_536):
            received += piece
    return received


def test_master_loads_nothing_of_the_application() -> None:
    """It loads the worker's class before gevent patches the standard library."""
    code = "import sys, backend.server.fair_worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=PROJECT)
    assert not {"flask", "psycopg2", "requests", "sqlalchemy", "backend.app"} & set(loaded.stdout.split())


class TestOthers:
    def test_beside_every_flood(self, flooded: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002 - empty
        token = clerk.token(sub="user_1")
        assert get_me(flooded, token).status_code == 200
        with contextlib.ExitStack() as floods:
            for flood in make_floods().values():
                floods.enter_context(flooding(flooded, flood, 2))
            time.sleep(0.2)
            waits = time_others(flooded, token, 10)
        assert waits.median < 0.5
        assert waits.worst < 1.5

    def test_take_turns(self, flooded: Server) -> None:
        answers = take_turns(flooded, HEALTH, 16, 0.5)
        assert min(answers) * 2 >= max(answers) > 1


class TestHead:
    def head(self, size: int, fields: int = 10) -> bytes:
        """Exactly so long, in so many fields."""
        start, end = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + CLOSE, b"\r\n"
        names = [b"x-%04d: " % number for number in range(fields)]
        value, longer = divmod(size - len(start + end) - sum(len(name) + 2 for name in names), fields)
        lines = [name + b"s3cret" + b"x" * (value - 6 + (not n) * longer) + b"\r\n" for n, name in enumerate(names)]
        head = start + b"".join(lines) + end
        assert len(head) == size
        return head

    @pytest.mark.parametrize(
        ("size", "fields", "is_good"),
        [(16_000, 1, True), (17_000, 1, False), (MAX_HEAD_BYTES - 8_192, 5, True), (MAX_HEAD_BYTES + 1, 90, False)],
    )
    def test_length(self, flooded: Server, size: int, fields: int, *, is_good: bool) -> None:
        status, _, body = exchange(flooded, self.head(size, fields))
        assert status == (200 if is_good else 431)
        if not is_good:
            assert json.loads(body)["code"] == "header-too-large"
            assert b"s3cret" not in body
            assert "s3cret" not in flooded.log.read_text()

    @pytest.mark.parametrize(("version", "status"), [("1.1", 400), ("1.0", 200)])
    def test_host(self, flooded: Server, version: str, status: int) -> None:
        assert exchange(flooded, f"GET /healthz HTTP/{version}\r\nConnection: close\r\n\r\n".encode())[0] == status


class TestUnwantedBody:
    @pytest.mark.parametrize(("size", "is_kept"), [(10_000, True), (1_000_000, False)])
    def test_connection(self, flooded: Server, size: int, *, is_kept: bool) -> None:
        """Read to its end if that is near; otherwise nothing after it is a request."""
        with connect(flooded) as client:
            client.sendall(UNWANTED + b"Content-Length: %d\r\n\r\n" % size)
            with contextlib.suppress(ConnectionError):
                client.sendall(b"x" * size + HEALTH.replace(b"Host", CLOSE + b"Host"))
            answers = read_to_the_end(client)
        assert answers.startswith(b"HTTP/1.1 405 ")
        assert (b"HTTP/1.1 200 " in answers) == is_kept


class TestWantedBody:
    def test_many_chunks(self, flooded: Server) -> None:
        """As many as there may be are read, and the signature is looked at."""
        for count, code in ((MAX_CHUNKS - 1, "webhook-signature-invalid"), (MAX_CHUNKS, "malformed-body")):
            body = b"1\r\nx\r\n" * count + b"0\r\n\r\n"
            status, _, answer = exchange(flooded, wanted() + CLOSE + CHUNKED + body)
            assert (status, json.loads(answer)["code"]) == (400, code)

    def test_endless(self, flooded: Server) -> None:
        with connect(flooded) as client:
            client.sendall(wanted() + CHUNKED)
            with contextlib.suppress(ConnectionError):
                for _ in range(1_000):
                    client.sendall(LARGE_CHUNKS)
            with contextlib.suppress(ConnectionError):
                assert client.recv(13) == b"HTTP/1.1 413 "

    def test_cut_by_the_deadline(self, flooded: Server) -> None:
        """What comes later was part of the body, and is no request."""
        with connect(flooded) as client:
            client.sendall(wanted() + CHUNKED + b"3e8\r\n")
            client.settimeout(0.1)
            answer = b""
            while not answer.endswith(b"}"):
                with contextlib.suppress(TimeoutError):
                    client.sendall(b"x")
                    answer += client.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Connection: close" in answer
            with contextlib.suppress(ConnectionError):
                client.sendall(HEALTH)
            assert read_to_the_end(client) == b""


class TestAnswersThatNobodyTakes:
    def test_connection_is_given_up(self, flooded: Server) -> None:
        with connect(flooded) as client:
            client.settimeout(10)
            start = time.monotonic()
            with pytest.raises(ConnectionError):
                client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000_000)
            assert PROGRESS_SECONDS < time.monotonic() - start < 5
        assert "Traceback" not in flooded.complaints()

    def test_slow_client_gets_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit is for a step, not for the whole."""
        monkeypatch.setattr(fair_worker, "PROGRESS_SECONDS", 0.2)
        ours, theirs = gevent.socket.socketpair()

        def take_slowly() -> int:
            taken = 0
            while piece := theirs.recv(100_000):
                taken += len(piece)
                gevent.sleep(0.03)
            return taken

        with theirs:
            slow = gevent.spawn(take_slowly)
            with ours:
                Client(ours).sendall(b"x" * 2_000_000)
            assert slow.get() == 2_000_000


def test_silence_is_no_fault(start_server: StartServer) -> None:
    """A connection may rest for as long as the operator wants, be it longer than a client may take no answer."""
    own = {"TEST_PROGRESS_SECONDS": "0.2", "GUNICORN_CMD_ARGS": "--keep-alive 60"}
    with start_server(**own) as server, connect(server) as client:
        for _ in range(2):
            client.sendall(HEALTH)
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(65_536) or b"closed }"
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(0.5)
        assert "Traceback" not in server.log.read_text()
