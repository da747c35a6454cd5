"""Workers killed with -9 between a commit and what is sent of it: each event comes at least once, none is lost."""

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.emulator.harness import Receiver
from tests.faults.conftest import Report
from tests.faults.harness import Delivery, Senders
from tests.faults.test_worker_kills import are_gone
from tests.support.clerk import Instance, clerk_id, user_data
from tests.support.database import Sql
from tests.support.server import running_server
from tests.support.waiting import wait_for

UNSENT = "SELECT count(*) FROM outbox WHERE status = 'pending'"
# What was being sent waits for its next attempt, 30 s or longer.
LATER = "UPDATE outbox SET next_at = now() WHERE status = 'pending'"


def kill_and_compare(
    settings: dict[str, str],
    clerk: Instance,
    sql: Sql,
    folder: Path,
    report: Report,
    *,
    users: int,
    kills: int,
    workers: int,
) -> None:
    chance = random.Random(users)
    deliveries = [Delivery(clerk_id("msg"), "user.created", user_data(f"user_{number}")) for number in range(users)]
    with Receiver() as receiver:
        receiver.secret = clerk.webhook_secret
        own = {"OUTBOX_URL": receiver.url, "OUTBOX_SECRET": receiver.secret, "TEST_OUTBOX_SECONDS": "0.05"}
        with running_server(folder, settings | own, workers=workers) as server:
            wait_for(lambda: len(server.worker_pids()) == workers)
            senders = Senders(server, clerk, deliveries, threads=2)
            senders.start()
            unsent = 0
            for number in range(1, kills + 1):
                wait_for(partial(senders.have_done, users * number // (kills + 1)), 120)
                time.sleep(chance.random() * 0.05)
                victims = server.worker_pids()
                for pid in victims:
                    os.kill(pid, signal.SIGKILL)
                unsent += sql.value(UNSENT)
                wait_for(partial(are_gone, server, victims))
            senders.join(120)

            def is_over() -> bool:
                sql.rows(LATER)
                return not sql.value(UNSENT)

            wait_for(is_over, 120)
    assert unsent > 0, "no kill met an event that was committed and not sent: this run proved nothing"
    assert receiver.forged == []
    published = [(each.headers["webhook-id"], each.event["data"]["clerk_user_id"]) for each in receiver.deliveries]
    assert {user for _, user in published} == {delivery.data["id"] for delivery in deliveries}
    assert len(set(published)) == users, "a repetition has the id of the first"
    assert {row["status"] for row in sql.rows("SELECT DISTINCT status FROM outbox")} == {"sent"}
    report(
        f"workers killed {kills} times while {users} users signed up",
        f"{unsent} events committed and unsent at the kills, 0 lost, {len(published) - users} came twice",
        "none lost",
    )


def test_few(own_settings: dict[str, str], clerk: Instance, own_sql: Sql, tmp_path: Path, report: Report) -> None:
    kill_and_compare(own_settings, clerk, own_sql, tmp_path, report, users=40, kills=2, workers=1)


@pytest.mark.slow
def test_many(own_settings: dict[str, str], clerk: Instance, own_sql: Sql, tmp_path: Path, report: Report) -> None:
    kill_and_compare(own_settings, clerk, own_sql, tmp_path, report, users=600, kills=30, workers=2)
