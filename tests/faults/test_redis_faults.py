"""L-03: Redis frozen, killed and coming and going beside callers. What they see of it, and for how long."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import requests

from backend.services.rate_limits.counters import WINDOW_SECONDS
from backend.services.rate_limits.table import Group, amount
from tests.faults.conftest import Report
from tests.faults.harness import Callers
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, running_server
from tests.support.valkey import Valkey, running_valkey
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

SECONDS = 8.0
FAR_AWAY = 4_000_000_000
ADDED_P99 = 0.150
BACK_SECONDS = 10.0
WORKERS = 2
LIMIT = amount(Group.READ, "free")

Harm = Callable[[Valkey], None]


def freeze(valkey: Valkey) -> None:
    with valkey.frozen():
        time.sleep(SECONDS)


def kill(valkey: Valkey) -> None:
    valkey.kill()
    time.sleep(SECONDS)
    valkey.start()


def flap(valkey: Valkey) -> None:
    """Frozen for half of each second."""
    for _ in range(int(SECONDS)):
        with valkey.frozen():
            time.sleep(0.5)
        time.sleep(0.5)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as running:
        yield running


@pytest.fixture
def limited(settings: dict[str, str], valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = {**settings, "RATE_LIMITS": "on", "REDIS_URL": valkey.url}
    with running_server(tmp_path_factory.mktemp("limited"), own, workers=WORKERS) as running:
        yield running


@contextmanager
def crowd(server: Server, tokens: list[str]) -> Iterator[list[Callers]]:
    """Users who stay under their limit, each with two callers, beside the block."""
    callers = [Callers(server, token, threads=2) for token in tokens]
    for each in callers:
        each.__enter__()
    try:
        yield callers
    finally:
        for each in callers:
            each.__exit__()


def p99(callers: list[Callers]) -> float:
    return statistics.quantiles([seconds for each in callers for _, seconds in each.answers], n=100)[98]


@pytest.mark.parametrize("harm", [freeze, kill, flap])
def test_redis(
    limited: Server,
    valkey: Valkey,
    clerk: Instance,
    sql: Sql,  # noqa: ARG001 - the tables are to be empty
    report: Report,
    harm: Harm,
) -> None:
    tokens = [clerk.token(sub=f"user_{number}", exp=FAR_AWAY) for number in range(8)]
    greedy = clerk.token(sub="user_greedy", exp=FAR_AWAY)
    headers = {"Authorization": f"Bearer {greedy}"}
    for token in tokens:
        assert limited.get("/auth/me", token).status_code == 200
    with crowd(limited, tokens) as before:
        time.sleep(3)
    start = time.monotonic()
    taken = sum(requests.get(f"{limited.url}/auth/me", headers=headers).ok for _ in range(LIMIT))
    thread = Thread(target=harm, args=(valkey,))
    with crowd(limited, tokens) as during:
        thread.start()
        taken += sum(requests.get(f"{limited.url}/auth/me", headers=headers).ok for _ in range(2 * LIMIT))
        thread.join()
    ended = time.monotonic()
    wait_for(
        lambda: {limited.get("/readyz").json()["rate_limits"] for _ in range(12)} == {"redis"}, seconds=BACK_SECONDS
    )
    back = time.monotonic() - ended
    added = p99(during) - p99(before)
    statuses = {status for each in during for status in each.statuses}
    # The limit itself lets that much through, in this time.
    allowed = LIMIT * (1 + (ended - start) / WINDOW_SECONDS)
    what = f"Redis: {harm.__name__}"
    report(what, f"p99 {added * 1000:+.0f} ms", f"at most +{ADDED_P99 * 1000:.0f} ms")
    report(what, f"statuses {sorted(statuses)}", "no 5xx")
    report(what, f"{taken / allowed:.2f} of the limit taken", "at most 2")
    report(what, f"counted together again after {back:.1f} s", f"at most {BACK_SECONDS:.0f} s")
    assert statuses <= {200, 429}
    assert taken <= 2 * allowed
    assert added <= ADDED_P99
