"""The instance as a whole: options, of which one emulator has all, demo users, and `reset`. `--bundles` is in
test_bundles.
"""

from collections.abc import Iterator

import pytest
import requests

from .browser import PASSWORD, Browser, claims, sent_codes
from .harness import EmulatorProcess, Receiver, refusal

DEMO = {"grace@example.com", "alan@example.com", "katherine@example.com"}
DEMO_PASSWORD = "counterfoil-demo"
ORIGIN = "https://tunnel.example"
OPTIONS = (
    *("--seed", "--multi-session", "--application-name", "Acme Billing"),
    *("--allow-origin", ORIGIN, "--allow-origin", "https://second.example"),
)


@pytest.fixture(scope="module")
def listening() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def optioned(tmp_path_factory: pytest.TempPathFactory, listening: Receiver) -> Iterator[EmulatorProcess]:
    state = tmp_path_factory.mktemp("optioned") / "state"
    with EmulatorProcess(state, listening.url, options=OPTIONS) as emulator:
        yield emulator


@pytest.fixture
def browser(optioned: EmulatorProcess) -> Iterator[Browser]:
    with Browser(optioned) as browser:
        yield browser


def _addresses(emulator: EmulatorProcess) -> set[str]:
    users = emulator.call("GET", "/v1/users?limit=500")
    return {email["email_address"] for user in users for email in user["email_addresses"]}


def test_demo_users_of_a_new_state_sign_in_and_are_told_of(optioned: EmulatorProcess, listening: Receiver) -> None:
    assert _addresses(optioned) == DEMO
    for address in DEMO:
        with Browser(optioned) as browser:
            assert browser.sign_in(address, DEMO_PASSWORD)["user"]["first_name"]
    listening.wait_for(9)
    assert listening.types.count("user.created") == len(DEMO)
    optioned.cli("delete", "grace@example.com")
    optioned.stop()
    optioned.start()
    assert _addresses(optioned) == DEMO - {"grace@example.com"}


def test_seed_command_adds_those_who_are_missing(emulator: EmulatorProcess) -> None:
    assert _addresses(emulator) == set()
    emulator.create_user("alan@example.com", first_name="Another")
    first = emulator.cli("seed").stdout
    assert first == f"created grace@example.com, katherine@example.com; the password is {DEMO_PASSWORD}\n"
    second = emulator.cli("seed").stdout
    assert second == f"created nobody, all are there; the password is {DEMO_PASSWORD}\n"
    assert _addresses(emulator) == DEMO
    [alan] = emulator.call("GET", "/v1/users?email_address=alan@example.com")
    assert alan["first_name"] == "Another"


def test_application_name(browser: Browser, listening: Receiver, email: str) -> None:
    shown = browser.call("GET", "/environment")["display_config"]
    assert shown["application_name"] == "Acme Billing"
    browser.sign_up(email)
    [mail] = sent_codes(listening, email)
    assert "Acme Billing" in mail["body"]
    assert mail["data"]["app"] == {"name": "Acme Billing"}


def test_other_origins_can_be_allowed(optioned: EmulatorProcess) -> None:
    def ask(**headers: str) -> requests.Response:
        return requests.get(f"{optioned.url}/v1/environment", headers=headers, timeout=5)

    answer = ask(Origin=ORIGIN, Host="tunnel.example")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert refusal(ask(Origin="https://tunnel.example.evil.example"))[0] == 403


def test_several_users_beside_each_other_on_one_browser(browser: Browser) -> None:
    assert browser.call("GET", "/environment")["auth_config"]["single_session_mode"] is False
    ada, grace = (browser.sign_up(f"{name}@several.test") for name in ("ada", "grace"))
    assert browser.client()["last_active_session_id"] == grace["id"]
    # Clerk's form then changes to that session.
    answer = browser.send("POST", "/client/sign_ins", {"identifier": "ada@several.test", "password": PASSWORD})
    assert refusal(answer) == (400, "identifier_already_signed_in")
    assert answer.json()["errors"][0]["meta"] == {"session_id": ada["id"]}

    browser.call("POST", f"/client/sessions/{ada['id']}/touch", {"active_organization_id": ""})
    assert browser.client()["last_active_session_id"] == ada["id"]
    assert browser.call("GET", "/me")["response"]["id"] == ada["user"]["id"]
    me = browser.call("GET", "/me", _clerk_session_id=grace["id"])["response"]
    assert me["id"] == grace["user"]["id"]

    answer = browser.call("POST", f"/client/sessions/{ada['id']}/remove")
    assert [session["id"] for session in answer["client"]["sessions"]] == [grace["id"]]
    assert answer["client"]["last_active_session_id"] == grace["id"]
    alan = browser.sign_up("alan@several.test")
    browser.sign_up("katherine@several.test")
    browser.call("POST", f"/client/sessions/{grace['id']}/remove")
    newest = browser.client()["last_active_session_id"]
    browser.call("POST", f"/client/sessions/{newest}/remove")
    assert browser.client()["last_active_session_id"] == alan["id"]
    browser.sign_out()
    assert browser.client()["sessions"] == []


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
    heard.wait_for(8)
    heard.deliveries.clear()
    return emulator


def _is_empty(emulator: EmulatorProcess) -> bool:
    lists = ("/v1/organizations", "/v1/organization_memberships")
    return emulator.call("GET", "/v1/users") == [] and all(
        emulator.call("GET", path) == {"data": [], "total_count": 0} for path in lists
    )


def test_reset_forgets_everything_and_tells_of_it(full: EmulatorProcess, heard: Receiver) -> None:
    keys = full.keys
    assert full.cli("reset", "--yes").stdout == "forgot 2 users\n"
    assert _is_empty(full)
    assert full.keys == keys
    assert [role["key"] for role in full.call("GET", "/emulator/roles")] == ["org:admin", "org:member"]
    heard.wait_for(6)
    told = ["organization.deleted", "permission.deleted", "role.deleted", "session.ended"] + ["user.deleted"] * 2
    assert sorted(heard.types) == told
    listed = [message["type"] for message in full.call("GET", "/emulator/messages")]
    assert sorted(listed) == told


def test_reset_need_not_tell(full: EmulatorProcess, heard: Receiver) -> None:
    assert full.cli("reset", "--yes", "--no-webhooks").exit_code == 0
    assert _is_empty(full)
    assert full.call("GET", "/emulator/messages") == []
    full.create_user("first@example.com")
    heard.wait_for(1)
    assert heard.types == ["user.created"]


def test_reset_forgets_undelivered_messages(full: EmulatorProcess, heard: Receiver) -> None:
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


def test_reset_signs_browsers_out(emulator: EmulatorProcess) -> None:
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


def test_reset_asks_first(full: EmulatorProcess) -> None:
    for answer, status, left in (("n\n", 1, 2), ("", 1, 2), ("y\n", 0, 0)):
        assert full.cli("reset", typed=answer).exit_code == status
        assert len(full.call("GET", "/v1/users")) == left
