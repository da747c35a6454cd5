"""An emulator whose clock is ahead or behind, from its start and at run time."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import jwt
import pytest

from .harness import EmulatorProcess, Receiver

HOUR = 3600
WEEK = 7 * 24 * HOUR


@pytest.fixture
def behind(tmp_path: Path, receiver: Receiver) -> Iterator[EmulatorProcess]:
    options = ("--clock-offset", str(-HOUR), "--fault", "drop", "1")
    with EmulatorProcess(tmp_path / "state", receiver.url, options=options) as emulator:
        yield emulator


def test_everything_follows_the_clock(behind: EmulatorProcess, receiver: Receiver) -> None:
    def offsets() -> set[int]:
        """How many hours lie between the real time and all that the emulator says."""
        user = behind.create_user(f"{time.time_ns()}@example.com")
        session = behind.create_session(user["id"])
        token = jwt.decode(behind.create_token(session["id"]), options={"verify_signature": False})
        date = parsedate_to_datetime(behind.request("GET", "/healthz").headers["Date"])
        updated = behind.call("PATCH", f"/v1/users/{user['id']}", json={"first_name": "Ada"})["updated_at"]
        [message, *_] = behind.call("GET", "/emulator/messages")
        moments = [user["created_at"] / 1000, updated / 1000, session["last_active_at"] / 1000]
        moments += [token["iat"], token["exp"] - 60, token["nbf"] + 10, date.timestamp(), message["created_at"] / 1000]
        return {round((moment - time.time()) / HOUR) for moment in moments}

    assert offsets() == {-1}
    assert {message["status"] for message in behind.call("GET", "/emulator/messages")} == {"dropped"}
    behind.cli("faults", "--off")
    assert "604800 seconds from the real time" in behind.cli("clock", "--offset", str(WEEK)).stdout
    ahead = WEEK // HOUR
    assert offsets() == {ahead}
    [delivery, *_] = receiver.wait_for(4)
    signed_at = int(delivery.headers["svix-timestamp"])
    assert round((signed_at - time.time()) / HOUR) == ahead
    assert round((delivery.event["timestamp"] / 1000 - time.time()) / HOUR) == ahead
    secret = behind.keys["CLERK_WEBHOOK_SECRET"]
    assert not delivery.is_genuine(secret)
    behind.cli("clock", "--offset", "0")
    behind.create_user("now@example.com")
    assert receiver.wait_for(5)[-1].is_genuine(secret)


def test_sessions_end_when_their_time_has_come(emulator: EmulatorProcess) -> None:
    session = emulator.create_session(emulator.create_user("late@clock.test")["id"])
    emulator.wait_until_all_is_told()
    try:
        for offset, status in ((WEEK - HOUR, "active"), (WEEK + HOUR, "expired")):
            assert emulator.call("PUT", "/emulator/clock", json={"offset_seconds": offset})["offset_seconds"] == offset
            assert emulator.call("GET", f"/v1/sessions/{session['id']}")["status"] == status
    finally:
        emulator.call("PUT", "/emulator/clock", json={"offset_seconds": 0})
    assert emulator.refusal("PUT", "/emulator/clock", {"offset_seconds": 10**9})[0] == 422
