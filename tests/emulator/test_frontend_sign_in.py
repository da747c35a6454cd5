"""Signing in at the Frontend API by password and by code; by ticket is in test_tickets."""

from http import HTTPStatus

import pytest

from .browser import CODE, PASSWORD, SIGN_INS, Browser, sent_codes, told
from .harness import EmulatorProcess, Receiver

UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY


class TestPassword:
    def test_in_one_request(self, browser: Browser, email: str, user_id: str) -> None:
        form = {"identifier": email.upper(), "password": PASSWORD, "strategy": "password"}
        answer = browser.call("POST", SIGN_INS, form)
        [session] = answer["client"]["sessions"]
        assert (answer["response"]["status"], session["user"]["id"]) == ("complete", user_id)
        assert answer["response"]["created_session_id"] == session["id"]
        assert answer["client"]["sign_in"] is None

    def test_in_two_requests(self, browser: Browser, email: str, user_id: str) -> None:
        path = browser.begin_sign_in(email)
        sign_in = browser.call("GET", path)["response"]
        assert [factor["strategy"] for factor in sign_in["supported_first_factors"]] == [
            "password",
            "email_code",
            "reset_password_email_code",
        ]
        assert sign_in["user_data"]["identifier"] == email
        form = {"strategy": "password", "password": PASSWORD}
        answer = browser.call("POST", f"{path}/attempt_first_factor", form)
        assert answer["client"]["sessions"][0]["user"]["id"] == user_id

    def test_spelling_of_the_address(self, browser: Browser, email: str) -> None:
        """Also of letters that SQLite's own lower() does not know."""
        browser.sign_up(f"É{email}")
        browser.sign_out()
        assert browser.call("GET", "/client")["client"]["sessions"] == []
        browser.sign_in(f"  É{email.upper()} ")
        assert browser.client()["last_authentication_strategy"] == "password"

    def test_by_username(self, browser: Browser, email: str, user_id: str) -> None:
        assert browser.sign_in(email[:12])["user"]["id"] == user_id

    def test_tells_the_application(self, browser: Browser, email: str, user_id: str, heard: Receiver) -> None:
        session = browser.sign_in(email)
        events = told(heard, user_id, "user.created", "session.created", "user.updated")
        assert events[1].event["data"]["id"] == session["id"]

    @pytest.mark.usefixtures("user_id")
    @pytest.mark.parametrize("password", ["wrong password", PASSWORD.upper(), " "])
    def test_wrong(self, browser: Browser, email: str, password: str) -> None:
        refusal = browser.refusal("POST", SIGN_INS, {"identifier": email, "password": password})
        assert refusal == (UNPROCESSABLE, "form_password_incorrect")
        assert browser.client()["sessions"] == []

    def test_user_without_one(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        emulator.create_user(email)
        path = browser.begin_sign_in(email)
        factors = browser.call("GET", path)["response"]["supported_first_factors"]
        assert "password" not in {factor["strategy"] for factor in factors}
        form = {"strategy": "password", "password": PASSWORD}
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", form)
        assert refusal == (UNPROCESSABLE, "strategy_for_user_invalid")


@pytest.mark.usefixtures("user_id")
class TestCode:
    def test_right_one_signs_in(self, browser: Browser, email: str, heard: Receiver) -> None:
        path = browser.begin_sign_in(email)
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "email_code"})
        form = {"strategy": "email_code", "code": CODE}
        answer = browser.call("POST", f"{path}/attempt_first_factor", form)
        assert answer["response"]["first_factor_verification"]["status"] == "verified"
        assert len(answer["client"]["sessions"]) == 1
        [mail] = sent_codes(heard, email)
        assert (mail["slug"], mail["data"]["otp_code"]) == ("verification_code", CODE)

    def test_sent_with_the_identifier(self, browser: Browser, email: str) -> None:
        answer = browser.call("POST", SIGN_INS, {"identifier": email, "strategy": "email_code"})
        path = f"{SIGN_INS}/{answer['response']['id']}/attempt_first_factor"
        browser.call("POST", path, {"strategy": "email_code", "code": CODE})
        assert len(browser.client()["sessions"]) == 1

    def test_goes_to_the_address_that_was_given(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str, heard: Receiver
    ) -> None:
        body = {"user_id": user_id, "email_address": f"second-{email}", "verified": True}
        second = emulator.call("POST", "/v1/email_addresses", json=body)
        path = browser.begin_sign_in(f"second-{email}")
        factors = browser.call("GET", path)["response"]["supported_first_factors"]
        codes = [factor for factor in factors if factor["strategy"] == "email_code"]
        assert [(to["safe_identifier"], to["primary"]) for to in codes] == [
            (email, True),
            (f"second-{email}", False),
        ]
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "email_code"})
        [mail] = sent_codes(heard, f"second-{email}")
        assert mail["email_address_id"] == second["id"]
        form = {"strategy": "email_code", "email_address_id": codes[0]["email_address_id"]}
        browser.call("POST", f"{path}/prepare_first_factor", form)
        assert len(sent_codes(heard, email)) == 1
        form["email_address_id"] = emulator.create_user(f"o-{email}")["primary_email_address_id"]
        refusal = browser.refusal("POST", f"{path}/prepare_first_factor", form)
        assert refusal == (UNPROCESSABLE, "strategy_for_user_invalid")

    def test_wrong_one(self, browser: Browser, email: str) -> None:
        path = browser.begin_sign_in(email)
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "email_code"})
        form = {"strategy": "email_code", "code": "000000"}
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", form)
        assert refusal == (UNPROCESSABLE, "form_code_incorrect")
        assert browser.client()["sessions"] == []

    @pytest.mark.parametrize("strategy", ["email_code", "reset_password_email_code"])
    def test_that_was_never_sent(self, browser: Browser, email: str, strategy: str) -> None:
        path = browser.begin_sign_in(email)
        form = {"strategy": strategy, "code": CODE}
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", form)
        assert refusal == (HTTPStatus.BAD_REQUEST, "verification_missing")

    def test_sent_for_something_else(self, browser: Browser, email: str) -> None:
        """A code for a new password signs nobody in by itself."""
        path = browser.begin_sign_in(email)
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "reset_password_email_code"})
        form = {"strategy": "email_code", "code": CODE}
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", form)
        assert refusal == (HTTPStatus.BAD_REQUEST, "verification_missing")

    @pytest.mark.parametrize("strategy", ["oauth_google", "phone_code", "passkey"])
    def test_strategy_that_is_not_emulated(self, browser: Browser, email: str, strategy: str) -> None:
        path = browser.begin_sign_in(email)
        refusal = browser.refusal("POST", f"{path}/prepare_first_factor", {"strategy": strategy})
        assert refusal == (UNPROCESSABLE, "strategy_for_user_invalid")


