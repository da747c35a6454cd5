"""Clerk's events by way of Inngest: what they do, what is refused, and what Inngest gets to know of it."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import requests

from backend.services.clerk.webhooks.events import EVENT_TYPES
from tests.documentation.pages import blocks
from tests.support.clerk import Instance, clerk_id, event, now_ms, session_data, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.inngest import BY_VERB, SETTINGS, Inngest, inngest_event, with_signature
from tests.support.rows import all_rows
from tests.support.server import in_process

EMAIL = "ada@example.com"
LEDGER = "SELECT source, type, subject_id, status, attempts FROM webhook_events ORDER BY received_at, event_id"


def deleted(user_id: str) -> dict[str, Any]:
    return {"id": user_id, "object": "user", "deleted": True}


def assert_ended(answer: requests.Response, reason: str) -> None:
    """Without a retry; with nothing but the reason."""
    assert (answer.status_code, answer.headers.get("X-Inngest-No-Retry")) == (500, "true"), answer.text
    told = answer.json()
    assert (told["message"], told["stack"]) == (reason, None)


def assert_to_be_retried(answer: requests.Response, fault: str) -> None:
    assert (answer.status_code, answer.headers.get("X-Inngest-No-Retry")) == (500, None)
    told = answer.json()
    assert (told["name"], told["message"], told["stack"]) == ("Trouble", fault, f"{Trouble.PATH}: {fault}\n")


class Trouble:
    PATH = "backend.api.http.inngest.Trouble"


class TestClerksDataAlone:
    def test_life_of_a_user(self, inngest: Inngest, sql: Sql) -> None:
        at = now_ms() - 10_000
        for step, (kind, data) in enumerate(
            [
                ("user.created", user_data("user_1", updated_at=at, email=EMAIL)),
                ("user.updated", user_data("user_1", updated_at=at + 1, first_name="Ada", email=EMAIL)),
                ("session.created", session_data("user_1", "sess_1")),
                ("user.deleted", deleted("user_1")),
            ]
        ):
            answer = inngest.deliver(kind, data, event_id=f"01J{step}")
            assert (answer.status_code, answer.json()) == (200, {"status": "applied"}), kind
            user = sql.user("user_1")
            assert user["first_name"] == ("Ada" if step in {1, 2} else None)
        assert (user["deleted_at"] is not None, user["email"]) == (True, None)
        assert [row["type"] for row in sql.rows(LEDGER)] == [
            *("user.created", "user.updated", "session.created", "user.deleted")
        ]
        assert {row["source"] for row in sql.rows(LEDGER)} == {"inngest"}
        assert sql.value("SELECT event_id FROM webhook_events WHERE type = 'user.created'") == "inngest:01J0"
        assert sql.value("SELECT source FROM clerk.users") == "inngest"

    def test_called_again(self, inngest: Inngest, sql: Sql) -> None:
        """Inngest's retry has the same id; what Svix sends it again has another one, and is stale."""
        data = user_data("user_1", email=EMAIL)
        statuses = [
            inngest.deliver("user.created", data, event_id=event_id).json()["status"]
            for event_id in ("01A", "01A", "01B", "01B")
        ]
        assert statuses == ["applied", "duplicate", "stale", "duplicate"]
        assert sql.value("SELECT count(*) FROM webhook_events") == 2
        assert sql.value("SELECT count(*) FROM users") == 1

    @pytest.mark.parametrize("event_id", ["", "a b", "é", "x" * 129])
    def test_id_that_is_none(self, inngest: Inngest, sql: Sql, event_id: str) -> None:
        told = inngest_event("clerk/user.deleted", deleted("user_1"), event_id="x") | {"id": event_id}
        assert [inngest.call("delete-user-with-clerk", told).json()["status"] for _ in range(2)] == [
            *("applied", "duplicate")
        ]
        assert len(sql.value("SELECT event_id FROM webhook_events")) == len("inngest:") + 64

    def test_time_of_the_event(self, inngest: Inngest, sql: Sql) -> None:
        """Inngest's `ts`, which the transform may set to Clerk's; not one that lies ahead."""
        at = now_ms() - 3_600_000
        inngest.deliver("user.created", user_data("user_1", updated_at=at), ts=at)
        assert sql.value("SELECT occurred_at FROM webhook_events").timestamp() * 1000 == at
        late = now_ms() + 86_400_000
        inngest.deliver("user.updated", user_data("user_1", updated_at=late, first_name="Eve"), ts=late)
        inngest.deliver("user.updated", user_data("user_1", first_name="Ada"))
        assert sql.user("user_1")["first_name"] == "Ada"

    def test_unknown_types_are_noted(self, inngest: Inngest, sql: Sql) -> None:
        answer = inngest.call("copy-from-clerk", inngest_event("clerk/session.pending", {"id": "sess_1"}))
        assert answer.json() == {"status": "ignored"}
        assert sql.value("SELECT payload::jsonb ->> 'type' FROM webhook_events") == "session.pending"


