"""Signing up at the Frontend API, and what the application hears of it."""

import pytest

from .browser import CODE, ORIGIN, PASSWORD, Browser, claims, sent_codes, told
from .harness import EmulatorProcess, Receiver

SIGN_UPS = "/client/sign_ups"
TAKEN = (422, "form_identifier_exists")


def _attempt(browser: Browser, path: str) -> tuple[int, str]:
    return browser.refusal("POST", f"{path}/attempt_verification", {"code": CODE})


class TestSignUp:
    def test_code_makes_user_and_session(
        self, emulator: EmulatorProcess, browser: Browser, email: str, heard: Receiver
    ) -> None:
        form = {"email_address": email.upper(), "password": PASSWORD, "first_name": "Ada", "last_name": ""}
        begun = browser.call("POST", SIGN_UPS, form)
        sign_up = begun["response"]
        assert begun["client"]["sign_up"] == sign_up
        assert (sign_up["status"], sign_up["email_address"]) == ("missing_requirements", email)
        assert (sign_up["missing_fields"], sign_up["unverified_fields"]) == ([], ["email_address"])
        # Clerk's form believes that a code was sent as soon as a strategy stands here.
        verification = sign_up["verifications"]["email_address"]
        assert (verification["strategy"], verification["next_action"]) == (None, "needs_prepare")

        path = f"{SIGN_UPS}/{sign_up['id']}"
        prepared = browser.call("POST", f"{path}/prepare_verification", {"strategy": "email_code"})
        verification = prepared["response"]["verifications"]["email_address"]
        assert (verification["strategy"], verification["next_action"]) == ("email_code", "needs_attempt")
        [mail] = sent_codes(heard, email)
        assert (mail["slug"], mail["data"]["otp_code"]) == ("verification_code", CODE)

        done = browser.call("POST", f"{path}/attempt_verification", {"code": CODE})
        assert done["response"]["status"] == "complete"
        [session] = done["client"]["sessions"]
        assert done["client"]["sign_up"] is None
        assert done["client"]["last_active_session_id"] == session["id"]
        assert done["response"]["created_session_id"] == session["id"]
        assert done["response"]["created_user_id"] == session["user"]["id"]
        user = session["user"]
        assert (user["first_name"], user["last_name"], user["password_enabled"]) == ("Ada", None, True)
        assert user["password_last_updated_at"] >= user["created_at"] - 1_000
        [address] = user["email_addresses"]
        assert (address["email_address"], address["verification"]["strategy"]) == (email, "email_code")
        assert user["primary_email_address_id"] == address["id"]
        assert "private_metadata" not in user
        token = claims(emulator, session["last_active_token"]["jwt"])
        assert (token["sub"], token["sid"], token["azp"]) == (user["id"], session["id"], ORIGIN)

        created, *_ = deliveries = told(heard, user["id"], "user.created", "session.created", "user.updated")
        for delivery in deliveries:
            assert delivery.is_genuine(emulator.keys["CLERK_WEBHOOK_SECRET"])
        [address] = created.event["data"]["email_addresses"]
        assert address["verification"]["status"] == "verified"

        # It is over when it is done, and the browser has its one session.
        for step in ("prepare_verification", "attempt_verification"):
            assert browser.refusal("POST", f"{path}/{step}", {"code": CODE})[0] == 403
        assert browser.call("GET", path)["response"]["status"] == "complete"
        assert browser.client()["last_authentication_strategy"] == "email_code"
        another = browser.refusal("POST", SIGN_UPS, {"email_address": f"other-{email}"})
        assert another == (400, "session_exists")

    def test_step_by_step_and_by_code_alone(self, browser: Browser, email: str) -> None:
        path = browser.begin_sign_up(first_name="Ada")
        assert browser.call("GET", path)["response"]["missing_fields"] == ["email_address"]
        assert browser.refusal("POST", f"{path}/prepare_verification")[0] == 422
        browser.call("PATCH", path, {"email_address": email, "unsafe_metadata": '{"from": "a link"}'})
        browser.call("POST", f"{path}/prepare_verification")
        done = browser.call("POST", f"{path}/attempt_verification", {"code": CODE})
        user = done["client"]["sessions"][0]["user"]
        assert (user["first_name"], user["unsafe_metadata"]) == ("Ada", {"from": "a link"})
        assert user["password_enabled"] is False

    def test_another_address_is_proved_anew(self, browser: Browser, email: str) -> None:
        path = browser.begin_sign_up(email_address=f"first-{email}")
        browser.call("PATCH", path, {"email_address": email})
        assert _attempt(browser, path) == (400, "verification_missing")

    def test_wrong_codes_are_counted_and_do_no_harm(self, browser: Browser, email: str) -> None:
        path = browser.begin_sign_up(email_address=email, password=PASSWORD)
        for attempts, code in enumerate(("000000", "", "4242420"), 1):
            refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": code})
            assert refusal == (422, "form_code_incorrect")
            verification = browser.call("GET", path)["response"]["verifications"]["email_address"]
            assert (verification["attempts"], verification["status"]) == (attempts, "unverified")
        assert browser.client()["sessions"] == []
        browser.call("POST", f"{path}/attempt_verification", {"code": CODE})
        assert len(browser.client()["sessions"]) == 1

    def test_other_ways_to_prove_it_are_refused(self, browser: Browser, email: str) -> None:
        path = browser.begin_sign_up(email_address=email)
        for step in ("prepare_verification", "attempt_verification"):
            refusal = browser.refusal("POST", f"{path}/{step}", {"strategy": "email_link", "code": CODE})
            assert refusal == (422, "form_param_value_invalid")

    def test_longest_password(self, browser: Browser, email: str) -> None:
        browser.sign_up(email, password="x" * 72)
        browser.sign_out()
        browser.sign_in(email, "x" * 72)


