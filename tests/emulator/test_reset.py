"""`reset`: everything is forgotten but the keys, and the application is told."""

import subprocess
import sys
from http import HTTPStatus

import pytest

from .browser import Browser, claims
from .harness import ROOT, EmulatorProcess, Receiver, clean_environment


@pytest.fixture
def full(own_emulator: EmulatorProcess, receiver: Receiver) -> EmulatorProcess:
    """One user in an organization with a session, one without, a role and a ticket; all told of."""
    first = own_emulator.create_user("first@example.com")["id"]
    body = {"name": "Acme", "created_by": first}
    organization = own_emulator.call("POST", "/v1/organizations", json=body)
    own_emulator.call("PUT", "/emulator/roles/org:billing", json={"permissions": ["org:a:b"]})
    own_emulator.call("POST", "/v1/sign_in_tokens", json={"user_id": first})
    session = {"user_id": first, "active_organization_id": organization["id"]}
    own_emulator.call("POST", "/v1/sessions", json=session)
    own_emulator.create_user("second@example.com")
    receiver.wait_for(6)
    receiver.deliveries.clear()
    return own_emulator


def _is_empty(emulator: EmulatorProcess) -> bool:
    lists = ("/v1/organizations", "/v1/organization_memberships")
    return emulator.call("GET", "/v1/users") == [] and all(
        emulator.call("GET", path) == {"data": [], "total_count": 0} for path in lists
    )


def test_everything_is_forgotten_and_told_of(full: EmulatorProcess, receiver: Receiver) -> None:
    keys = full.keys
    assert full.cli("reset", "--yes").stdout == "forgot 2 users\n"
    assert _is_empty(full)
    assert full.keys == keys
    assert [role["key"] for role in full.call("GET", "/emulator/roles")] == ["org:admin", "org:member"]
    receiver.wait_for(4)
    assert sorted(receiver.types) == [
        "organization.deleted",
        "session.ended",
        "user.deleted",
        "user.deleted",
    ]
    listed = [message["type"] for message in full.call("GET", "/emulator/messages")]
    assert sorted(listed) == sorted(receiver.types)


def test_the_application_need_not_hear(full: EmulatorProcess, receiver: Receiver) -> None:
    assert full.cli("reset", "--yes", "--no-webhooks").returncode == 0
    assert _is_empty(full)
    assert full.call("GET", "/emulator/messages") == []
    full.create_user("first@example.com")
    receiver.wait_for(1)
    assert receiver.types == ["user.created"]


def test_undelivered_messages_are_forgotten(own_emulator: EmulatorProcess, receiver: Receiver) -> None:
    receiver.answers = [500] * 3
    own_emulator.create_user("lost@example.com")
    receiver.wait_for(1)
    own_emulator.cli("reset", "--yes", "--no-webhooks")
    receiver.answers.clear()
    receiver.deliveries.clear()
    own_emulator.create_user("found@example.com")
    receiver.wait_for(1)
    told = receiver.deliveries[0].event["data"]["email_addresses"][0]["email_address"]
    assert told == "found@example.com"


def test_a_browser_comes_back_signed_out(own_emulator: EmulatorProcess) -> None:
    with Browser(own_emulator) as browser, Browser(own_emulator, by_cookie=True) as other:
        token = browser.session_token(browser.sign_up("ada@example.com")["id"])
        other.sign_up("grace@example.com")
        own_emulator.cli("reset", "--yes")
        assert browser.refusal("GET", "/client") == (HTTPStatus.UNAUTHORIZED, "dev_browser_unauthenticated")
        assert other.client() is None
        # The key that signed it is still the key: applications need no restart.
        assert claims(own_emulator, token)["iss"]
    with Browser(own_emulator) as browser:
        browser.sign_up("ada@example.com")


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("", 1, 1)])
def test_it_asks_first(own_emulator: EmulatorProcess, answer: str, status: int, left: int) -> None:
    own_emulator.create_user("ada@example.com")
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "clerk_emulator", "reset"],
        cwd=ROOT,
        env=clean_environment(CLERK_EMULATOR_STATE=str(own_emulator.state)),
        input=answer,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.returncode == status
    assert len(own_emulator.call("GET", "/v1/users")) == left
