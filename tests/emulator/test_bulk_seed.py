"""Users by the hundred thousand, and lists of them."""

import itertools
import time
from pathlib import Path

import pytest

from .browser import Browser, Json
from .harness import EmulatorProcess, Receiver

COUNTS = {"users": 250, "organizations": 7, "memberships": 600}
THE_SEED = {"query": "@seed3.example"}


def _plant(emulator: EmulatorProcess, counts: dict[str, int], *, number: int, webhooks: bool = False) -> Json:
    body = counts | {"number": number, "webhooks": webhooks}
    planted: Json = emulator.call("POST", "/emulator/bulk_seed", json=body)
    return planted


def _walk(emulator: EmulatorProcess, limit: int, **filters: str) -> list[Json]:
    """All users, by cursor."""
    users: list[Json] = []
    while True:
        params = filters | {"limit": limit} | ({"starting_after": users[-1]["id"]} if users else {})
        page = emulator.call("GET", "/v1/users", params=params)
        users += page
        if len(page) < limit:
            return users


def _without_links(users: list[Json]) -> list[Json]:
    return [user | {"image_url": "", "profile_image_url": ""} for user in users]


@pytest.fixture(scope="module")
def crowd(emulator: EmulatorProcess) -> list[Json]:
    assert _plant(emulator, COUNTS, number=3) == COUNTS
    return _walk(emulator, 40, **THE_SEED)


def test_a_walk_by_cursor_or_by_offset_sees_each_once(emulator: EmulatorProcess, crowd: list[Json]) -> None:
    assert len({user["id"] for user in crowd}) == 250
    assert emulator.call("GET", "/v1/users/count", params=THE_SEED)["total_count"] == 250
    times = [(user["created_at"], user["id"]) for user in crowd]
    assert times == sorted(times, reverse=True)
    by_offset = [
        user
        for offset in range(0, 250, 50)
        for user in emulator.call("GET", "/v1/users", params={"limit": 50, "offset": offset} | THE_SEED)
    ]
    assert by_offset == crowd


def test_the_seed_has_what_users_of_a_real_instance_have(emulator: EmulatorProcess, crowd: list[Json]) -> None:
    assert all(user["email_addresses"][0]["id"] == user["primary_email_address_id"] for user in crowd)
    for name in ("phone_numbers", "username", "external_id", "public_metadata", "private_metadata", "first_name"):
        assert 0 < sum(bool(user[name]) for user in crowd) < len(crowd), name
    memberships = emulator.call("GET", "/v1/organization_memberships", params={"limit": 500, "offset": 200})
    assert (len(memberships["data"]), memberships["total_count"]) == (400, 600)
    assert emulator.call("GET", f"/v1/users/{crowd[7]['id']}") == crowd[7]


def test_the_seed_is_the_same_for_the_same_number(
    emulator: EmulatorProcess, crowd: list[Json], tmp_path: Path, receiver: Receiver
) -> None:
    assert _plant(emulator, COUNTS, number=3) == dict.fromkeys(COUNTS, 0)
    with EmulatorProcess(tmp_path / "state", receiver.url) as other:
        _plant(other, {"users": 1}, number=4)
        [stranger] = _walk(other, 500)
        assert stranger["id"] not in {user["id"] for user in crowd}
        other.call("POST", "/emulator/reset", json={"webhooks": False})
        assert _plant(other, COUNTS, number=3) == COUNTS
        assert _without_links(_walk(other, 500)) == _without_links(crowd)
    assert receiver.deliveries == []


def test_the_seed_tells_of_each_if_asked_to(emulator: EmulatorProcess, heard: Receiver) -> None:
    _plant(emulator, {"users": 3, "organizations": 1, "memberships": 2}, number=5, webhooks=True)
    heard.wait_for(6)
    types = ["user.created"] * 3 + ["organization.created"] + ["organizationMembership.created"] * 2
    assert sorted(heard.types) == sorted(types)


def test_the_seed_refuses_more_memberships_than_there_can_be(emulator: EmulatorProcess) -> None:
    body = {"users": 2, "organizations": 2, "memberships": 5}
    assert emulator.refusal("POST", "/emulator/bulk_seed", body) == (422, "form_param_value_too_large")


def test_lists_say_what_reading_one_says_after_each_change(emulator: EmulatorProcess, browser: Browser) -> None:
    browser.sign_up("listed@example.com")
    [user] = emulator.call("GET", "/v1/users", params={"email_address": "listed@example.com"})
    path = f"/v1/users/{user['id']}"

    def check() -> Json:
        listed = emulator.call("GET", "/v1/users", params={"user_id": user["id"]})
        assert listed == [emulator.call("GET", path)]
        seen: Json = listed[0]
        return seen

    seen = [check()]
    second = browser.call("POST", "/me/email_addresses", {"email_address": "second@example.com"})["response"]["id"]
    seen.append(check())
    browser.call("POST", f"/me/email_addresses/{second}/prepare_verification", {"strategy": "email_code"})
    seen.append(check())
    browser.call("POST", f"/me/email_addresses/{second}/attempt_verification", {"code": "424242"})
    seen.append(check())
    for method, suffix, body in (
        ("PATCH", path, {"first_name": "Ada"}),
        ("PATCH", f"{path}/metadata", {"public_metadata": {"a": 1}}),
        ("PATCH", f"/v1/email_addresses/{second}", {"primary": True}),
        ("PATCH", f"/v1/email_addresses/{second}", {"verified": False}),
        ("DELETE", f"/v1/email_addresses/{second}", None),
        ("POST", f"{path}/ban", None),
    ):
        emulator.call(method, suffix, json=body)
        seen.append(check())
    assert all(before != after for before, after in itertools.pairwise(seen))


def test_a_proof_that_is_asked_for_expires_in_lists_too(emulator: EmulatorProcess, browser: Browser) -> None:
    browser.sign_up("expiring@example.com")
    email = browser.call("POST", "/me/email_addresses", {"email_address": "expires@example.com"})["response"]["id"]
    browser.call("POST", f"/me/email_addresses/{email}/prepare_verification", {"strategy": "email_code"})

    def status() -> str:
        [user] = emulator.call("GET", "/v1/users", params={"email_address": "expiring@example.com"})
        found: str = user["email_addresses"][1]["verification"]["status"]
        return found

    assert status() == "unverified"
    emulator.execute("UPDATE verifications SET expire_at = 1 WHERE owner_id = ?", email)
    assert status() == "expired"


@pytest.mark.slow
def test_100000_users_are_made_and_read_fast(own_emulator: EmulatorProcess) -> None:
    """In CPU time of the emulator, for other tests run beside this one."""
    started = own_emulator.cpu_seconds()
    result = own_emulator.cli("bulk-seed", "--users", "100000", "--no-webhooks")
    assert result.stdout == "created 100000 users, 0 organizations, 0 memberships\n", result.output
    made = own_emulator.cpu_seconds()
    assert made - started < 60
    began = time.monotonic()
    assert len({user["id"] for user in _walk(own_emulator, 500)}) == 100_000
    # Clerk allows 1,000 requests in 10 seconds. The client here takes more than the emulator.
    assert (own_emulator.cpu_seconds() - made) / 201 < 0.010, time.monotonic() - began