class TestSigned:
    """Clerk's event as Svix signed it: `raw` and `headers`."""

    @pytest.fixture
    def body(self, clerk: Instance) -> bytes:
        return event("user.created", user_data("user_1", first_name="Åsa", email=EMAIL), instance_id=clerk.kid)

    def call(self, inngest: Inngest, data: object) -> requests.Response:
        return inngest.call("sync-user-from-clerk", inngest_event("clerk/user.created", data))

    def test_applied(self, inngest: Inngest, clerk: Instance, sql: Sql, body: bytes) -> None:
        """Also hours later, and with names of headers as Inngest writes them."""
        told = with_signature(clerk, body, event_id="msg_1", age=86_400)
        told["headers"] = {name.title(): value for name, value in told["headers"].items()}
        assert self.call(inngest, told).json() == {"status": "applied"}
        assert sql.value("SELECT event_id FROM webhook_events") == "inngest:msg_1"
        assert sql.user("user_1")["first_name"] == "Åsa"

    def test_only_what_is_signed_counts(self, inngest: Inngest, clerk: Instance, sql: Sql, body: bytes) -> None:
        """Neither the name of the event nor the data beside it."""
        told = with_signature(clerk, body) | {"data": deleted("user_2"), "id": "user_2"}
        answer = inngest.call("delete-user-with-clerk", inngest_event("clerk/user.deleted", told))
        assert answer.json() == {"status": "applied"}
        assert sql.rows("SELECT clerk_user_id, deleted_at FROM users") == [
            {"clerk_user_id": "user_1", "deleted_at": None}
        ]

    def test_forged(self, inngest: Inngest, clerk: Instance, sql: Sql, body: bytes) -> None:
        good = with_signature(clerk, body)
        other = with_signature(Instance(), body)
        forged = [
            *(good | {"raw": body.decode() + " "}, other, good | {"raw": body.decode().replace("user_1", "user_2")}),
            *(good | {"headers": good["headers"] | {"svix-id": "msg_2"}}, good | {"headers": {}}),
            *(good | {"headers": good["headers"] | {"svix-signature": "v1,x"}}, good | {"headers": None}),
            *(good | {"raw": None}, good | {"raw": 1}, good | {"headers": []}),
            good | {"headers": good["headers"] | {"svix-timestamp": "9999999999"}},
        ]
        for told in forged:
            answer = self.call(inngest, told)
            assert_ended(answer, answer.json()["message"])
            assert EMAIL not in answer.text
        assert sql.value("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM webhook_events)") == 0

    def test_without_our_secret(self, settings: dict[str, str], clerk: Instance, sql: Sql, body: bytes) -> None:
        """A setting that is missing is no fault of the event."""
        inngest = Inngest(in_process(make_app(settings | SETTINGS | {"CLERK_WEBHOOK_SECRET": ""})))
        assert_to_be_retried(self.call(inngest, with_signature(clerk, body)), "AppError")
        assert sql.value("SELECT count(*) FROM webhook_events") == 0


