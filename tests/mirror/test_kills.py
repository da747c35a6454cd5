"""A backfill that is killed at any moment goes on where it was, and ends with a copy that equals Clerk."""

import logging
import random
import signal
import subprocess
import sys
import time

import pytest

from config import PROJECT
from tests.emulator.harness import EmulatorProcess
from tests.support.database import Sql
from tests.support.server import clean_environment
from tests.support.waiting import wait_for

USERS = 4_000
KILLS = 10
LAST_REQUEST = "SELECT max(asks_at) FROM sync_runs"


@pytest.mark.slow
def test_killed_at_random(emulated: EmulatorProcess, emulated_settings: dict[str, str], sql: Sql) -> None:
    number = random.randrange(2**32)
    logging.getLogger(__name__).warning("seed %d", number)
    chance = random.Random(number)
    emulated.call(
        "POST",
        "/emulator/bulk_seed",
        json={"users": USERS, "organizations": 20, "memberships": 1_500, "webhooks": False},
        timeout=60,
    )
    progress = [how_far(sql)]
    for _ in range(KILLS):
        asked = sql.value(LAST_REQUEST)
        process = start("backfill", emulated_settings)
        wait_for(lambda asked=asked: sql.value(LAST_REQUEST) != asked)  # type: ignore[misc]
        # A page takes an eighth of a second at least: that is Clerk's limit.
        time.sleep(chance.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        progress.append(how_far(sql))
    assert progress == sorted(progress)
    assert start("backfill", emulated_settings).wait(60) == 0
    assert len(set(progress)) > 2, "none of them came far enough to be killed at work"
    assert start("reconcile", emulated_settings).wait(60) == 0
    there = emulated.execute("SELECT id FROM users ORDER BY id")
    assert [row["id"] for row in sql.rows('SELECT id FROM clerk.users ORDER BY id COLLATE "C"')] == [
        user_id for (user_id,) in there
    ]
    assert sql.value("SELECT count(*) FROM users JOIN subscriptions USING (user_id)") == USERS
    assert sql.value("SELECT count(*) FROM clerk.organization_memberships") == 1_500
    assert sql.value("SELECT max(attempts) FROM sync_runs WHERE command = 'backfill'") > 1


def how_far(sql: Sql) -> int:
    return int(
        sql.value("SELECT (SELECT count(*) FROM clerk.users) + (SELECT count(*) FROM clerk.organization_memberships)")
    )


def start(command: str, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "clerk", command],
        cwd=PROJECT,
        env=clean_environment(**settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
