"""Sessions of a browser: tokens, ends, several at once, and what becomes of them elsewhere."""

import pytest

from .browser import ORIGIN, Browser, Json, claims, told
from .harness import EmulatorProcess, Receiver

ENDED = (401, "authentication_invalid")


class TestTokens:
    def test_name_user_session_and_page(
        self, emulator: EmulatorProcess, browser: Browser, session: Json
    ) -> None:
        token = claims(emulator, browser.session_token(session["id"]))
        assert (token["sub"], token["sid"]) == (session["user"]["id"], session["id"])
        assert (token["azp"], token["sts"], token["exp"] - token["iat"]) == (ORIGIN, "active", 60)
        # A GET of the same origin does not say from which page it comes.
        [found] = browser.client()["sessions"]
        assert claims(emulator, found["last_active_token"]["jwt"])["azp"] == ORIGIN
        answer = browser.call("POST", f"/client/sessions/{session['id']}/tokens/hasura")
        token = claims(emulator, answer["jwt"])
        assert "sid" not in token
        assert token["azp"] == ORIGIN

    def test_are_for_open_sessions(self, browser: Browser, session: Json) -> None:
        assert browser.refusal("POST", "/client/sessions/sess_unknown/tokens") == ENDED
        browser.sign_out()
        for path in ("tokens", "tokens/hasura", "touch"):
            assert browser.refusal("POST", f"/client/sessions/{session['id']}/{path}") == ENDED


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
        assert browser.refusal("GET", "/me") == (401, "signed_out")

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "sessions/{session}/revoke"), ("POST", "users/{user}/ban"), ("DELETE", "users/{user}")],
    )
    def test_by_the_application(
        self, emulator: EmulatorProcess, browser: Browser, session: Json, method: str, path: str
    ) -> None:
        emulator.call(method, f"/v1/{path.format(session=session['id'], user=session['user']['id'])}")
        # The SDK reads its client anew after a 401, and not after a 404.
        assert browser.refusal("POST", f"/client/sessions/{session['id']}/tokens") == ENDED
        assert browser.client()["sessions"] == []


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
            assert refusal == (404, "resource_not_found")
        assert len(browser.client()["sessions"]) == 1
