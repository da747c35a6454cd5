"""Sessions of a browser: tokens, ends, what becomes of them elsewhere; and what time does to them, to codes and
attempts.
"""

import pytest

from .browser import CODE, ORIGIN, PASSWORD, SIGN_INS, Browser, Json, claims, told
from .harness import EmulatorProcess, Receiver

ENDED = (401, "authentication_invalid")
DAY = 24 * 60 * 60 * 1000


class TestTokens:
    def test_name_user_session_and_page(self, emulator: EmulatorProcess, browser: Browser, session: Json) -> None:
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
    def test_lists_all_browsers(self, emulator: EmulatorProcess, browser: Browser, session: Json, email: str) -> None:
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


def test_old_code(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    path = browser.begin_sign_up(email_address=email, password=PASSWORD)
    emulator.execute("UPDATE verifications SET expire_at = 1 WHERE owner_id = ?", path.rpartition("/")[2])
    verification = browser.call("GET", path)["response"]["verifications"]["email_address"]
    assert verification["status"] == "expired"
    refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": CODE})
    assert refusal == (400, "verification_expired")
    browser.call("POST", f"{path}/prepare_verification")
    browser.call("POST", f"{path}/attempt_verification", {"code": CODE})


def test_abandoned_sign_up(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    path = browser.begin_sign_up(email_address=email, password=PASSWORD)
    assert browser.client()["sign_up"]["status"] == "missing_requirements"
    emulator.execute("UPDATE sign_ups SET abandon_at = 1 WHERE id = ?", path.rpartition("/")[2])
    assert browser.client()["sign_up"] is None
    assert browser.call("GET", path)["response"]["status"] == "abandoned"
    refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": CODE})
    assert refusal == (403, "sign_up_forbidden")


def test_abandoned_sign_in(emulator: EmulatorProcess, browser: Browser, email: str, user_id: str) -> None:
    del user_id
    path = browser.begin_sign_in(email)
    emulator.execute("UPDATE sign_ins SET abandon_at = 1 WHERE id = ?", path.removeprefix(f"{SIGN_INS}/"))
    assert browser.client()["sign_in"] is None
    form = {"strategy": "password", "password": PASSWORD}
    assert browser.refusal("POST", f"{path}/attempt_first_factor", form) == (403, "sign_in_forbidden")


def test_session_lives_for_a_week_and_each_change_is_newer(
    emulator: EmulatorProcess, browser: Browser, email: str, session: Json
) -> None:
    assert session["expire_at"] - session["created_at"] == 7 * DAY
    assert session["abandon_at"] - session["created_at"] == 30 * DAY
    path = f"/client/sessions/{session['id']}"
    touched = browser.call("POST", f"{path}/touch")["response"]
    assert touched["last_active_at"] > session["last_active_at"]
    ended = browser.call("POST", f"{path}/end")["response"]
    assert ended["status"] == "ended"
    assert ended["updated_at"] > session["updated_at"]

    old = browser.sign_in(email)["id"]
    emulator.execute("UPDATE sessions SET expire_at = 1 WHERE id = ?", old)
    assert browser.refusal("POST", f"/client/sessions/{old}/tokens") == ENDED
    assert browser.client()["sessions"] == []
    assert emulator.call("GET", f"/v1/sessions/{old}")["status"] == "expired"


def test_restart_forgets_what_was_left(own_emulator: EmulatorProcess) -> None:
    with Browser(own_emulator) as gone, Browser(own_emulator) as signed_in, Browser(own_emulator) as new:
        gone.begin_sign_up(email_address="begun@example.com")
        session = signed_in.sign_up("ada@example.com")
        old = (gone.token, signed_in.token)
        own_emulator.execute("UPDATE clients SET updated_at = 1 WHERE token IN (?, ?)", *map(str, old))
        own_emulator.execute("UPDATE sign_ups SET abandon_at = 1")
        own_emulator.stop()
        own_emulator.start()
        assert gone.refusal("GET", "/client") == (401, "dev_browser_unauthenticated")
        assert [found["id"] for found in signed_in.client()["sessions"]] == [session["id"]]
        assert new.client()["sessions"] == []
        assert own_emulator.execute("SELECT * FROM sign_ups") == []
        owners = "SELECT id FROM email_addresses UNION SELECT id FROM sign_ins UNION SELECT id FROM sign_ups"
        left = own_emulator.execute(f"SELECT * FROM verifications WHERE owner_id NOT IN ({owners})")
        assert left == []


def test_deleted_user_leaves_no_trace(emulator: EmulatorProcess, browser: Browser, email: str) -> None:
    browser.sign_up(email, first_name="Ada")
    browser.call("DELETE", "/me")
    assert emulator.execute("SELECT * FROM sign_ups WHERE email_address = ?", email) == []
