"""How a webhook message comes to its endpoint, however often and slowly that refuses it."""

import signal
import time
from typing import Any

import pytest

from tests.support.waiting import wait_for

from .harness import EmulatorProcess, Receiver

# Seconds between two attempts, once a message has failed often.
LONGEST_WAIT = 300


def _status(emulator: EmulatorProcess, message_id: str) -> dict[str, Any]:
    listed = emulator.call("GET", "/emulator/messages")
    return next(message for message in listed if message["id"] == message_id)


def _wait_for_status(emulator: EmulatorProcess, message_id: str, status: str) -> None:
    wait_for(lambda: _status(emulator, message_id)["status"] == status)


def test_a_refused_message_is_tried_again(emulator: EmulatorProcess, heard: Receiver) -> None:
    heard.answers = [500, 302]
    heard.redirect_to = heard.url
    emulator.create_user("ada@again.test")
    deliveries = heard.wait_for(3)
    assert len({delivery.body for delivery in deliveries}) == 1
    [message_id] = {delivery.headers["svix-id"] for delivery in deliveries}
    times = [int(delivery.headers["svix-timestamp"]) for delivery in deliveries]
    assert times == sorted(set(times))
    for delivery in deliveries:
        assert delivery.is_genuine(emulator.keys["CLERK_WEBHOOK_SECRET"])
    _wait_for_status(emulator, message_id, "delivered")
    message = _status(emulator, message_id)
    assert (message["attempts"], message["last_response_code"]) == (3, 200)


def test_a_slow_endpoint_blocks_neither_the_api_nor_other_users(emulator: EmulatorProcess, heard: Receiver) -> None:
    heard.hold.clear()
    started = time.monotonic()
    for number in range(3):
        user = emulator.create_user(f"user{number}@users.test")
        emulator.call("PATCH", f"/v1/users/{user['id']}", json={"first_name": "Ada"})
    assert time.monotonic() - started < 5
    heard.wait_for(3)
    time.sleep(0.2)
    assert heard.types == ["user.created"] * 3
    heard.hold.set()
    heard.wait_for(6)


def test_ten_thousand_undelivered_delay_nobody_and_none_is_given_up(
    own_emulator: EmulatorProcess, receiver: Receiver
) -> None:
    ada = own_emulator.create_user("ada@example.com")["id"]
    receiver.wait_for(1)
    own_emulator.wait_until_all_is_told()
    # What weeks at a closed endpoint leave.
    own_emulator.execute(
        "INSERT INTO messages (id, type, subject_id, user_id, body, attempts, next_attempt_at, created_at)"
        " WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)"
        " SELECT 'msg_' || n, type, subject_id, user_id, body, 100, 0, created_at FROM numbers, messages"
    )
    receiver.held_subjects, receiver.answers = {ada}, [500]
    receiver.hold.clear()
    grace = own_emulator.create_user("grace@example.com")["id"]
    wait_for(lambda: receiver.deliveries[-1].event["data"]["id"] == grace, seconds=5)
    own_emulator.stop(signal.SIGKILL)
    own_emulator.start()
    assert len(own_emulator.messages("pending")) == 10_000
    receiver.answers = [500] * 3
    receiver.hold.set()
    wait_for(lambda: receiver.answers == [])
    wait_for(lambda: any(one["last_response_code"] == 500 for one in own_emulator.messages("pending")))
    [attempts, next_attempt_at] = own_emulator.execute(
        "SELECT attempts, next_attempt_at FROM messages WHERE last_response_code = 500"
    )[0]
    assert attempts == 101
    assert LONGEST_WAIT - 20 < next_attempt_at / 1000 - time.time() <= LONGEST_WAIT


def test_all_that_failed_can_be_replayed(emulator: EmulatorProcess, heard: Receiver) -> None:
    heard.answers = [500, 503]
    for name in ("ada", "alan"):
        emulator.create_user(f"{name}@failed.test")
    heard.wait_for(2)
    wait_for(lambda: [one["attempts"] for one in emulator.messages("pending")] == [1, 1])
    # Stands for the minutes of the schedule.
    emulator.execute("UPDATE messages SET next_attempt_at = next_attempt_at + 1e6 WHERE status = 'pending'")
    failed = {delivery.headers["svix-id"] for delivery in heard.deliveries}
    emulator.create_user("grace@failed.test")
    heard.wait_for(3)
    assert emulator.cli("replay", "--failed", "--type", "user.deleted").stdout == "replaying 0 messages\n"
    assert emulator.cli("replay", "--failed", "--since", "2999-01-01").stdout == "replaying 0 messages\n"
    assert emulator.cli("replay", "--failed", "--type", "user.created").stdout == "replaying 2 messages\n"
    assert {delivery.headers["svix-id"] for delivery in heard.wait_for(5)[3:]} == failed
    emulator.wait_until_all_is_told()
    assert emulator.cli("replay", "--failed").stdout == "replaying 0 messages\n"


def test_a_message_can_be_replayed_by_id_and_type_whatever_became_of_it(
    emulator: EmulatorProcess, heard: Receiver
) -> None:
    emulator.execute("DELETE FROM messages")
    emulator.create_user("ada@replay.test")
    [delivery] = heard.wait_for(1)
    message_id = delivery.headers["svix-id"]
    _wait_for_status(emulator, message_id, "delivered")
    assert emulator.cli("replay", message_id).stdout == f"replaying {message_id}\n"
    heard.wait_for(2)
    _wait_for_status(emulator, message_id, "delivered")
    assert emulator.cli("replay", "--type", "user.created", "--since", "2020-01-01").stdout == "replaying 1 message\n"
    heard.wait_for(3)
    assert {(one.headers["svix-id"], one.body) for one in heard.deliveries} == {(message_id, delivery.body)}


@pytest.mark.parametrize("arguments", [(), ("msg_1", "--failed"), ("--since", "yesterday")])
def test_replay_wants_to_know_which(emulator: EmulatorProcess, arguments: tuple[str, ...]) -> None:
    assert emulator.cli("replay", *arguments).exit_code == 2
