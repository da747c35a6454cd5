"""One user's flood beside another user, and many connections beside each other."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.faults.conftest import Report
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow

WRITERS = 60
SECONDS = 10.0
PROBES = 150
NEAR_MS = 20.0
FAR_AWAY = 4_000_000_000  # these take longer than the minute of a token

Answer = tuple[int, float]


class Request(NamedTuple):
    method: str
    path: str
    token: str
    body: str | None = None


def closed_loop(server: Server, request: Request, is_over: Callable[[], bool], answers: list[Answer]) -> None:
    """The next request when the last one is answered, over one connection, by a client that costs little itself."""
    method, path, token, body = request
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=20)) as connection:
        while not is_over():
            start = time.monotonic()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            answers.append((answer.status, time.monotonic() - start))


@contextmanager
def crowd(server: Server, connections: int, request: Request) -> Iterator[list[Answer]]:
    """So many closed loops beside the block. What they were answered is complete when it ends."""
    answers: list[Answer] = []
    end = Event()
    threads = [Thread(target=closed_loop, args=(server, request, end.is_set, answers)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        end.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def server(settings: dict[str, str], own_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, with the time limits it has by default."""
    folder: Path = tmp_path_factory.mktemp("fairness")
    with running_server(folder, settings | {"DATABASE_URL": own_database}) as running:
        yield running


class TestOneUser:
    def test_sixty_writers(self, server: Server, own_sql: Sql, clerk: Instance, report: Report) -> None:
        write = Request("PATCH", "/api/me", clerk.token(sub="user_1", exp=FAR_AWAY), '{"bio": "One"}')
        read = Request("GET", "/api/campaigns", clerk.token(sub="user_2", exp=FAR_AWAY))

        def probe() -> tuple[float, list[int]]:
            """The median, in ms, and the statuses there were."""
            answers: list[Answer] = []
            closed_loop(server, read, lambda: len(answers) >= PROBES, answers)
            return statistics.median(seconds for _, seconds in answers) * 1000, sorted(
                {status for status, _ in answers}
            )

        for request in (write, read):
            assert server.get("/auth/me", request.token).ok
        alone, _ = probe()
        with crowd(server, WRITERS, write) as written:
            time.sleep(0.5)
            beside, statuses = probe()
        report(
            f"{WRITERS} writers on one user's row; another's GET /api/campaigns",
            f"median {alone:.0f} → {beside:.0f} ms, statuses {statuses}, {len(written)} writes meanwhile",
            f"only 200, at most {NEAR_MS:.0f} ms or 5 x",
        )
        assert own_sql.value("SELECT count(*) FROM users") == 2
        assert statuses == [200]
        assert {status for status, _ in written} <= {200, 429}
        assert beside < max(NEAR_MS, 5 * alone)


class TestConnections:
    @pytest.mark.parametrize("connections", [16, 64])
    def test_slowest_of_a_hundred(
        self, server: Server, own_sql: Sql, clerk: Instance, report: Report, connections: int
    ) -> None:
        with crowd(server, connections, Request("GET", "/auth/me", clerk.token(sub="user_1", exp=FAR_AWAY))) as answers:
            time.sleep(SECONDS)
        seconds = sorted(seconds for _, seconds in answers)
        median, p99 = statistics.median(seconds), seconds[len(seconds) * 99 // 100]
        report(
            f"/auth/me over {connections} connections in closed loop",
            f"median {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms: {p99 / median:.1f} x",
            "p99 at most 5 x the median",
        )
        assert {status for status, _ in answers} == {200}
        assert own_sql.value("SELECT count(*) FROM users") == 1
        assert p99 < 5 * median