class TestRefusals:
    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({"email_address": "no address"}, "form_param_format_invalid"),
            ({"email_address": "a@example.com", "password": "short"}, "form_password_length_too_short"),
            ({"email_address": "a@example.com", "password": "x" * 73}, "form_param_max_length_exceeded"),
            ({"unsafe_metadata": "{"}, "form_param_format_invalid"),
            ({"unsafe_metadata": '["no object"]'}, "form_param_format_invalid"),
            ({"unsafe_metadata": '{"n": 1e999}'}, "form_param_format_invalid"),
            ({"unsafe_metadata": '{"deep":' + "[" * 5_000 + "]" * 5_000 + "}"}, "form_param_format_invalid"),
            ({"username": "no spaces"}, "form_param_format_invalid"),
            ({"email_address": "a@b"}, "form_param_format_invalid"),
            ({"email_address": "a\0b@example.com"}, "form_param_format_invalid"),
            ({"first_name": "A\nB"}, "form_param_format_invalid"),
            ({"strategy": "oauth_google"}, "form_param_value_invalid"),
            ({"strategy": "ticket"}, "form_param_value_invalid"),
            ({"phone_number": "+15555550100"}, "form_param_value_invalid"),
            ({"transfer": "true"}, "form_param_value_invalid"),
        ],
    )
    def test_bad_values(self, browser: Browser, form: dict[str, str], code: str) -> None:
        assert browser.refusal("POST", SIGN_UPS, form) == (422, code)

    def test_address_that_is_taken_or_was_meanwhile(
        self, emulator: EmulatorProcess, browser: Browser, email: str
    ) -> None:
        path = browser.begin_sign_up(email_address=email)
        emulator.create_user(email)
        answer = browser.send("POST", f"{path}/attempt_verification", {"code": CODE})
        assert "meta" not in answer.json()["errors"][0]  # Clerk's screen for the code would show nothing
        assert _attempt(browser, path) == TAKEN
        assert browser.client()["sessions"] == []
        assert browser.refusal("POST", SIGN_UPS, {"email_address": email.upper()}) == TAKEN
        path = browser.begin_sign_up(email_address=f"free-{email}")
        assert browser.refusal("PATCH", path, {"email_address": email}) == TAKEN

    def test_signed_in_meanwhile(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        """Two tabs of one browser."""
        path = browser.begin_sign_up(email_address=email)
        emulator.create_user(f"other-{email}", password=PASSWORD)
        browser.sign_in(f"other-{email}")
        assert _attempt(browser, path) == (400, "session_exists")
        assert emulator.call("GET", "/v1/users", params={"email_address": email}) == []

    def test_other_browsers_sign_up(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        path = browser.begin_sign_up(email_address=email)
        with Browser(emulator) as other:
            for method, step in (
                ("GET", ""),
                ("PATCH", ""),
                ("POST", "/prepare_verification"),
                ("POST", "/attempt_verification"),
            ):
                refusal = other.refusal(method, path + step, {"code": CODE})
                assert refusal == (404, "resource_not_found")
