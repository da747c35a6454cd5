"""Events are dropped, doubled and reordered while users come, change and go: reconcile finds all, and repairs all."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backend.services.clerk.client import bulk
from tests.emulator.harness import EmulatorProcess
from tests.mirror.conftest import Clerk, commands_of
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import running_server

USERS = 60
SEEDS = 10
SENDERS = 4
DIFFERENCES = ("missing", "stale", "extra", "diverged")


@pytest.fixture
def told(tmp_path: Path, settings: dict[str, str]) -> Iterator[tuple[EmulatorProcess, dict[str, str]]]:
    """An emulator that tells a gunicorn, and the settings of that. Its keys are there only once it has run."""
    emulator = EmulatorProcess(tmp_path / "state", "http://127.0.0.1:9/")
    with emulator:
        own = {"DATABASE_URL": settings["DATABASE_URL"], **emulator.keys}
    with running_server(tmp_path, own, workers=2) as server:
        emulator.webhook_url = f"{server.url}/api/webhooks"
        with emulator:
            yield emulator, own


@pytest.mark.slow
def test_ten_seeds(told: tuple[EmulatorProcess, dict[str, str]], sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bulk.ALLOWED, "sk_test_", 100_000)
    emulator, own = told
    command = commands_of(make_app(own))
    found = Counter[str]()
    for seed in range(SEEDS):
        emulator.call("POST", "/emulator/reset", json={"webhooks": False})
        sql.empty_all()
        found += lose_and_repair(emulator, command, sql, seed)
    # Of each kind of loss there was some.
    assert found.keys() == {"missing", "stale", "extra"}


def lose_and_repair(emulator: EmulatorProcess, command: Clerk, sql: Sql, seed: int) -> Counter[str]:
    """How often what differed."""
    faults = {"drop": 0.05, "double": 0.05, "reorder": 1, "seed": seed}
    emulator.call("PUT", "/emulator/faults", json=faults)
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(lambda number: live(emulator, seed, number), range(USERS)))
    emulator.wait_until_all_is_told()
    replay_some(emulator)
    emulator.call("PUT", "/emulator/faults", json={})
    emulator.wait_until_all_is_told()
    before = read(command, "--max-deletes", "100%")
    again = read(command, "--apply", "--max-deletes", "100%")
    counts = again["kinds"]["users"]
    assert again["drift"] == 0, seed
    assert counts["repaired"] == before["drift"], seed
    assert read(command)["drift"] == 0
    there = emulator.execute("SELECT id, first_name, updated_at FROM users ORDER BY id")
    here = sql.rows(
        "SELECT clerk_user_id, first_name, (extract(epoch FROM clerk_updated_at) * 1000)::bigint AS at FROM users "
        'WHERE deleted_at IS NULL ORDER BY clerk_user_id COLLATE "C"'
    )
    assert [tuple(row.values()) for row in here] == there
    # One effect each, however often an event came.
    assert sql.value("SELECT count(*) = count(DISTINCT user_id) FROM subscriptions")
    return Counter({how: counts[how] for how in DIFFERENCES if counts[how]})


def live(emulator: EmulatorProcess, seed: int, number: int) -> None:
    """One comes, half of them change, a fifth go."""
    user = emulator.create_user(f"{seed}-{number}@example.com")
    if number % 2:
        emulator.call("PATCH", f"/v1/users/{user['id']}", json={"first_name": f"Ada {number}"})
    if number % 5 == 0:
        emulator.call("DELETE", f"/v1/users/{user['id']}")


def replay_some(emulator: EmulatorProcess) -> None:
    """As from the dashboard: what was delivered comes once more under its id."""
    for message in emulator.call("GET", "/emulator/messages")[:20]:
        emulator.call("POST", f"/emulator/messages/{message['id']}/replay")


def read(command: Clerk, *arguments: str) -> dict[str, Any]:
    result = command("reconcile", "--json", *arguments)
    assert result.exit_code in (0, 1), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (found["drift"] > 0)
    return found
