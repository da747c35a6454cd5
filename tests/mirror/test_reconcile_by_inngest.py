"""The reconcile that Inngest begins: in parts, each a request of its own, and never at once with the command."""

import json
from typing import Any

import pytest
import requests

from backend.workflows.inngest import schedules
from tests.mirror.conftest import Clerk
from tests.mirror.source import AT, Source, make_item, make_user, some_of_each_kind
from tests.support.clerk_api import SECRET_KEY, refuse_with
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.inngest import SETTINGS, Inngest, inngest_event
from tests.support.server import in_process

TIMER = inngest_event("inngest/scheduled.timer", {})
LAST = "SELECT status, counts, drift, error FROM sync_runs WHERE command = 'reconcile' ORDER BY run_id DESC LIMIT 1"


class Scheduled:
    """`step()` calls the next step; `memory` is what Inngest remembers of those before."""

    def __init__(self, inngest: Inngest) -> None:
        self._inngest = inngest
        self.memory: dict[str, Any] = {}

    def again(self) -> "Scheduled":
        """The function's next run."""
        return Scheduled(self._inngest)

    def step(self) -> requests.Response:
        answer = self._inngest.call("clerk-reconcile", TIMER, self.memory)
        if answer.status_code == 206:
            (told,) = answer.json()
            if not told.get("error"):
                self.memory[told["id"]] = {"data": told["data"]}
        return answer

    def run(self) -> Any:
        """Its last answer, however many parts it takes."""
        while (answer := self.step()).status_code == 206 and "error" not in answer.json()[0]:
            pass
        return answer.json()


@pytest.fixture
def scheduled(settings: dict[str, str], source: Source, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> Scheduled:
    """Each part ends with the first thing that it did."""
    del sql
    monkeypatch.setattr(schedules, "PART", 0)
    own = SETTINGS | {"CLERK_SECRET_KEY": SECRET_KEY, "CLERK_API_URL": source.url}
    return Scheduled(Inngest(in_process(make_app(settings | own))))


@pytest.fixture
def drifted(source: Source, clerk_command: Clerk, sql: Sql) -> Source:
    """Of sixty users and some of each other kind."""
    source.put("users", *(make_user(number) for number in range(60)))
    others = {kind: objects for kind, objects in some_of_each_kind().items() if kind != "users"}
    for kind, objects in others.items():
        source.put(kind, *objects)
    source.put("subscription_items", *(make_item(f"user_{number:05}") for number in range(3, 25)))
    assert clerk_command("backfill").exit_code == 0
    source.remove("users", "user_00050")
    sql.rows("DELETE FROM clerk.users WHERE id IN ('user_00007', 'user_00047')")
    sql.rows("UPDATE users SET banned = true WHERE clerk_user_id = 'user_00008'")
    sql.rows("UPDATE clerk.subscription_items SET updated_at = to_timestamp(1) WHERE user_id = 'user_00020'")
    sql.rows("UPDATE clerk.subscriptions SET updated_at = to_timestamp(1) WHERE user_id = 'user_00021'")
    for kind in ("organization_memberships", "roles"):
        source.put(kind, others[kind][1] | {"updated_at": AT + 1})
    return source


def test_all_that_the_command_does(scheduled: Scheduled, drifted: Source, clerk_command: Clerk, sql: Sql) -> None:
    del drifted
    expected = json.loads(clerk_command("reconcile", "--json").stdout)
    assert expected["drift"] == 8
    assert scheduled.run() == {"drift": 0}
    assert len(scheduled.memory) > 10
    run = sql.row(LAST)
    assert (run["status"], run["drift"], run["error"]) == ("finished", 0, None)
    repaired = {kind: found["repaired"] for kind, found in run["counts"].items()}
    assert sum(repaired.values()) == 8
    without = {kind: found | {"repaired": 0} for kind, found in run["counts"].items()}
    assert without == expected["kinds"]
    assert json.loads(clerk_command("reconcile", "--json").stdout)["drift"] == 0
    assert sql.user("user_00050")["deleted_at"] is not None
    assert sql.value("SELECT count(*) FROM users WHERE deleted_at IS NULL") == 59
    assert sql.value("SELECT count(*) FROM sync_seen") == 0


@pytest.mark.parametrize("failing", [1, 2, 5, 6])
def test_part_that_fails_is_done_again(scheduled: Scheduled, drifted: Source, sql: Sql, failing: int) -> None:
    """Whatever the part was at, nothing counts twice and nothing is left out."""
    for _ in range(failing):
        scheduled.step()
    drifted.before = lambda _path, _query: refuse_with("internal", 400)
    (told,) = scheduled.step().json()
    assert told["error"]["message"] == "FetchError"
    assert sql.row(LAST)["status"] == "interrupted"
    drifted.before = lambda _path, _query: None
    assert scheduled.run() == {"drift": 0}
    users = sql.row(LAST)["counts"]["users"]
    assert users == {"checked": 59, "missing": 2, "stale": 0, "extra": 1, "diverged": 1, "repaired": 4}


def test_one_at_a_time(scheduled: Scheduled, drifted: Source, clerk_command: Clerk, sql: Sql) -> None:
    del drifted
    scheduled.step()
    scheduled.step()
    refused = clerk_command("reconcile")
    assert (refused.exit_code, "Another reconcile is at work" in refused.stderr) == (1, True)
    answer = scheduled.again().step()
    assert "Another reconcile is at work" in answer.json()["message"]
    assert "Retry-After" in answer.headers
    # Inngest did not call for a while, and the command had its turn.
    sql.rows("UPDATE sync_runs SET heartbeat_at = now() - interval '3 min', asks_at = now() - interval '3 min'")
    assert clerk_command("reconcile", "--apply", "--only", "roles").exit_code == 0
    answer = scheduled.step()
    assert answer.json()["message"] == "another process goes on with this run"
    assert answer.headers["X-Inngest-No-Retry"] == "true"


def test_deletes_no_more_than_may_be(scheduled: Scheduled, drifted: Source, sql: Sql) -> None:
    drifted.remove("users", *(f"user_{number:05}" for number in range(10)))
    assert "more than 0.05" in scheduled.run()["message"]
    assert sql.row(LAST)["status"] == "stopped"
    assert sql.value("SELECT count(*) FROM users WHERE deleted_at IS NULL") == 60


def test_without_a_key(settings: dict[str, str], sql: Sql) -> None:
    assert Scheduled(Inngest(in_process(make_app(settings | SETTINGS)))).run() == {"drift": None}
    assert sql.value("SELECT count(*) FROM sync_runs") == 0
