"""Signing in at the Frontend API by password, by code, with a forgotten password; by ticket: test_tickets."""

import pytest

from .browser import CODE, PASSWORD, SIGN_INS, Browser, sent_codes, told
from .harness import EmulatorProcess, Receiver

BY_PASSWORD = {"strategy": "password", "password": PASSWORD}
BY_CODE = {"strategy": "email_code", "code": CODE}
RESET_CODE = {"strategy": "reset_password_email_code", "code": CODE}
NEW = "difference engine"
NOT_FOUND = (404, "resource_not_found")
UNKNOWN = (422, "form_identifier_not_found")


class TestPassword:
    def test_in_one_request(self, browser: Browser, email: str, user_id: str, heard: Receiver) -> None:
        answer = browser.call("POST", SIGN_INS, {"identifier": email.upper(), **BY_PASSWORD})
        [session] = answer["client"]["sessions"]
        assert (answer["response"]["status"], session["user"]["id"]) == ("complete", user_id)
        assert answer["response"]["created_session_id"] == session["id"]
        assert answer["client"]["sign_in"] is None
        events = told(heard, user_id, "user.created", "session.created", "user.updated")
        assert events[1].event["data"]["id"] == session["id"]

    def test_in_two_requests_and_no_third(self, browser: Browser, email: str, user_id: str) -> None:
        path = browser.begin_sign_in(email)
        sign_in = browser.call("GET", path)["response"]
        assert [factor["strategy"] for factor in sign_in["supported_first_factors"]] == [
            "password",
            "email_code",
            "reset_password_email_code",
        ]
        assert sign_in["user_data"]["identifier"] == email
        answer = browser.call("POST", f"{path}/attempt_first_factor", BY_PASSWORD)
        assert answer["client"]["sessions"][0]["user"]["id"] == user_id
        done = answer["response"]
        assert (done["status"], done["first_factor_verification"]["strategy"]) == ("complete", "password")
        assert done["first_factor_verification"]["status"] == "verified"
        browser.sign_out()
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", BY_PASSWORD)
        assert refusal == (403, "sign_in_forbidden")

    def test_spelling_of_the_address(self, browser: Browser, email: str) -> None:
        """Also of letters that SQLite's own lower() does not know."""
        browser.sign_up(f"É{email}")
        browser.sign_out()
        assert browser.call("GET", "/client")["client"]["sessions"] == []
        browser.sign_in(f"  É{email.upper()} ")
        assert browser.client()["last_authentication_strategy"] == "password"

    def test_by_username(self, browser: Browser, email: str, user_id: str) -> None:
        assert browser.sign_in(email[:12])["user"]["id"] == user_id

    @pytest.mark.usefixtures("user_id")
    def test_wrong(self, browser: Browser, email: str) -> None:
        for password in ("wrong password", PASSWORD.upper(), " "):
            refusal = browser.refusal("POST", SIGN_INS, {"identifier": email, "password": password})
            assert refusal == (422, "form_password_incorrect")
        assert browser.client()["sessions"] == []

    def test_user_without_one(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        emulator.create_user(email)
        path = browser.begin_sign_in(email)
        factors = browser.call("GET", path)["response"]["supported_first_factors"]
        assert "password" not in {factor["strategy"] for factor in factors}
        refusal = browser.refusal("POST", f"{path}/attempt_first_factor", BY_PASSWORD)
        assert refusal == (422, "strategy_for_user_invalid")


@pytest.mark.usefixtures("user_id")
class TestCode:
    def test_right_one_signs_in(self, browser: Browser, email: str, heard: Receiver) -> None:
        path = browser.begin_sign_in(email)
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "email_code"})
        wrong = browser.refusal("POST", f"{path}/attempt_first_factor", BY_CODE | {"code": "000000"})
        assert wrong == (422, "form_code_incorrect")
        assert browser.client()["sessions"] == []
        answer = browser.call("POST", f"{path}/attempt_first_factor", BY_CODE)
        assert answer["response"]["first_factor_verification"]["status"] == "verified"
        assert len(answer["client"]["sessions"]) == 1
        [mail] = sent_codes(heard, email)
        assert (mail["slug"], mail["data"]["otp_code"]) == ("verification_code", CODE)

    def test_sent_with_the_identifier(self, browser: Browser, email: str) -> None:
        answer = browser.call("POST", SIGN_INS, {"identifier": email, "strategy": "email_code"})
        path = f"{SIGN_INS}/{answer['response']['id']}/attempt_first_factor"
        browser.call("POST", path, BY_CODE)
        assert len(browser.client()["sessions"]) == 1

    def test_goes_to_the_address_that_was_given(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str, heard: Receiver
    ) -> None:
        body = {"user_id": user_id, "email_address": f"second-{email}", "verified": True}
        second = emulator.call("POST", "/v1/email_addresses", json=body)
        path = browser.begin_sign_in(f"second-{email}")
        factors = browser.call("GET", path)["response"]["supported_first_factors"]
        codes = [factor for factor in factors if factor["strategy"] == "email_code"]
        shown = [(to["safe_identifier"], to["primary"]) for to in codes]
        assert shown == [(email, True), (f"second-{email}", False)]
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "email_code"})
        [mail] = sent_codes(heard, f"second-{email}")
        assert mail["email_address_id"] == second["id"]
        form = {"strategy": "email_code", "email_address_id": codes[0]["email_address_id"]}
        browser.call("POST", f"{path}/prepare_first_factor", form)
        assert len(sent_codes(heard, email)) == 1
        form["email_address_id"] = emulator.create_user(f"o-{email}")["primary_email_address_id"]
        refusal = browser.refusal("POST", f"{path}/prepare_first_factor", form)
        assert refusal == (422, "strategy_for_user_invalid")

    def test_that_was_never_sent_or_for_something_else(self, browser: Browser, email: str) -> None:
        """A code for a new password signs nobody in by itself."""
        path = browser.begin_sign_in(email)
        never_sent = (400, "verification_missing")
        for form in (BY_CODE, RESET_CODE):
            assert browser.refusal("POST", f"{path}/attempt_first_factor", form) == never_sent
        browser.call("POST", f"{path}/prepare_first_factor", {"strategy": "reset_password_email_code"})
        assert browser.refusal("POST", f"{path}/attempt_first_factor", BY_CODE) == never_sent

    def test_strategy_that_is_not_emulated(self, browser: Browser, email: str) -> None:
        path = browser.begin_sign_in(email)
        for strategy in ("oauth_google", "phone_code", "passkey"):
            refusal = browser.refusal("POST", f"{path}/prepare_first_factor", {"strategy": strategy})
            assert refusal == (422, "strategy_for_user_invalid")
        refusal = browser.refusal("POST", SIGN_INS, {"strategy": "oauth_google"})
        assert refusal == (422, "form_param_value_invalid")


