"""The workers of one gunicorn count together, whatever becomes of one of them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from backend.database.engine import WRITERS
from tests.faults.harness import frozen
from tests.metrics.scrape import TOKEN, value
from tests.support.server import Server, running_server
from tests.support.traffic import in_parallel
from tests.support.waiting import wait_for

HEALTHY = {"route": "/healthz", "method": "GET"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of counts are made."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def counting(settings: dict[str, str], folder: Path) -> Iterator[Server]:
    own = {**settings, "METRICS_TOKEN": TOKEN, "TMPDIR": str(folder)}
    with running_server(folder, own, workers=2) as running:
        yield running


def ask(server: Server, times: int) -> None:
    """Over as many connections, so that each worker gets some."""
    answers = in_parallel([lambda: requests.get(f"{server.url}/healthz", timeout=30)] * times)
    assert {answer.status_code for answer in answers} == {200}


def count(server: Server) -> float | None:
    total = value(server, "http_requests_total", **HEALTHY, status="200", code="")
    assert total == value(server, "http_request_duration_seconds_count", **HEALTHY)
    return total


def wait_for_other_workers(server: Server, gone: set[int]) -> None:
    wait_for(lambda: len(server.worker_pids()) == 2 and not gone & set(server.worker_pids()), 60)


def test_frozen_database(counting: Server, postgres_url: str) -> None:
    assert value(counting, "database_read_success") == 1
    with frozen(postgres_url):
        for _ in range(3):
            answer = counting.get("/metrics", TOKEN, timeout=5)
            assert answer.status_code == 200
            assert "counterfoil_database_read_success 0.0" in answer.text
            assert "counterfoil_http_requests_total{" in answer.text
    wait_for(lambda: value(counting, "database_read_success") == 1, 30)


def test_no_count_is_lost(counting: Server, folder: Path) -> None:
    """Over kill -9, reloads, and what workers that are gone had open."""
    asked = count(counting)
    assert asked is not None
    for harm in (signal.SIGKILL, signal.SIGHUP):
        ask(counting, 20)
        asked += 20
        assert count(counting) == asked
        before = counting.worker_pids()
        counting.hang_up()  # an old worker waits for idle connections
        if harm is signal.SIGHUP:
            os.kill(counting.process.pid, harm)
            wait_for_other_workers(counting, set(before))
        else:
            os.kill(before[0], harm)
            wait_for_other_workers(counting, {before[0]})
        assert count(counting) == asked
    # Of those who are gone nothing is open or in use any more.
    wait_for(lambda: value(counting, "database_connections_limit", pool="writers") == 2 * WRITERS, 30)
    assert value(counting, "http_requests_in_flight") == 1
    (files,) = folder.glob("counterfoil-metrics-*")
    assert len(list(files.glob("counter_*.db"))) <= 4, "as many as there were workers at once"
    counting.stop()
    assert list(folder.glob("counterfoil-metrics-*")) == []
