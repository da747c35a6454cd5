"""Clients that send a byte now and then hold connections, and nothing else."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import connect, get_me

SLOW = 300
HEADER = b"GET /auth/me HTTP/1.1\r\nHost: x\r\nX-Slow: "
# With headers good enough that the body is read at all.
BODY = (
    b"POST /api/webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nsvix-id: msg_1\r\n"
    b"svix-signature: v1,x\r\nsvix-timestamp: %d\r\n\r\n{"
)


@pytest.fixture
def slow(own_server: Server) -> Iterator[list[socket.socket]]:
    """Half of them never end their head, half never end their body: even ones are bodies."""
    connections: list[socket.socket] = []
    try:
        for number in range(SLOW):
            connections.append(connect(own_server))
            connections[-1].sendall(HEADER if number % 2 else BODY % time.time())
        yield connections
    finally:
        for connection in connections:
            connection.close()


def drip_until_refused(connection: socket.socket, seconds: float) -> None:
    """Go on sending until there is an answer, or none and the end of the connection."""
    give_up = time.monotonic() + seconds
    connection.settimeout(0.2)
    while True:
        assert time.monotonic() < give_up, "a slow connection was never given up"
        try:
            connection.sendall(b"x")
            answer = connection.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionError:
            return
        assert answer == b"" or answer.startswith(b"HTTP/1.1 503")
        return


class TestSlowClients:
    def test_do_not_stop_the_others(
        self, own_server: Server, own_sql: Sql, clerk: Instance, slow: list[socket.socket]
    ) -> None:
        token = clerk.token(sub="user_1")
        took = []
        for _ in range(15):
            start = time.monotonic()
            assert get_me(own_server, token).status_code == 200
            took.append(time.monotonic() - start)
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")
        assert sorted(took)[len(took) // 2] < 0.5
        assert max(took) < 2
        # A body may take as long as a request may, however busily it drips.
        drip_until_refused(slow[0], 5)
        assert own_sql.value("SELECT count(*) FROM webhook_events") == 0

    @pytest.mark.slow
    def test_slow_head_is_given_up(self, slow: list[socket.socket]) -> None:
        drip_until_refused(slow[1], 10)
