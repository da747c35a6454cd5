"""Workers killed with -9 while events come in, from senders that repeat as Svix does: each event counts once."""

import os
import random
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.faults.harness import Delivery, Senders
from tests.support.clerk import Instance, clerk_id, session_data, user_data
from tests.support.database import Sql
from tests.support.server import Server, running_server
from tests.support.waiting import wait_for

WORKERS = 2
STATE = """
SELECT clerk_user_id, first_name, email, email_verified, deleted_at IS NOT NULL AS is_deleted,
       (extract(epoch FROM last_login_at) * 1000)::int AS login,
       (SELECT count(*) FROM subscriptions s WHERE s.user_id = u.user_id) AS subscriptions,
       (SELECT count(*) FROM usage_metrics m WHERE m.user_id = u.user_id) AS usages
FROM users u ORDER BY clerk_user_id
"""


def make_events(count: int, chance: random.Random) -> tuple[list[Delivery], dict[str, dict[str, object]]]:
    """Events over a tenth as many users, and what must be there in the end. Every seventh user is deleted."""
    users = [f"user_{number:04}" for number in range(count // 10)]
    newest: dict[str, int] = {}
    logins: dict[str, int] = {}
    deliveries: list[Delivery] = []

    def send(kind: str, data: dict[str, object]) -> None:
        deliveries.append(Delivery(clerk_id("msg"), kind, data))

    deleted = users[::7]
    for user in deleted:
        send("user.deleted", {"id": user, "deleted": True})
    for at in range(1_000, 1_000 + count - len(deleted)):
        user = users[at % len(users)]
        if chance.random() < 0.3:
            logins[user] = at
            send("session.created", session_data(user, clerk_id("sess"), created_at=at))
        else:
            newest[user] = at
            data = user_data(user, updated_at=at, first_name=str(at), email=f"{user}@example.com")
            send("user.updated" if chance.random() < 0.8 else "user.created", data)
    chance.shuffle(deliveries)
    model: dict[str, dict[str, object]] = {}
    for user in {delivery.data.get("user_id", delivery.data["id"]) for delivery in deliveries}:
        is_known = user in newest and user not in deleted
        model[user] = {
            "first_name": str(newest[user]) if is_known else None,
            "email": f"{user}@example.com" if is_known else None,
            "email_verified": is_known,
            "is_deleted": user in deleted,
            "login": logins.get(user),
        }
    return deliveries, model


def are_gone(server: Server, workers: list[int]) -> bool:
    return not set(workers) & set(server.worker_pids())


def kill_all_and_compare(
    settings: dict[str, str], clerk: Instance, sql: Sql, folder: Path, *, events: int, kills: int
) -> None:
    chance = random.Random(events)
    deliveries, model = make_events(events, chance)
    with running_server(folder, settings, workers=WORKERS) as server:
        wait_for(lambda: len(server.worker_pids()) == WORKERS)
        senders = Senders(server, clerk, deliveries)
        senders.start()
        for number in range(1, kills + 1):
            # Spread over the work, so that each kill meets deliveries on their way.
            due = events * number // (kills + 1)
            wait_for(partial(senders.have_done, due), 120)
            wait_for(server.worker_pids)
            victims = server.worker_pids() if number % 3 == 0 else [chance.choice(server.worker_pids())]
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            wait_for(partial(are_gone, server, victims))
        senders.join(120)
        assert senders.cut > 0, "no kill met a delivery on its way: this run proved nothing"
        assert 200 in senders.statuses
        assert senders.statuses <= {200, 503}
    ledger = sql.rows("SELECT event_id, attempts, status FROM webhook_events")
    assert {row["event_id"] for row in ledger} == {delivery.event_id for delivery in deliveries}
    assert {row["status"] for row in ledger} <= {"applied", "stale"}
    assert {row["attempts"] for row in ledger} == {1}
    rows = sql.rows(STATE)
    assert len(rows) == len(model)
    for row in rows:
        expected = model[row["clerk_user_id"]]
        # What a tombstone still has of its sessions and rows depends on whether the delete came first.
        names = [name for name in expected if not (expected["is_deleted"] and name == "login")]
        assert {name: row[name] for name in names} == {name: expected[name] for name in names}
        most = {(1, 1)} if not expected["is_deleted"] else {(0, 0), (1, 1)}
        assert (row["subscriptions"], row["usages"]) in most


class TestWorkerKills:
    def test_few(self, own_settings: dict[str, str], clerk: Instance, own_sql: Sql, tmp_path: Path) -> None:
        kill_all_and_compare(own_settings, clerk, own_sql, tmp_path, events=150, kills=3)

    @pytest.mark.slow
    def test_many(self, own_settings: dict[str, str], clerk: Instance, own_sql: Sql, tmp_path: Path) -> None:
        kill_all_and_compare(own_settings, clerk, own_sql, tmp_path, events=2_000, kills=30)
