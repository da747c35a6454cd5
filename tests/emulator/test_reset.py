"""`reset`: everything is forgotten but the keys, and the application is told."""

import pytest

from .browser import Browser, claims
from .harness import EmulatorProcess, Receiver


@pytest.fixture
def full(emulator: EmulatorProcess, heard: Receiver) -> EmulatorProcess:
    """One user in an organization with a session, one without, a role and a ticket; all told of."""
    emulator.wait_until_all_is_told()
    emulator.cli("reset", "--yes", "--no-webhooks")
    heard.deliveries.clear()
    first = emulator.create_user("first@example.com")["id"]
    body = {"name": "Acme", "created_by": first}
    organization = emulator.call("POST", "/v1/organizations", json=body)
    emulator.call("PUT", "/emulator/roles/org:billing", json={"permissions": ["org:a:b"]})
    emulator.call("POST", "/v1/sign_in_tokens", json={"user_id": first})
    session = {"user_id": first, "active_organization_id": organization["id"]}
    emulator.call("POST", "/v1/sessions", json=session)
    emulator.create_user("second@example.com")
    heard.wait_for(6)
    heard.deliveries.clear()
    return emulator


def _is_empty(emulator: EmulatorProcess) -> bool:
    lists = ("/v1/organizations", "/v1/organization_memberships")
    return emulator.call("GET", "/v1/users") == [] and all(
        emulator.call("GET", path) == {"data": [], "total_count": 0} for path in lists
    )


def test_everything_is_forgotten_and_told_of(full: EmulatorProcess, heard: Receiver) -> None:
    keys = full.keys
    assert full.cli("reset", "--yes").stdout == "forgot 2 users\n"
    assert _is_empty(full)
    assert full.keys == keys
    assert [role["key"] for role in full.call("GET", "/emulator/roles")] == ["org:admin", "org:member"]
    heard.wait_for(4)
    told = ["organization.deleted", "session.ended", "user.deleted", "user.deleted"]
    assert sorted(heard.types) == told
    listed = [message["type"] for message in full.call("GET", "/emulator/messages")]
    assert sorted(listed) == told


def test_the_application_need_not_hear(full: EmulatorProcess, heard: Receiver) -> None:
    assert full.cli("reset", "--yes", "--no-webhooks").exit_code == 0
    assert _is_empty(full)
    assert full.call("GET", "/emulator/messages") == []
    full.create_user("first@example.com")
    heard.wait_for(1)
    assert heard.types == ["user.created"]


def test_undelivered_messages_are_forgotten(full: EmulatorProcess, heard: Receiver) -> None:
    heard.answers = [500] * 3
    full.create_user("lost@example.com")
    heard.wait_for(1)
    full.cli("reset", "--yes", "--no-webhooks")
    heard.answers.clear()
    heard.deliveries.clear()
    full.create_user("found@example.com")
    heard.wait_for(1)
    told = heard.deliveries[0].event["data"]["email_addresses"][0]["email_address"]
    assert told == "found@example.com"


def test_a_browser_comes_back_signed_out(emulator: EmulatorProcess) -> None:
    with Browser(emulator) as browser, Browser(emulator, by_cookie=True) as other:
        token = browser.session_token(browser.sign_up("ada@example.com")["id"])
        other.sign_up("grace@example.com")
        emulator.cli("reset", "--yes")
        assert browser.refusal("GET", "/client") == (401, "dev_browser_unauthenticated")
        assert other.client() is None
        # The key that signed it is still the key: applications need no restart.
        assert claims(emulator, token)["iss"]
    with Browser(emulator) as browser:
        browser.sign_up("ada@example.com")


def test_it_asks_first(full: EmulatorProcess) -> None:
    for answer, status, left in (("n\n", 1, 2), ("", 1, 2), ("y\n", 0, 0)):
        assert full.cli("reset", typed=answer).exit_code == status
        assert len(full.call("GET", "/v1/users")) == left
