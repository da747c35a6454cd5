"""What else a server does with the secret key: passwords, metadata, clients, testing tokens."""

import time
from http import HTTPStatus
from typing import Any

import pytest

from .browser import PASSWORD, Browser
from .harness import EmulatorProcess


def _refusal(emulator: EmulatorProcess, path: str, body: Any = None) -> tuple[int, str]:
    answer = emulator.request("POST", path, json=body)
    return answer.status_code, answer.json()["errors"][0]["code"]


class TestPassword:
    @pytest.fixture
    def path(self, emulator: EmulatorProcess, email: str) -> str:
        return f"/v1/users/{emulator.create_user(email, password=PASSWORD)['id']}"

    def test_is_verified(self, emulator: EmulatorProcess, path: str) -> None:
        right = {"password": PASSWORD}
        assert emulator.call("POST", f"{path}/verify_password", json=right) == {"verified": True}
        wrong = (HTTPStatus.UNPROCESSABLE_ENTITY, "incorrect_password")
        assert _refusal(emulator, f"{path}/verify_password", {"password": "difference engine"}) == wrong

    @pytest.mark.parametrize(("sign_out", "status"), [(True, "revoked"), (False, "active")])
    def test_is_removed(self, emulator: EmulatorProcess, path: str, sign_out: bool, status: str) -> None:
        session = emulator.create_session(path.removeprefix("/v1/users/"))
        body = {"sign_out_of_other_sessions": sign_out}
        assert emulator.call("POST", f"{path}/remove_password", json=body)["password_enabled"] is False
        assert emulator.call("GET", f"/v1/sessions/{session['id']}")["status"] == status
        none = (HTTPStatus.BAD_REQUEST, "no_password_set")
        assert _refusal(emulator, f"{path}/remove_password") == none
        assert _refusal(emulator, f"{path}/verify_password", {"password": PASSWORD}) == none

    @pytest.mark.parametrize(
        ("action", "body"), [("verify_password", {"password": PASSWORD}), ("remove_password", {})]
    )
    def test_is_of_somebody(self, emulator: EmulatorProcess, action: str, body: dict[str, str]) -> None:
        refusal = _refusal(emulator, f"/v1/users/user_nobody/{action}", body)
        assert refusal == (HTTPStatus.NOT_FOUND, "resource_not_found")


def test_metadata_are_replaced(emulator: EmulatorProcess, email: str) -> None:
    user = emulator.create_user(email, public_metadata={"a": {"b": 1}}, private_metadata={"c": 2})
    path = f"/v1/users/{user['id']}/metadata"
    replaced = emulator.call("PUT", path, json={"public_metadata": {"d": 3}})
    assert (replaced["public_metadata"], replaced["private_metadata"]) == ({"d": 3}, {"c": 2})
    assert emulator.call("PUT", path, json={"private_metadata": None})["private_metadata"] == {}


class TestClient:
    def test_of_a_browser_is_read(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        session = browser.sign_up(email)
        client = emulator.call("GET", f"/v1/clients/{browser.client()['id']}")
        assert (client["object"], client["session_ids"]) == ("client", [session["id"]])
        assert client["sessions"][0]["status"] == "active"
        assert client["last_active_session_id"] == session["id"]
        assert client["last_authentication_strategy"] == "email_code"
        assert str(browser.token) not in emulator.request("GET", f"/v1/clients/{client['id']}").text

    def test_of_a_session_without_a_browser_is_there_too(self, emulator: EmulatorProcess, email: str) -> None:
        session = emulator.create_session(emulator.create_user(email)["id"])
        client = emulator.call("GET", f"/v1/clients/{session['client_id']}")
        assert client["sessions"] == [session]

    def test_unknown_one(self, emulator: EmulatorProcess) -> None:
        assert emulator.request("GET", "/v1/clients/client_none").status_code == HTTPStatus.NOT_FOUND


def test_testing_token_lasts_an_hour(emulator: EmulatorProcess) -> None:
    token = emulator.call("POST", "/v1/testing_tokens")
    assert token["object"] == "testing_token"
    assert token["expires_at"] == pytest.approx(time.time() + 3600, abs=10)
    assert token["token"] != emulator.call("POST", "/v1/testing_tokens")["token"]
