"""`/v1/email_addresses`: what a server does to the addresses of a user, and what the application hears of it."""

from http import HTTPStatus
from typing import Any

import pytest

from .browser import PASSWORD, Browser, told
from .harness import EmulatorProcess, Receiver

UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
NOT_FOUND = (HTTPStatus.NOT_FOUND, "resource_not_found")
PATH = "/v1/email_addresses"


@pytest.fixture
def user(emulator: EmulatorProcess, email: str, heard: Receiver) -> dict[str, Any]:
    del heard  # which hears of the creation too
    return emulator.create_user(email, password=PASSWORD)


def _add(emulator: EmulatorProcess, user: dict[str, Any], address: str, **fields: Any) -> dict[str, Any]:
    body = {"user_id": user["id"], "email_address": address, **fields}
    made: dict[str, Any] = emulator.call("POST", PATH, json=body)
    return made


def _refusal(emulator: EmulatorProcess, method: str, path: str, body: Any = None) -> tuple[int, str]:
    answer = emulator.request(method, path, json=body)
    return answer.status_code, answer.json()["errors"][0]["code"]


def _user(emulator: EmulatorProcess, user: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = emulator.call("GET", f"/v1/users/{user['id']}")
    return read


def test_address_is_added_changed_and_removed(
    emulator: EmulatorProcess, user: dict[str, Any], email: str, heard: Receiver
) -> None:
    made = _add(emulator, user, f"Work-{email}")
    assert (made["object"], made["email_address"], made["verification"]) == (
        "email_address",
        f"work-{email}",
        None,
    )
    path = f"{PATH}/{made['id']}"
    assert emulator.call("GET", path) == made
    proved = emulator.call("PATCH", path, json={"verified": True, "primary": True})
    assert (proved["verification"]["status"], proved["verification"]["strategy"]) == ("verified", "admin")
    now = _user(emulator, user)
    assert now["primary_email_address_id"] == made["id"]
    assert now["email_addresses"][1] == proved
    gone = {"object": "email_address", "id": made["id"], "deleted": True}
    assert emulator.call("DELETE", path) == gone
    assert _refusal(emulator, "GET", path) == NOT_FOUND
    events = told(heard, user["id"], "user.created", *["user.updated"] * 4)
    primary = [event.event["data"]["primary_email_address_id"] for event in events]
    first = user["primary_email_address_id"]
    assert primary == [first, first, first, made["id"], first]
    addresses = [len(event.event["data"]["email_addresses"]) for event in events]
    assert addresses == [1, 2, 2, 2, 1]


def test_proved_primary_address_takes_one_request(
    emulator: EmulatorProcess, user: dict[str, Any], email: str
) -> None:
    made = _add(emulator, user, f"work-{email}", verified=True, primary=True)
    assert _user(emulator, user)["primary_email_address_id"] == made["id"]


def test_first_proved_address_is_the_primary_one(emulator: EmulatorProcess, email: str) -> None:
    user = emulator.call("POST", "/v1/users", json={"username": email[:12]})
    assert user["primary_email_address_id"] is None
    made = _add(emulator, user, email, verified=True)
    assert _user(emulator, user)["primary_email_address_id"] == made["id"]


def test_doubted_address_signs_nobody_in(
    emulator: EmulatorProcess, browser: Browser, user: dict[str, Any], email: str, heard: Receiver
) -> None:
    """This is how a test gets a user with an unverified primary address."""
    path = f"{PATH}/{user['primary_email_address_id']}"
    doubted = emulator.call("PATCH", path, json={"verified": False})
    assert doubted["verification"] is None
    assert emulator.call("PATCH", path, json={"verified": False}) == doubted
    refusal = browser.refusal("POST", "/client/sign_ins", {"identifier": email, "password": PASSWORD})
    assert refusal == (UNPROCESSABLE, "form_identifier_not_found")
    emulator.call("PATCH", path, json={"verified": True})
    assert emulator.call("PATCH", path, json={"verified": True})["verification"]["status"] == "verified"
    browser.sign_in(email)
    events = told(heard, user["id"], "user.created", *["user.updated"] * 2, "session.created", "user.updated")
    verifications = [event.event["data"]["email_addresses"][0]["verification"] for event in events[:3]]
    assert [each and each["status"] for each in verifications] == ["verified", None, "verified"]


def test_unproved_address_cannot_be_primary(
    emulator: EmulatorProcess, user: dict[str, Any], email: str
) -> None:
    body = {"user_id": user["id"], "email_address": f"work-{email}", "primary": True}
    assert _refusal(emulator, "POST", PATH, body) == (UNPROCESSABLE, "form_param_value_invalid")
    assert len(_user(emulator, user)["email_addresses"]) == 1


def test_last_address_stays(emulator: EmulatorProcess, user: dict[str, Any]) -> None:
    path = f"{PATH}/{user['primary_email_address_id']}"
    refusal = (HTTPStatus.FORBIDDEN, "last_identification_deletion_failed")
    assert _refusal(emulator, "DELETE", path) == refusal


def test_bad_requests_are_refused(emulator: EmulatorProcess, user: dict[str, Any], email: str) -> None:
    new = {"user_id": user["id"], "email_address": f"work-{email}"}
    taken = (UNPROCESSABLE, "form_identifier_exists")
    assert _refusal(emulator, "POST", PATH, new | {"email_address": email.upper()}) == taken
    malformed = (UNPROCESSABLE, "form_param_format_invalid")
    assert _refusal(emulator, "POST", PATH, new | {"email_address": "no address"}) == malformed
    assert _refusal(emulator, "POST", PATH, new | {"user_id": "user_nobody"}) == NOT_FOUND
    assert _refusal(emulator, "POST", PATH, {}) == (UNPROCESSABLE, "form_param_missing")
    for method in ("GET", "PATCH", "DELETE"):
        assert _refusal(emulator, method, f"{PATH}/idn_none", {}) == NOT_FOUND
    assert len(_user(emulator, user)["email_addresses"]) == 1
