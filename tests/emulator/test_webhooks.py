"""What the application hears: which events, in which form and order."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from tests.support.waiting import wait_for

from .harness import Delivery, EmulatorProcess, Receiver

MESSAGE_ID = re.compile(r"msg_[0-9A-Za-z]{27}")


def test_a_new_user_is_told_of_in_clerks_envelope(emulator: EmulatorProcess, heard: Receiver) -> None:
    user = emulator.call(
        "POST", "/v1/users", json={"email_address": ["ada@envelope.test"]}, headers={"User-Agent": "a-test/1"}
    )
    [delivery] = heard.wait_for(1)
    secret = emulator.keys["CLERK_WEBHOOK_SECRET"]
    assert delivery.is_genuine(secret)
    assert not Delivery(delivery.headers, delivery.body + b" ").is_genuine(secret)
    event = delivery.event
    [key] = emulator.call("GET", "/v1/jwks")["keys"]
    assert event == {
        "data": user,
        "event_attributes": {"http_request": {"client_ip": "127.0.0.1", "user_agent": "a-test/1"}},
        "instance_id": key["kid"],
        "object": "event",
        "timestamp": event["timestamp"],
        "type": "user.created",
    }
    assert abs(event["timestamp"] / 1000 - time.time()) < 10
    assert MESSAGE_ID.fullmatch(delivery.headers["svix-id"])
    assert delivery.headers["content-type"] == "application/json"


def test_a_users_life_is_told_in_order(emulator: EmulatorProcess, heard: Receiver) -> None:
    user = emulator.create_user("ada@order.test", external_id="legacy-1")
    path = f"/v1/users/{user['id']}"
    emulator.call("PATCH", path, json={"first_name": "Ada"})
    ended, removed, revoked, banned = (emulator.create_session(user["id"]) for _ in range(4))
    emulator.call("POST", f"/emulator/sessions/{ended['id']}/end")
    emulator.call("POST", f"/emulator/sessions/{removed['id']}/remove")
    emulator.call("POST", f"/v1/sessions/{revoked['id']}/revoke")
    emulator.call("POST", f"{path}/ban")
    emulator.call("POST", f"{path}/unban")
    emulator.create_session(user["id"])
    emulator.call("DELETE", path)
    signed_in = ["session.created", "user.updated"]
    expected = [
        *("user.created", "user.updated"),
        *signed_in * 4,
        *("session.ended", "session.removed", "session.revoked"),
        *("user.updated", "session.revoked"),
        *("user.updated", *signed_in),
        *("session.ended", "user.deleted"),
    ]
    heard.wait_for(len(expected))
    assert heard.types == expected
    events = [delivery.event for delivery in heard.deliveries]
    gone = {"object": "user", "id": user["id"], "deleted": True, "external_id": "legacy-1"}
    assert events[-1]["data"] == gone
    revocation = next(event for event in events if event["data"]["id"] == banned["id"] and "revoked" in event["type"])
    assert revocation["data"]["status"] == "revoked"
    assert revocation["data"]["user"]["banned"] is True
    versions = [event["data"]["updated_at"] for event in events if event["type"].startswith("user.u")]
    assert versions == sorted(set(versions))


def test_what_changes_nothing_sends_nothing(emulator: EmulatorProcess, heard: Receiver) -> None:
    user = emulator.create_user("ada@nothing.test")
    session = emulator.create_session(user["id"])
    for path in (f"/v1/sessions/{session['id']}/revoke", f"/v1/users/{user['id']}/lock"):
        first, second = emulator.call("POST", path), emulator.call("POST", path)
        assert first == second
    emulator.call("PATCH", f"/v1/users/{user['id']}", json={})
    emulator.request("POST", "/v1/users", json={"email_address": ["ada@nothing.test"]})
    emulator.create_user("end@nothing.test")
    heard.wait_for(6)
    types = [message["type"] for message in emulator.call("GET", "/emulator/messages")]
    expected = ["user.created", "session.created", "user.updated", "session.revoked", "user.updated"]
    assert types[:6][::-1] == [*expected, "user.created"]


def test_a_crowd_is_told_of_once_and_in_order(emulator: EmulatorProcess, heard: Receiver) -> None:
    def live(number: int) -> str:
        user_id: str = emulator.create_user(f"user{number}@order.test")["id"]
        emulator.create_session(user_id)
        emulator.call("DELETE", f"/v1/users/{user_id}")
        return user_id

    with ThreadPoolExecutor(20) as pool:
        user_ids = list(pool.map(live, range(60)))
    wait_for(lambda: heard.types.count("user.deleted") == len(user_ids))
    told: dict[str, list[str]] = {user_id: [] for user_id in user_ids}
    for event in (delivery.event for delivery in heard.deliveries):
        told[event["data"].get("user_id") or event["data"]["id"]].append(event["type"])
    life = ["user.created", "session.created", "user.updated", "session.ended", "user.deleted"]
    assert told == dict.fromkeys(user_ids, life)
