"""Counted together in a real Valkey by two workers, and what happens while it is away."""

import itertools
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import requests

from backend.services.rate_limits.counters import WINDOW_SECONDS
from backend.services.rate_limits.in_redis import ANSWER_SECONDS, PREFIX, InRedis
from backend.services.rate_limits.limiter import PAUSE_SECONDS
from backend.services.rate_limits.table import Group, amount
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import PROJECT, Server, clean_environment, running_server
from tests.support.traffic import in_parallel, post_event
from tests.support.valkey import Valkey, running_valkey
from tests.support.waiting import wait_for

KEYS = amount(Group.KEYS, "free")
USER_IDS = itertools.count(1_000)
AWAY_SECONDS = 10.0  # after which everything is to be as before


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as running:
        yield running


@pytest.fixture(scope="module")
def server(settings: dict[str, str], valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = {**settings, "RATE_LIMITS": "", "REDIS_URL": valkey.url}
    with running_server(tmp_path_factory.mktemp("limited"), own, workers=2) as running:
        yield running


Revoke = Callable[[], requests.Response]


@pytest.fixture
def revoke(server: Server, clerk: Instance, sql: Sql) -> Revoke:
    """Ask to revoke a key that is not there, as a user of whom nothing is counted yet. Over a connection of its own:
    either worker may get it.
    """
    sql.rows("SELECT setval(pg_get_serial_sequence('users', 'user_id'), %s)", next(USER_IDS))
    token = clerk.token(sub="user_1")
    headers = {"Authorization": f"Bearer {token}"}
    assert server.get("/auth/me", token).status_code == 200
    return partial(requests.delete, f"{server.url}/api/keys/1", headers=headers, timeout=30)


def shared(server: Server) -> str:
    where: str = server.get("/readyz").json()["rate_limits"]
    return where


def test_exact_over_two_workers(revoke: Revoke, server: Server) -> None:
    statuses = Counter(answer.status_code for answer in in_parallel([revoke] * (2 * KEYS)))
    assert statuses == {404: KEYS, 429: KEYS}
    assert len(server.worker_pids()) == 2


def test_headers_count_down(revoke: Revoke) -> None:
    left = [int(revoke().headers["RateLimit"].split(";r=")[1].split(";")[0]) for _ in range(5)]
    assert left == [KEYS - 1 - number for number in range(5)]


def test_one_round_trip(revoke: Revoke, valkey: Valkey) -> None:
    for _ in range(4 * 2):
        revoke()  # both workers are connected, and the scripts are there
    before = valkey.count()
    for _ in range(10):
        revoke()
    spent = {name: count - before.get(name, 0) for name, count in valkey.count().items()}
    assert spent["evalsha"] == 2 * 10
    assert spent["reads"] == 10 + 2, "each request and the two questions of this test"
    assert not {"script|exists", "script|load", "ping", "client|setinfo"} & {name for name in spent if spent[name]}


def test_everything_ends(revoke: Revoke, valkey: Valkey) -> None:
    revoke()
    assert valkey.lifetimes()
    for name, left in valkey.lifetimes().items():
        assert name.startswith(PREFIX)
        assert 0 < left <= 2 * WINDOW_SECONDS * 1_000
        assert "user_1" not in name


def test_clock_of_redis_set_back(revoke: Revoke, valkey: Valkey) -> None:
    """Its counters then last for as long as it was set back."""
    assert {revoke().status_code for _ in range(KEYS)} == {404}
    assert revoke().status_code == 429
    for name in valkey.lifetimes():
        valkey.client.pexpire(name, (2 * 3_600 + WINDOW_SECONDS) * 1_000)
    assert revoke().status_code == 404


def test_scripts_forgotten(revoke: Revoke, valkey: Valkey) -> None:
    valkey.client.script_flush()
    assert {revoke().status_code for _ in range(4)} == {404}


def test_frozen(revoke: Revoke, server: Server, valkey: Valkey, clerk: Instance) -> None:
    """Nobody waits for long, nothing fails, nobody gets more than the limit once more, and it is over by itself."""
    assert {revoke().status_code for _ in range(KEYS)} == {404}
    answers, slowest = Counter[int](), 0.0
    with valkey.frozen():
        for _ in range(3 * KEYS):
            start = time.monotonic()
            answers[revoke().status_code] += 1
            slowest = max(slowest, time.monotonic() - start)
        assert post_event(server, clerk, "session.created", {"id": "sess_1"}).status_code == 200
        assert server.get("/healthz").status_code == 200
        assert server.get("/readyz").status_code == 200
    assert answers.keys() == {404, 429}
    assert answers[404] <= KEYS
    assert slowest < 1, "a worker waited for more than Redis may add"
    assert_back(server)
    assert revoke().status_code == 429


def test_killed_and_started_again(revoke: Revoke, server: Server, valkey: Valkey) -> None:
    """It has forgotten what was counted before; the workers have not."""
    began_at = time.monotonic()
    answers = Counter(revoke().status_code for _ in range(KEYS))
    valkey.kill()
    answers.update(revoke().status_code for _ in range(3 * KEYS))
    valkey.start()
    assert_back(server)
    answers.update(revoke().status_code for _ in range(3 * KEYS))
    assert answers.keys() == {404, 429}
    # A sliding window lets a little more through with each second.
    assert KEYS <= answers[404] <= 2 * KEYS * (1 + (time.monotonic() - began_at) / WINDOW_SECONDS)


def assert_back(server: Server) -> None:
    """Both workers count in Redis again."""
    wait_for(lambda: {shared(server) for _ in range(12)} == {"redis"}, seconds=AWAY_SECONDS)


def test_waits_are_bounded() -> None:
    assert PAUSE_SECONDS + ANSWER_SECONDS < AWAY_SECONDS


def test_never_there(settings: dict[str, str], clerk: Instance, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A worker starts, serves and counts without it."""
    own = {**settings, "RATE_LIMITS": "", "REDIS_URL": "redis://:hunter2hunter2@127.0.0.1:9/0"}
    with running_server(tmp_path_factory.mktemp("alone"), own) as server:
        answer = server.get("/auth/me", clerk.token())
        assert (answer.status_code, shared(server)) == (200, "process")
        assert answer.headers["RateLimit"].startswith('"read";r=599;')
        complaints = [line for line in server.complaints().splitlines() if "Redis" in line]
        assert len(complaints) == 1
        assert "hunter2" not in server.log.read_text()


def test_not_imported_without_redis_url(settings: dict[str, str]) -> None:
    code = "import sys, wsgi; print([name for name in ('redis', 'limits', 'valkey') if name in sys.modules])"
    environment = clean_environment(**settings | {"RATE_LIMITS": "on"})
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_asking_alone_spends_nothing(valkey: Valkey) -> None:
    counter = InRedis(valkey.url)
    valkey.client.flushall()
    assert [counter.hit("k", 1, 0).is_allowed for _ in range(3)] == [True] * 3
    assert counter.hit("k", 1).is_allowed
    assert not counter.hit("k", 1, 0).is_allowed
