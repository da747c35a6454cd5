"""Each flood by itself, from fifty connections, and what others wait. tests/http/test_floods.py is the short form."""

import contextlib
import ssl
import statistics
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.faults.conftest import Report
from tests.support.certificates import make_certificate
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.floods import BLOCK, FLOODS, HEALTH, UNWANTED, flooding, make_floods, time_others
from tests.support.server import Server, running_server
from tests.support.traffic import connect, get_me

pytestmark = pytest.mark.slow

CONNECTIONS = 50
MEDIAN, WORST = 0.5, 1.5
# Shipped: PROGRESS_SECONDS of the worker, `keepalive` of gunicorn.conf.py.
TAKE_SECONDS = 30
HEAD_SECONDS = 5


@pytest.fixture
def token(own_server: Server, own_sql: Sql, clerk: Instance) -> str:  # noqa: ARG001 - the tables are to be empty
    """Of a user who is here already."""
    token = clerk.token(sub="user_1", exp=4_000_000_000)
    assert get_me(own_server, token).status_code == 200
    return token


@pytest.mark.parametrize("name", FLOODS)
def test_flood(own_server: Server, token: str, report: Report, name: str) -> None:
    with flooding(own_server, make_floods()[name], CONNECTIONS):
        time.sleep(1)
        waits = time_others(own_server, token, 30)
    figure = f"others wait {waits.median:.2f} s, at worst {waits.worst:.2f} s"
    report(f"{CONNECTIONS} x {name}", figure, f"{MEDIAN} s, at worst {WORST} s")
    assert waits.median < MEDIAN
    assert waits.worst < WORST


def test_answers_that_nobody_takes(own_settings: dict[str, str], token: str, report: Report, tmp_path: Path) -> None:
    """As many as a worker has room for. Not the shipped 2,000: the kernel keeps megabytes for each."""
    settings = {**own_settings, "GUNICORN_CMD_ARGS": f"--worker-connections {CONNECTIONS}"}
    with running_server(tmp_path, settings) as server:
        server.hang_up()
        start = time.monotonic()
        clients = [connect(server) for _ in range(CONNECTIONS)]
        for client in clients:
            client.setblocking(False)
            client.send(HEALTH.replace(b"/healthz", b"/openapi.json") * 1_000)
        assert get_me(server, token, timeout=2 * TAKE_SECONDS).status_code == 200
        took = time.monotonic() - start
        for client in clients:
            client.close()
    report(f"{CONNECTIONS} x answers nobody takes", f"others wait {took:.0f} s for a place", f"{TAKE_SECONDS} s")
    assert took < TAKE_SECONDS + 10


def flood_encrypted(server: Server, certificate: Path, is_over: Event) -> None:
    """A body nobody wants, again and again, each with a handshake."""
    context = ssl.create_default_context(cafile=certificate)
    while not is_over.is_set():
        with contextlib.suppress(OSError), context.wrap_socket(connect(server), server_hostname="localhost") as client:
            client.sendall(UNWANTED + b"Content-Length: 1000000000000\r\n\r\n")
            while not is_over.is_set():
                client.sendall(BLOCK)


def test_tls(own_settings: dict[str, str], report: Report, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    is_over = Event()
    with running_server(tmp_path, own_settings, certificate=certificate) as server, connect(server) as silent:
        start = time.monotonic()
        floods = [Thread(target=flood_encrypted, args=(server, certificate, is_over)) for _ in range(5)]
        for flood in floods:
            flood.start()
        took = []
        for _ in range(30):
            begin = time.monotonic()
            assert server.get("/healthz").status_code == 200
            took.append(time.monotonic() - begin)
        is_over.set()
        for flood in floods:
            flood.join(20)
        silent.settimeout(2 * HEAD_SECONDS)
        assert silent.recv(1) == b""
        kept = time.monotonic() - start
    figure = f"others wait {statistics.median(took):.2f} s, at worst {max(took):.2f} s"
    report("5 x a body nobody wants, in TLS", figure, f"{MEDIAN} s, at worst {WORST} s")
    report("no handshake", f"given up after {kept:.1f} s", f"{HEAD_SECONDS} s")
    assert statistics.median(took) < MEDIAN
    assert max(took) < WORST
    assert kept < HEAD_SECONDS + 2
