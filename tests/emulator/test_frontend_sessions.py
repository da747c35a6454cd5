"""Sessions of a browser: tokens, ends, several at once, and what becomes of them elsewhere."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from .browser import ORIGIN, PASSWORD, Browser, Json, claims, told
from .harness import EmulatorProcess, Receiver

UNAUTHORIZED = HTTPStatus.UNAUTHORIZED


@pytest.fixture
def session(browser: Browser, email: str, heard: Receiver) -> Json:
    del heard  # which hears of the sign-up too
    return browser.sign_up(email)


class TestTokens:
    def test_session_token(self, emulator: EmulatorProcess, browser: Browser, session: Json) -> None:
        token = claims(emulator, browser.session_token(session["id"]))
        assert (token["sub"], token["sid"]) == (session["user"]["id"], session["id"])
        assert (token["azp"], token["sts"], token["exp"] - token["iat"]) == (ORIGIN, "active", 60)

    def test_get_of_the_same_origin_keeps_the_pages_name(
        self, emulator: EmulatorProcess, browser: Browser, session: Json
    ) -> None:
        del session
        [found] = browser.client()["sessions"]
        assert claims(emulator, found["last_active_token"]["jwt"])["azp"] == ORIGIN

    def test_template(self, emulator: EmulatorProcess, browser: Browser, session: Json) -> None:
        answer = browser.call("POST", f"/client/sessions/{session['id']}/tokens/hasura")
        token = claims(emulator, answer["jwt"])
        assert "sid" not in token
        assert token["azp"] == ORIGIN

    def test_unknown_session(self, browser: Browser, session: Json) -> None:
        del session
        refusal = browser.refusal("POST", "/client/sessions/sess_unknown/tokens")
        assert refusal == (UNAUTHORIZED, "authentication_invalid")

    def test_signed_out(self, browser: Browser, session: Json) -> None:
        browser.sign_out()
        for path in ("tokens", "tokens/hasura", "touch"):
            refusal = browser.refusal("POST", f"/client/sessions/{session['id']}/{path}")
            assert refusal == (UNAUTHORIZED, "authentication_invalid")


class TestEnd:
    @pytest.mark.parametrize(
        ("method", "path", "event"),
        [
            ("DELETE", "/client/sessions", "session.removed"),
            ("DELETE", "/client", "session.removed"),
            ("POST", "/client/sessions/{id}/remove", "session.removed"),
            ("POST", "/client/sessions/{id}/end", "session.ended"),
        ],
    )
    def test_ends_and_tells(
        self, browser: Browser, session: Json, heard: Receiver, method: str, path: str, event: str
    ) -> None:
        answer = browser.call(method, path.format(id=session["id"]))
        assert answer["client"]["sessions"] == []
        assert answer["client"]["last_active_session_id"] is None
        user_id = session["user"]["id"]
        events = told(heard, user_id, "user.created", "session.created", "user.updated", event)
        assert events[-1].event["data"]["id"] == session["id"]
        assert browser.refusal("GET", "/me") == (UNAUTHORIZED, "signed_out")

    @pytest.mark.parametrize("action", ["sessions/{session}/revoke", "users/{user}/ban"])
    def test_by_the_application(
        self, emulator: EmulatorProcess, browser: Browser, session: Json, action: str
    ) -> None:
        path = action.format(session=session["id"], user=session["user"]["id"])
        emulator.call("POST", f"/v1/{path}")
        refusal = browser.refusal("POST", f"/client/sessions/{session['id']}/tokens")
        assert refusal == (UNAUTHORIZED, "authentication_invalid")
        assert browser.client()["sessions"] == []

    def test_user_deleted_by_the_application(
        self, emulator: EmulatorProcess, browser: Browser, session: Json
    ) -> None:
        emulator.call("DELETE", f"/v1/users/{session['user']['id']}")
        assert browser.client()["sessions"] == []
        # The SDK reads its client anew after a 401, and not after a 404.
        refusal = browser.refusal("POST", f"/client/sessions/{session['id']}/tokens")
        assert refusal == (UNAUTHORIZED, "authentication_invalid")


class TestElsewhere:
    def test_lists_all_browsers(
        self, emulator: EmulatorProcess, browser: Browser, session: Json, email: str
    ) -> None:
        with Browser(emulator) as phone:
            phone.http.headers["User-Agent"] = (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
            )
            other = phone.sign_in(email)
            sessions = browser.call("GET", "/me/sessions/active")
            assert [found["id"] for found in sessions] == [session["id"], other["id"]]
            activity = sessions[1]["latest_activity"]
            assert (activity["device_type"], activity["browser_name"]) == ("iPhone", "Safari")
            assert (activity["browser_version"], activity["is_mobile"]) == ("18.0", True)
            browser.call("POST", f"/me/sessions/{other['id']}/revoke")
            assert phone.client()["sessions"] == []
        assert [found["id"] for found in browser.call("GET", "/me/sessions/active")] == [session["id"]]

    def test_others_sessions_do_not_exist(
        self, emulator: EmulatorProcess, browser: Browser, session: Json, email: str
    ) -> None:
        with Browser(emulator) as other:
            other.sign_up(f"other-{email}")
            refusal = other.refusal("POST", f"/me/sessions/{session['id']}/revoke")
            assert refusal == (HTTPStatus.NOT_FOUND, "resource_not_found")
        assert len(browser.client()["sessions"]) == 1


class TestSeveralAtOnce:
    @pytest.fixture
    def browser(self, tmp_path: Path, receiver: Receiver) -> Iterator[Browser]:
        emulator = EmulatorProcess(tmp_path / "state", receiver.url, options=("--multi-session",))
        emulator.start()
        with Browser(emulator) as browser:
            yield browser
        emulator.stop()

    def test_users_beside_each_other(self, browser: Browser) -> None:
        assert browser.call("GET", "/environment")["auth_config"]["single_session_mode"] is False
        ada, grace = (browser.sign_up(f"{name}@example.com") for name in ("ada", "grace"))
        assert browser.client()["last_active_session_id"] == grace["id"]
        form = {"identifier": "ada@example.com", "password": PASSWORD}
        refusal = browser.refusal("POST", "/client/sign_ins", form)
        assert refusal == (HTTPStatus.BAD_REQUEST, "identifier_already_signed_in")
        # Clerk's form then changes to that session.
        [error] = browser.send("POST", "/client/sign_ins", form).json()["errors"]
        assert error["meta"] == {"session_id": ada["id"]}

        browser.call("POST", f"/client/sessions/{ada['id']}/touch", {"active_organization_id": ""})
        assert browser.client()["last_active_session_id"] == ada["id"]
        assert browser.call("GET", "/me")["response"]["id"] == ada["user"]["id"]
        me = browser.call("GET", "/me", _clerk_session_id=grace["id"])["response"]
        assert me["id"] == grace["user"]["id"]

        answer = browser.call("POST", f"/client/sessions/{ada['id']}/remove")
        assert [session["id"] for session in answer["client"]["sessions"]] == [grace["id"]]
        assert answer["client"]["last_active_session_id"] == grace["id"]
        alan = browser.sign_up("alan@example.com")
        browser.sign_up("katherine@example.com")
        answer = browser.call("POST", f"/client/sessions/{answer['client']['sessions'][0]['id']}/remove")
        newest = browser.client()["last_active_session_id"]
        browser.call("POST", f"/client/sessions/{newest}/remove")
        assert browser.client()["last_active_session_id"] == alan["id"]
        browser.sign_out()
        assert browser.client()["sessions"] == []


def test_browsers_stay_signed_in_over_a_restart(own_emulator: EmulatorProcess) -> None:
    with Browser(own_emulator) as browser:
        session = browser.sign_up("ada@example.com")
        before = claims(own_emulator, browser.session_token(session["id"]))
        own_emulator.stop()
        own_emulator.start()
        assert [found["id"] for found in browser.client()["sessions"]] == [session["id"]]
        assert claims(own_emulator, browser.session_token(session["id"]))["sid"] == before["sid"]