def test_transform_of_the_page(inngest: Inngest, clerk: Instance, sql: Sql) -> None:
    """What docs/inngest.md says to put into Inngest's dashboard, run as Inngest would, on what Svix sends."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here")
    body = event("user.created", user_data("user_1", first_name="Åsa", email=EMAIL), instance_id=clerk.kid)
    headers = {name.title(): value for name, value in clerk.webhook_headers(body, event_id="msg_1").items()}
    (block,) = blocks("js", "docs/inngest.md")
    call = f"transform(JSON.parse(raw), {json.dumps(headers)}, {{}}, raw)"
    script = f"{block.text}\nconst raw = {json.dumps(body.decode())};\nconsole.log(JSON.stringify({call}));"
    ended = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    made = json.loads(ended.stdout)
    assert (made["name"], made["id"], made["data"]["id"]) == ("clerk/user.created", "msg_1", "user_1")
    assert inngest.call("sync-user-from-clerk", made).json() == {"status": "applied"}
    assert sql.value("SELECT event_id FROM webhook_events") == "inngest:msg_1"


class TestEachWay:
    """The same event by Svix, by Inngest (in both shapes) and again: one effect, and a row for each source."""

    def ways(self, inngest: Inngest, clerk: Instance, kind: str, data: dict[str, Any]) -> list[Callable[[], str]]:
        body, event_id, called = event(kind, data, instance_id=clerk.kid), clerk_id("msg"), BY_VERB[kind[5:]]
        signed = inngest_event(f"clerk/{kind}", with_signature(clerk, body, event_id=event_id), event_id=event_id)
        plain = inngest_event(f"clerk/{kind}", data, event_id=event_id)

        return [
            lambda: str(by_svix(inngest, clerk, event_id)(kind, data).json()["status"]),
            lambda: str(inngest.call(called, signed).json()["status"]),
            lambda: str(inngest.call(called, plain).json()["status"]),
        ]

    @pytest.mark.parametrize("kind", ["user.created", "user.updated", "user.deleted"])
    def test_in_every_order(self, inngest: Inngest, clerk: Instance, sql: Sql, kind: str) -> None:
        for number, order in enumerate(permutations(range(3))):
            user_id = f"user_{number}"
            data = deleted(user_id) if kind == "user.deleted" else user_data(user_id, email=f"{number}@example.com")
            ways = self.ways(inngest, clerk, kind, data)
            statuses = [ways[order[0]]()]
            before = what_follows(sql)
            statuses += [ways[way]() for way in (*order[1:], *order)]
            assert statuses[0] == "applied"
            assert set(statuses[1:]) <= {"stale", "duplicate"}
            assert what_follows(sql) == before
            rows = sql.rows("SELECT source FROM webhook_events WHERE subject_id = %s", user_id)
            assert sorted(row["source"] for row in rows) == ["inngest", "svix"]


class TestTrouble:
    def test_junk_ends(self, inngest: Inngest, sql: Sql) -> None:
        """It is kept as dead, with the reason."""
        junk: list[tuple[str, Any]] = [
            *(("user.created", {}), ("user.created", {"id": 1}), ("user.updated", user_data("user_1", banned="x"))),
            *(("session.created", {"id": "sess_1"}), ("user.deleted", {"id": "user 1", "email": EMAIL})),
        ]
        for kind, data in junk:
            assert_ended(
                inngest.deliver(kind, data), "The event can never be applied. webhook_events has it, with the reason."
            )
        rows = sql.rows("SELECT status, source, error IS NULL OR payload IS NULL AS lost FROM webhook_events")
        assert [[*row.values()] for row in rows] == [["dead", "inngest", False]] * len(junk)

    def test_of_another_instance(self, inngest: Inngest, clerk: Instance, sql: Sql, settings: dict[str, str]) -> None:
        body = event("user.created", user_data("user_1"), instance_id="ins_2other")
        own = Inngest(in_process(make_app(settings | SETTINGS | {"CLERK_INSTANCE_ID": "ins_2own"})))
        told = inngest_event("clerk/user.created", with_signature(clerk, body))
        assert_ended(
            own.call("sync-user-from-clerk", told),
            "The event can never be applied. webhook_events has it, with the reason.",
        )
        assert "CLERK_INSTANCE_ID" in sql.value("SELECT error FROM webhook_events")
        assert inngest.call("sync-user-from-clerk", told).json() == {"status": "applied"}

    def test_of_ours_is_retried(self, inngest: Inngest, sql: Sql) -> None:
        """It is in the ledger meanwhile, and Inngest knows nothing of the row that could not be written."""
        data = user_data("user_1", email=EMAIL)
        with no_free_plans(sql):
            for _ in range(2):
                answer = inngest.deliver("user.created", data, event_id="01A")
                assert_to_be_retried(answer, "EventFailed")
        assert sql.rows(LEDGER) == [
            {"source": "inngest", "type": "user.created", "subject_id": "user_1", "status": "failed", "attempts": 2}
        ]
        assert inngest.deliver("user.created", data, event_id="01A").json() == {"status": "applied"}
        assert sql.user("user_1")["email"] == EMAIL

    def test_database_that_refuses(self, inngest: Inngest, sql: Sql, caplog: pytest.LogCaptureFixture) -> None:
        """What it says of the row stays in the database: not even our log has it."""
        sql.rows("ALTER TABLE webhook_events RENAME TO away")
        try:
            answer = inngest.deliver("user.created", user_data("user_1", email=EMAIL))
        finally:
            sql.rows("ALTER TABLE away RENAME TO webhook_events")
        assert_to_be_retried(answer, "ProgrammingError")
        assert "UndefinedTable" in caplog.text
        for text in (caplog.text, answer.text):
            assert EMAIL not in text
        assert inngest.deliver("user.created", user_data("user_1", email=EMAIL)).json() == {"status": "applied"}


def by_svix(inngest: Inngest, clerk: Instance, event_id: str | None = None) -> Callable[..., requests.Response]:
    def post(kind: str, data: object) -> requests.Response:
        body = event(kind, data, instance_id=clerk.kid)
        headers = clerk.webhook_headers(body, event_id=event_id)
        return inngest.server.request("POST", "/api/webhooks", data=body, headers=headers)

    return post


def what_follows(sql: Sql) -> dict[str, list[dict[str, Any]]]:
    """All rows but the ledger's, without when each was last looked at."""
    rows = all_rows(sql)
    return {
        name: [{column: row[column] for column in row.keys() - {"updated_at", "seen_at"}} for row in rows[name]]
        for name in rows.keys() - {"webhook_events"}
    }


@contextmanager
def no_free_plans(sql: Sql) -> Iterator[None]:
    """No user can be made."""
    sql.rows("ALTER TABLE subscriptions ADD CONSTRAINT broken CHECK (plan <> 'free') NOT VALID")
    try:
        yield
    finally:
        sql.rows("ALTER TABLE subscriptions DROP CONSTRAINT broken")


def test_examples_of_clerk(inngest: Inngest, clerk: Instance, sql: Sql, shared_data: Path) -> None:
    """One of each type comes to the same as at /api/webhooks."""
    examples: dict[str, Any] = json.loads((shared_data / "clerk-webhook-examples.json").read_text())
    of_the_copy = EVENT_TYPES.keys() & examples.keys()
    for kind in sorted(of_the_copy):
        data, found = examples[kind]["data"], []
        for post in (inngest.deliver, by_svix(inngest, clerk)):
            sql.empty_all()
            post(kind, data)
            found.append(sql.row("SELECT type, subject_id, status, error FROM webhook_events"))
        assert found[0] == found[1], kind
    assert len(of_the_copy) >= 30
