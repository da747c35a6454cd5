"""What goes wrong when a test asks for it: with webhooks, and with the answers of the Backend API."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.waiting import wait_for

from .harness import EmulatorProcess, Receiver, refusal, run_module

SetFaults = Callable[..., None]
PROXY_ERRORS = {502, 503, 504}


@pytest.fixture
def set_faults(emulator: EmulatorProcess) -> Iterator[SetFaults]:
    def set_them(**settings: float) -> None:
        emulator.call("PUT", "/emulator/faults", json=settings)

    yield set_them
    set_them()
    emulator.call("POST", "/emulator/messages/replay", json={})
    emulator.wait_until_all_is_told()


def _sign_up_many(emulator: EmulatorProcess, name: str, count: int = 20) -> list[str]:
    return [emulator.create_user(f"{name}{number}@faults.test")["id"] for number in range(count)]


def _subjects(receiver: Receiver) -> list[str]:
    return [delivery.event["data"]["id"] for delivery in receiver.deliveries]


def test_webhooks_are_dropped_by_seed_and_seen_as_dropped(
    emulator: EmulatorProcess, heard: Receiver, set_faults: SetFaults
) -> None:
    def dropped_places(name: str, seed: int) -> list[int]:
        heard.deliveries.clear()
        set_faults(drop=0.3, seed=seed)
        users = _sign_up_many(emulator, name)
        emulator.wait_until_all_is_told()
        dropped = {message["subject_id"] for message in emulator.messages("dropped")} & set(users)
        assert sorted(_subjects(heard)) == sorted(set(users) - dropped)
        return [place for place, user in enumerate(users) if user in dropped]

    first = dropped_places("first", 7)
    assert 0 < len(first) < 20
    assert dropped_places("again", 7) == first
    assert dropped_places("other", 8) != first
    lost = emulator.messages("dropped")[0]
    assert f"{lost['id']}  user.created" in emulator.cli("messages", "--status", "dropped").stdout
    emulator.cli("replay", lost["id"])
    wait_for(lambda: lost["subject_id"] in _subjects(heard))


def test_webhooks_are_doubled_under_the_same_id(
    emulator: EmulatorProcess, heard: Receiver, set_faults: SetFaults
) -> None:
    set_faults(double=0.5, seed=3)
    users = _sign_up_many(emulator, "double", 10)
    emulator.wait_until_all_is_told()
    counts = [_subjects(heard).count(user) for user in users]
    assert set(counts) == {1, 2}
    assert len({delivery.headers["svix-id"] for delivery in heard.deliveries}) == len(users)
    attempts = {message["subject_id"]: message["attempts"] for message in emulator.messages("delivered")}
    assert [attempts[user] for user in users] == counts


def test_webhooks_are_delayed_until_that_is_switched_off(
    emulator: EmulatorProcess, heard: Receiver, set_faults: SetFaults
) -> None:
    set_faults(delay=1, delay_seconds=0.7)
    late = emulator.create_user("late@faults.test")["id"]
    assert emulator.cli("faults", "--off").exit_code == 0
    punctual = emulator.create_user("punctual@faults.test")["id"]
    heard.wait_for(2)
    assert _subjects(heard) == [punctual, late]


def test_webhooks_are_reordered_by_seed(emulator: EmulatorProcess, heard: Receiver, set_faults: SetFaults) -> None:
    def waits() -> list[int]:
        set_faults(reorder=1, delay_seconds=10_000, seed=5)
        emulator.execute("DELETE FROM messages")
        user = emulator.create_user("order@faults.test")["id"]
        for number in range(9):
            emulator.call("PATCH", f"/v1/users/{user}", json={"first_name": str(number)})
        emulator.call("DELETE", f"/v1/users/{user}")
        rows = emulator.execute("SELECT next_attempt_at - created_at FROM messages ORDER BY sequence")
        return [row[0] // 1000 for row in rows]

    first = waits()
    assert [abs(one - other) <= 1 for one, other in zip(first, waits(), strict=True)] == [True] * 11
    # Nobody waits for hours: the hours of the schedule pass in the state file.
    emulator.execute("UPDATE messages SET next_attempt_at = next_attempt_at - 1e7")
    emulator.create_user("waker@faults.test")
    heard.wait_for(11)
    versions = [delivery.event["timestamp"] for delivery in heard.deliveries[:11]]
    assert versions != sorted(versions)
    by_wait = sorted(range(11), key=lambda place: first[place])
    assert [sorted(versions).index(version) for version in versions] == by_wait


def test_the_backend_api_says_too_many_requests(emulator: EmulatorProcess, set_faults: SetFaults) -> None:
    set_faults(too_many_requests=1, retry_after=3)
    answer = emulator.request("POST", "/v1/users", json={"email_address": ["refused@faults.test"]})
    assert refusal(answer) == (429, "too_many_requests_error")
    assert answer.headers["Retry-After"] == "3"
    assert emulator.refusal("GET", "/v1/jwks")[0] == 429
    assert emulator.refusal("GET", "/v1/users", headers={"Authorization": "Bearer sk_wrong"})[0] == 401
    # Browsers, keys and the emulator's own commands are not meant.
    assert requests.get(f"{emulator.url}/v1/environment", timeout=5).ok
    assert requests.get(f"{emulator.url}/.well-known/jwks.json", timeout=5).ok
    assert emulator.cli("sign-up", "command@faults.test").exit_code == 0
    assert emulator.request("GET", "/v1/users", headers={"Emulator-Faults": "off"}).ok
    assert "refused@faults.test" not in emulator.cli("users").stdout


def test_the_backend_api_breaks_by_seed_and_changes_nothing_then(
    emulator: EmulatorProcess, set_faults: SetFaults
) -> None:
    def answers(seed: int, name: str) -> list[int]:
        set_faults(server_error=0.5, too_many_requests=0.2, seed=seed)
        codes = []
        for number in range(30):
            body = {"email_address": [f"{name}{number}@faults.test"]}
            answer = emulator.request("POST", "/v1/users", json=body)
            codes.append(answer.status_code)
            assert answer.status_code not in PROXY_ERRORS or "html" in answer.headers["Content-Type"]
        set_faults()
        query = f"/v1/users?limit=500&query={name}"
        assert len(emulator.call("GET", query)) == codes.count(200)
        return codes

    first = answers(1, "broken")
    assert {200, 429, 500} | PROXY_ERRORS == set(first)
    assert answers(1, "repeated") == first
    assert answers(2, "different") != first


def test_faults_are_shown_and_chosen(emulator: EmulatorProcess, set_faults: SetFaults) -> None:
    def shown(*arguments: str) -> dict[str, Any]:
        lines = emulator.cli("faults", *arguments).stdout.splitlines()
        return {name: float(number) for name, number in (line.split() for line in lines[1:])}

    set_faults()
    none = shown()
    chosen = none | {"drop": 0.05, "seed": 7}
    assert shown("--fault", "drop", "0.05", "--fault", "seed", "7") == chosen
    assert shown() == chosen
    assert shown("--fault", "double", "1") == none | {"double": 1}
    assert shown("--off") == none
    assert emulator.cli("faults", "--fault", "drop", "1.5").exit_code == 1
    assert emulator.refusal("PUT", "/emulator/faults", {"drop": -1}) == (422, "form_param_value_invalid")
    assert emulator.refusal("PUT", "/emulator/faults", {"lose": 1}) == (422, "form_param_unknown")


def test_a_fault_that_is_none_refuses_the_start(tmp_path: Path) -> None:
    refused = run_module("clerk_emulator", "--state", str(tmp_path / "state"), "--fault", "drop", "nan")
    assert refused.returncode == 2
    assert "--fault: The value of drop" in refused.stderr
    assert not (tmp_path / "state").exists()