class TestNobody:
    @pytest.mark.parametrize("identifier", ["nobody@example.com", "nobody", "%", "' OR 1=1 --"])
    def test_unknown(self, browser: Browser, identifier: str) -> None:
        refusal = browser.refusal("POST", SIGN_INS, {"identifier": identifier})
        assert refusal == (UNPROCESSABLE, "form_identifier_not_found")

    def test_address_that_was_not_proved(
        self, emulator: EmulatorProcess, browser: Browser, email: str
    ) -> None:
        with Browser(emulator) as owner:
            owner.sign_up(email)
            owner.call("POST", "/me/email_addresses", {"email_address": f"second-{email}"})
            added = owner.call("GET", "/me/email_addresses")["response"][1]
            owner.call("POST", f"/me/email_addresses/{added['id']}/prepare_verification")
        refusal = browser.refusal("POST", SIGN_INS, {"identifier": f"second-{email}"})
        assert refusal == (UNPROCESSABLE, "form_identifier_not_found")

    def test_nobody_yet(self, browser: Browser) -> None:
        answer = browser.call("POST", SIGN_INS)
        assert answer["response"]["status"] == "needs_identifier"
        path = f"{SIGN_INS}/{answer['response']['id']}"
        form = {"strategy": "password", "password": PASSWORD}
        assert browser.refusal("POST", f"{path}/attempt_first_factor", form)[0] == UNPROCESSABLE

    @pytest.mark.parametrize(("action", "code"), [("ban", "user_banned"), ("lock", "user_locked")])
    def test_kept_out(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str, action: str, code: str
    ) -> None:
        emulator.call("POST", f"/v1/users/{user_id}/{action}")
        refusal = browser.refusal("POST", SIGN_INS, {"identifier": email, "password": PASSWORD})
        assert refusal == (HTTPStatus.FORBIDDEN, code)
        assert browser.client()["sessions"] == []

    def test_kept_out_half_way(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str
    ) -> None:
        path = browser.begin_sign_in(email)
        emulator.call("POST", f"/v1/users/{user_id}/ban")
        form = {"strategy": "password", "password": PASSWORD}
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", form)
        assert refusal == (HTTPStatus.FORBIDDEN, "user_banned")

    def test_kept_out_before_any_proof(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str
    ) -> None:
        emulator.call("POST", f"/v1/users/{user_id}/ban")
        refusal = browser.refusal("POST", SIGN_INS, {"identifier": email})
        assert refusal == (HTTPStatus.FORBIDDEN, "user_banned")

    def test_over_is_over(self, browser: Browser, email: str, user_id: str) -> None:
        del user_id
        path = browser.begin_sign_in(email)
        form = {"strategy": "password", "password": PASSWORD}
        done = browser.call("POST", f"{path}/attempt_first_factor", form)["response"]
        assert (done["status"], done["first_factor_verification"]["strategy"]) == ("complete", "password")
        assert done["first_factor_verification"]["status"] == "verified"
        browser.sign_out()
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", form)
        assert refusal == (HTTPStatus.FORBIDDEN, "sign_in_forbidden")

    def test_strategy_that_is_not_emulated(self, browser: Browser) -> None:
        refusal = browser.refusal("POST", SIGN_INS, {"strategy": "oauth_google"})
        assert refusal == (UNPROCESSABLE, "form_param_value_invalid")

    def test_deleted_half_way(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str
    ) -> None:
        path = browser.begin_sign_in(email)
        emulator.call("DELETE", f"/v1/users/{user_id}")
        assert browser.client()["sign_in"] is None
        form = {"strategy": "password", "password": PASSWORD}
        assert browser.refusal("POST", f"{path}/attempt_first_factor", form)[0] == HTTPStatus.NOT_FOUND

    def test_other_browsers_sign_in(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str
    ) -> None:
        del user_id
        path = browser.begin_sign_in(email)
        form = {"strategy": "password", "password": PASSWORD}
        with Browser(emulator) as other:
            refusal = other.refusal("POST", f"{path}/attempt_first_factor", form)
            assert refusal == (HTTPStatus.NOT_FOUND, "resource_not_found")
            assert other.client()["sessions"] == []
