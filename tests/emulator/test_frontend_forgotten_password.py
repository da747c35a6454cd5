"""Signing in with a password that was forgotten: a code, a new password, a session."""

from http import HTTPStatus

import pytest

from .browser import CODE, PASSWORD, SIGN_INS, Browser, sent_codes
from .harness import EmulatorProcess, Receiver

UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.usefixtures("user_id")
class TestForgottenPassword:
    def test_mail_says_what_it_is_for(self, browser: Browser, email: str, heard: Receiver) -> None:
        self._verified(browser, email)
        assert [mail["slug"] for mail in sent_codes(heard, email)] == ["reset_password_code"]

    def _verified(self, browser: Browser, email: str) -> str:
        path = browser.begin_sign_in(email)
        form = {"strategy": "reset_password_email_code", "code": CODE}
        browser.call("POST", f"{path}/prepare_first_factor", form)
        answer = browser.call("POST", f"{path}/attempt_first_factor", form)
        assert (answer["response"]["status"], answer["client"]["sessions"]) == ("needs_new_password", [])
        return path

    def test_new_one_signs_in(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        with Browser(emulator) as elsewhere:
            elsewhere.sign_in(email)
            path = self._verified(browser, email)
            browser.call("POST", f"{path}/reset_password", {"password": "difference engine"})
            assert len(browser.client()["sessions"]) == 1
            assert elsewhere.client()["sessions"] == []
            refusal = elsewhere.refusal("POST", SIGN_INS, {"identifier": email, "password": PASSWORD})
            assert refusal == (UNPROCESSABLE, "form_password_incorrect")
            elsewhere.sign_in(email, "difference engine")

    def test_others_may_stay_signed_in(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        with Browser(emulator) as elsewhere:
            elsewhere.sign_in(email)
            form = {"password": "difference engine", "sign_out_of_other_sessions": "false"}
            browser.call("POST", f"{self._verified(browser, email)}/reset_password", form)
            assert len(elsewhere.client()["sessions"]) == 1

    def test_code_comes_first(self, browser: Browser, email: str) -> None:
        form = {"password": "difference engine"}
        refusal = browser.refusal("POST", f"{browser.begin_sign_in(email)}/reset_password", form)
        assert refusal == (HTTPStatus.BAD_REQUEST, "verification_missing")

    def test_code_is_not_enough(self, browser: Browser, email: str) -> None:
        """Nothing but the new password leads on: the old one, and other codes, sign nobody in."""
        path = self._verified(browser, email)
        code = {"strategy": "email_code", "code": CODE}
        assert browser.refusal("POST", f"{path}/prepare_first_factor", code)[0] == UNPROCESSABLE
        for form in (code, {"strategy": "password", "password": PASSWORD}):
            assert browser.refusal("POST", f"{path}/attempt_first_factor", form)[0] == UNPROCESSABLE
        refusal = browser.refusal("POST", f"{path}/reset_password", {"password": "short"})
        assert refusal == (UNPROCESSABLE, "form_password_length_too_short")
        assert browser.client()["sessions"] == []
