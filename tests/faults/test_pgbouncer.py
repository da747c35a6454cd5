"""Through a real PgBouncer that pools transactions: clients share server connections, and these change under them."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from threading import Event, Thread

import pytest
import requests

from tests.faults.conftest import Report
from tests.support.clerk import Instance
from tests.support.pgbouncer import PgBouncer, running_pgbouncer
from tests.support.server import Server, running_server

CLIENTS = 8
DISTURBED_SECONDS = 0.5


@contextmanager
def disturbed(bouncer: PgBouncer) -> Iterator[None]:
    """New server connections and read settings, all the time."""
    is_over = Event()

    def disturb() -> None:
        # One after the other: either ends a login that the other has just caused, and PgBouncer tells clients of that.
        for command in cycle(["RECONNECT", "RELOAD"]):
            if is_over.wait(DISTURBED_SECONDS):
                return
            bouncer.command(command)

    thread = Thread(target=disturb)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def ask(server: Server, clerk: Instance, number: int, requests_each: int) -> Counter[int]:
    """By a session token, with a page of campaigns now and then: prepared statements beside ordinary ones."""
    statuses = Counter[int]()
    token = clerk.token(sub=f"user_{number}", exp=int(time.time()) + 3600)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        for count in range(requests_each):
            path = ("/auth/me", "/auth/me", "/api/campaigns", "/readyz")[count % 4]
            statuses[session.get(f"{server.url}{path}", timeout=20).status_code] += 1
    return statuses


def serve(database_url: str, settings: dict[str, str], folder: Path, clerk: Instance, each: int, size: int) -> str:
    """What went wrong with so many requests of each client, empty for nothing."""
    # A login that RECONNECT ends counts as failed: by default PgBouncer then lets nobody in for 15 s.
    with running_pgbouncer(database_url, default_pool_size=size, server_login_retry=1) as bouncer:
        through = settings | {"DATABASE_URL": bouncer.url}
        with running_server(folder, through, workers=2, ready="/readyz") as server, disturbed(bouncer):
            with ThreadPoolExecutor(CLIENTS) as pool:
                told = sum(pool.map(lambda number: ask(server, clerk, number, each), range(CLIENTS)), Counter())
            assert told.total() == CLIENTS * each
            return "" if set(told) == {200} else f"{dict(told)}\n{server.complaints()}"


def test_shared_connections(own_database: str, settings: dict[str, str], tmp_path: Path, clerk: Instance) -> None:
    assert not serve(own_database, settings, tmp_path, clerk, 50, size=1)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 10])
def test_ten_thousand(
    own_database: str, settings: dict[str, str], tmp_path: Path, clerk: Instance, report: Report, size: int
) -> None:
    failures = serve(own_database, settings, tmp_path, clerk, 10_000 // CLIENTS, size)
    told = "some failed" if failures else "0 failures"
    report(f"10,000 requests through PgBouncer, {size} server connections at most", told, "0 failures")
    assert not failures