@pytest.mark.usefixtures("user_id")
class TestForgottenPassword:
    def _verified(self, browser: Browser, email: str) -> str:
        path = browser.begin_sign_in(email)
        browser.call("POST", f"{path}/prepare_first_factor", RESET_CODE)
        answer = browser.call("POST", f"{path}/attempt_first_factor", RESET_CODE)
        assert (answer["response"]["status"], answer["client"]["sessions"]) == ("needs_new_password", [])
        return path

    def test_new_one_signs_in(self, emulator: EmulatorProcess, browser: Browser, email: str, heard: Receiver) -> None:
        with Browser(emulator) as elsewhere:
            elsewhere.sign_in(email)
            path = self._verified(browser, email)
            assert [mail["slug"] for mail in sent_codes(heard, email)] == ["reset_password_code"]
            browser.call("POST", f"{path}/reset_password", {"password": NEW})
            assert len(browser.client()["sessions"]) == 1
            assert elsewhere.client()["sessions"] == []
            refusal = elsewhere.refusal("POST", SIGN_INS, {"identifier": email, "password": PASSWORD})
            assert refusal == (422, "form_password_incorrect")
            elsewhere.sign_in(email, NEW)

    def test_others_may_stay_signed_in(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        with Browser(emulator) as elsewhere:
            elsewhere.sign_in(email)
            form = {"password": NEW, "sign_out_of_other_sessions": "false"}
            browser.call("POST", f"{self._verified(browser, email)}/reset_password", form)
            assert len(elsewhere.client()["sessions"]) == 1

    def test_code_comes_first_and_is_not_enough(self, browser: Browser, email: str) -> None:
        """Nothing but the new password leads on: the old one, and other codes, sign nobody in."""
        early = browser.refusal("POST", f"{browser.begin_sign_in(email)}/reset_password", {"password": NEW})
        assert early == (400, "verification_missing")
        path = self._verified(browser, email)
        assert browser.refusal("POST", f"{path}/prepare_first_factor", BY_CODE)[0] == 422
        for form in (BY_CODE, BY_PASSWORD):
            assert browser.refusal("POST", f"{path}/attempt_first_factor", form)[0] == 422
        refusal = browser.refusal("POST", f"{path}/reset_password", {"password": "short"})
        assert refusal == (422, "form_password_length_too_short")
        assert browser.client()["sessions"] == []


class TestNobody:
    def test_unknown(self, browser: Browser) -> None:
        for identifier in ("nobody@example.com", "nobody", "%", "' OR 1=1 --"):
            assert browser.refusal("POST", SIGN_INS, {"identifier": identifier}) == UNKNOWN

    @pytest.mark.usefixtures("session")
    def test_address_that_was_not_proved(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        added = browser.call("POST", "/me/email_addresses", {"email_address": f"second-{email}"})["response"]
        browser.call("POST", f"/me/email_addresses/{added['id']}/prepare_verification")
        with Browser(emulator) as other:
            assert other.refusal("POST", SIGN_INS, {"identifier": f"second-{email}"}) == UNKNOWN

    def test_nobody_yet(self, browser: Browser) -> None:
        answer = browser.call("POST", SIGN_INS)
        assert answer["response"]["status"] == "needs_identifier"
        path = f"{SIGN_INS}/{answer['response']['id']}"
        assert browser.refusal("POST", f"{path}/attempt_first_factor", BY_PASSWORD)[0] == 422

    @pytest.mark.parametrize(("action", "code"), [("ban", "user_banned"), ("lock", "user_locked")])
    def test_kept_out_at_each_step(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str, action: str, code: str
    ) -> None:
        begun = browser.begin_sign_in(email)
        emulator.call("POST", f"/v1/users/{user_id}/{action}")
        identifier = {"identifier": email}
        steps = [(f"{begun}/attempt_first_factor", BY_PASSWORD), (SIGN_INS, identifier | BY_PASSWORD)]
        if action == "ban":
            steps.append((SIGN_INS, identifier))
        for path, form in steps:
            assert browser.refusal("POST", path, form) == (403, code)
        assert browser.client()["sessions"] == []

    def test_deleted_half_way(self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str) -> None:
        path = browser.begin_sign_in(email)
        emulator.call("DELETE", f"/v1/users/{user_id}")
        assert browser.client()["sign_in"] is None
        assert browser.refusal("POST", f"{path}/attempt_first_factor", BY_PASSWORD) == NOT_FOUND

    @pytest.mark.usefixtures("user_id")
    def test_other_browsers_sign_in(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        path = browser.begin_sign_in(email)
        with Browser(emulator) as other:
            assert other.refusal("POST", f"{path}/attempt_first_factor", BY_PASSWORD) == NOT_FOUND
            assert other.client()["sessions"] == []
