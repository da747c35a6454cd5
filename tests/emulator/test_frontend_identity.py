"""Which browser a request comes from, and what pages of other origins may do."""

from typing import Any

import pytest
import requests

from .browser import ORIGIN, Browser, Json
from .harness import EmulatorProcess, refusal


class TestDevBrowser:
    def test_new_one_has_nobody(self, browser: Browser) -> None:
        client = browser.client()
        assert (client["sessions"], client["sign_in"], client["sign_up"]) == ([], None, None)
        assert client["last_active_session_id"] is None

    def test_sees_only_itself_and_needs_no_cookie(
        self, emulator: EmulatorProcess, browser: Browser, session: Json
    ) -> None:
        path = f"/client/sessions/{session['id']}"
        with Browser(emulator) as other:
            assert other.client()["sessions"] == []
            for step in ("end", "remove"):
                assert other.refusal("POST", f"{path}/{step}") == (404, "resource_not_found")
            for step in ("tokens", "tokens/hasura", "touch"):
                assert other.refusal("POST", f"{path}/{step}") == (401, "authentication_invalid")
            mine = other.refusal("GET", "/me", _clerk_session_id=session["id"])
            assert mine == (401, "signed_out")
        assert len(browser.client()["sessions"]) == 1
        assert not browser.http.cookies

    def test_unknown_one_is_told_so(self, browser: Browser) -> None:
        """The SDK then asks for a new one."""
        browser.token = "dvb_unknown"
        for method, path in (("GET", "/client"), ("POST", "/client/sign_ups")):
            assert browser.refusal(method, path) == (401, "dev_browser_unauthenticated")


class TestCookie:
    def test_keeps_the_browser(self, emulator: EmulatorProcess, email: str) -> None:
        with Browser(emulator, by_cookie=True) as browser:
            assert browser.send("GET", "/client").json() == {"response": None, "client": None}
            assert not browser.http.cookies
            answer = browser.send("POST", "/client/sign_ups", {"email_address": email})
            cookie = answer.headers["Set-Cookie"]
            assert "__client=dvb_" in cookie
            assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
            browser.sign_up(f"2-{email}")
            assert len(browser.client()["sessions"]) == 1
            assert "Set-Cookie" not in browser.send("PUT", "/client").headers

    def test_first_request_signs_in(self, emulator: EmulatorProcess, email: str, user_id: str) -> None:
        """The browser is founded in one transaction, and the password is looked at in others."""
        with Browser(emulator, by_cookie=True) as browser:
            assert browser.sign_in(email)["user"]["id"] == user_id
            assert len(browser.client()["sessions"]) == 1

    def test_unknown_one_becomes_a_new_browser_by_put(self, emulator: EmulatorProcess) -> None:
        with Browser(emulator, by_cookie=True) as browser:
            browser.http.cookies.set("__client", "dvb_unknown")
            assert browser.client() is None
            browser.http.cookies.clear()
            founded = browser.call("PUT", "/client")["response"]
            assert founded["sessions"] == []
            assert browser.client()["id"] == founded["id"]

    def test_refusal_founds_none(self, emulator: EmulatorProcess) -> None:
        with Browser(emulator, by_cookie=True) as browser:
            assert "Set-Cookie" not in browser.send("GET", "/client/sign_ins/sia_1").headers
            form = {"identifier": "nobody@example.com"}
            assert "Set-Cookie" not in browser.send("POST", "/client/sign_ins", form).headers


class TestOrigins:
    @pytest.mark.parametrize("origin", [ORIGIN, "http://127.0.0.1:3000", "http://[::1]", "https://app.localhost:5173"])
    def test_pages_of_this_machine_may_ask(self, emulator: EmulatorProcess, origin: str) -> None:
        answer = requests.get(f"{emulator.url}/v1/environment", headers={"Origin": origin}, timeout=5)
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "https://localhost.evil.example"},
            {"Origin": "http://127.0.0.1.evil.example"},
            {"Origin": "null"},
            {"Origin": ""},
            {"Host": "evil.example"},
            {"Host": "evil.example:5555"},
        ],
    )
    def test_others_may_not(self, emulator: EmulatorProcess, email: str, headers: dict[str, str]) -> None:
        """The code is known to all: a page of somebody else's could sign in as anybody."""
        form = {"email_address": email}
        answer = requests.post(f"{emulator.url}/v1/client/sign_ups", data=form, headers=headers, timeout=5)
        assert refusal(answer) == (403, "origin_invalid")
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Set-Cookie" not in answer.headers

    def test_refusals_can_be_read(self, emulator: EmulatorProcess) -> None:
        for path in ("/v1/me", "/v1/client/unknown"):
            answer = requests.get(emulator.url + path, headers={"Origin": ORIGIN}, timeout=5)
            assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
            refusal(answer)

    def test_preflight(self, emulator: EmulatorProcess) -> None:
        headers = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = requests.options(f"{emulator.url}/v1/client/sign_ups", headers=headers, timeout=5)
        assert answer.ok
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization"

    def test_backend_api_is_not_for_pages(self, emulator: EmulatorProcess) -> None:
        for path in ("/v1/users", "/v1/sessions/sess_1", "/emulator/messages"):
            answer = emulator.request("GET", path, headers={"Origin": ORIGIN})
            assert "Access-Control-Allow-Origin" not in answer.headers


class TestForm:
    @pytest.mark.usefixtures("session")
    def test_method_comes_in_the_query(self, browser: Browser) -> None:
        assert browser.call("PATCH", "/me", {"first_name": "Ada"})["response"]["first_name"] == "Ada"
        for method in ("GET", "TRACE", "patch", "X"):
            answer = browser.send("POST", "/me", {"first_name": "Grace"}, _method=method)
            assert answer.status_code == 405, method

    @pytest.mark.parametrize(
        "options",
        [
            {"data": b"\xff\xfe=%ff"},
            {"json": {"email_address": "a@example.com"}},
            {"files": {"email_address": b"a@example.com"}},
            {"data": b"", "headers": {"Content-Type": "multipart/form-data"}},
        ],
    )
    def test_rubbish_is_no_trouble(self, emulator: EmulatorProcess, browser: Browser, options: dict[str, Any]) -> None:
        for path in ("/v1/client/sign_ups", "/v1/client/sign_ins", "/v1/client/sessions/x/touch"):
            query = {"__clerk_db_jwt": browser.token}
            answer = requests.post(emulator.url + path, params=query, timeout=5, **options)
            assert answer.status_code < 500


def test_environment_describes_the_form(browser: Browser) -> None:
    environment = browser.call("GET", "/environment")
    assert environment["auth_config"]["single_session_mode"] is True
    settings = environment["user_settings"]
    on = {name for name, attribute in settings["attributes"].items() if attribute["enabled"]}
    assert on == {"email_address", "password", "first_name", "last_name"}
    assert settings["sign_up"]["captcha_enabled"] is False
    assert settings["password_settings"]["min_length"] == 8
    # The browser would ask another host otherwise.
    assert settings["password_settings"]["disable_hibp"] is True
    assert settings["password_settings"]["show_zxcvbn"] is False
    assert settings["actions"]["delete_self"] is True
    assert browser.call("PATCH", "/environment", {"action": "touch"}) == environment
