"""One emulator with every option that changes what it does; `--bundles` is in test_bundles."""

from collections.abc import Iterator

import pytest
import requests

from .browser import PASSWORD, Browser, sent_codes
from .harness import EmulatorProcess, Receiver, refusal

DEMO = {"grace@example.com", "alan@example.com", "katherine@example.com"}
DEMO_PASSWORD = "counterfoil-demo"
ORIGIN = "https://tunnel.example"
OPTIONS = (
    *("--seed", "--multi-session", "--application-name", "Acme Billing"),
    *("--allow-origin", ORIGIN, "--allow-origin", "https://second.example"),
)


@pytest.fixture(scope="module")
def heard() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def optioned(tmp_path_factory: pytest.TempPathFactory, heard: Receiver) -> Iterator[EmulatorProcess]:
    state = tmp_path_factory.mktemp("optioned") / "state"
    with EmulatorProcess(state, heard.url, options=OPTIONS) as emulator:
        yield emulator


@pytest.fixture
def browser(optioned: EmulatorProcess) -> Iterator[Browser]:
    with Browser(optioned) as browser:
        yield browser


def _addresses(emulator: EmulatorProcess) -> set[str]:
    users = emulator.call("GET", "/v1/users?limit=500")
    return {email["email_address"] for user in users for email in user["email_addresses"]}


def test_demo_users_of_a_new_state_sign_in_and_are_told_of(
    optioned: EmulatorProcess, heard: Receiver
) -> None:
    assert _addresses(optioned) == DEMO
    for address in DEMO:
        with Browser(optioned) as browser:
            assert browser.sign_in(address, DEMO_PASSWORD)["user"]["first_name"]
    heard.wait_for(9)
    assert heard.types.count("user.created") == len(DEMO)
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


def test_application_name(browser: Browser, heard: Receiver, email: str) -> None:
    shown = browser.call("GET", "/environment")["display_config"]
    assert shown["application_name"] == "Acme Billing"
    browser.sign_up(email)
    [mail] = sent_codes(heard, email)
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
    answer = browser.send(
        "POST", "/client/sign_ins", {"identifier": "ada@several.test", "password": PASSWORD}
    )
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
