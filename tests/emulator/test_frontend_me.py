"""What a user does to their own account at the Frontend API."""

from http import HTTPStatus

import pytest

from .browser import CODE, PASSWORD, Browser, Json, sent_codes, told
from .harness import EmulatorProcess, Receiver

UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
SIGNED_UP = ("user.created", "session.created", "user.updated")


class TestAnonymous:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/me"),
            ("PATCH", "/me"),
            ("DELETE", "/me"),
            ("PATCH", "/me/metadata"),
            ("POST", "/me/change_password"),
            ("POST", "/me/remove_password"),
            ("GET", "/me/sessions/active"),
            ("POST", "/me/sessions/sess_1/revoke"),
            ("GET", "/me/email_addresses"),
            ("POST", "/me/email_addresses"),
            ("DELETE", "/me/email_addresses/idn_1"),
            ("POST", "/me/email_addresses/idn_1/prepare_verification"),
            ("POST", "/me/email_addresses/idn_1/attempt_verification"),
        ],
    )
    def test_is_signed_out(self, emulator: EmulatorProcess, browser: Browser, method: str, path: str) -> None:
        form = {"email_address": "a@example.com", "new_password": PASSWORD, "current_password": PASSWORD}
        assert browser.refusal(method, path, form) == (HTTPStatus.UNAUTHORIZED, "signed_out")
        with Browser(emulator, by_cookie=True) as stranger:
            assert stranger.refusal(method, path, form) == (HTTPStatus.UNAUTHORIZED, "signed_out")


class TestProfile:
    def test_edit_arrives(self, browser: Browser, user: Json, heard: Receiver) -> None:
        form = {"first_name": "Ada", "last_name": "Lovelace", "username": f"u{user['id'][-12:]}"}
        answer = browser.call("PATCH", "/me", form)
        assert {name: answer["response"][name] for name in form} == form
        assert answer["client"]["sessions"][0]["user"]["first_name"] == "Ada"
        events = told(heard, user["id"], *SIGNED_UP, "user.updated")
        assert events[-1].event["data"]["last_name"] == "Lovelace"

    def test_empty_takes_away(self, browser: Browser, user: Json) -> None:
        del user
        browser.call("PATCH", "/me", {"first_name": "Ada"})
        assert browser.call("PATCH", "/me", {"first_name": ""})["response"]["first_name"] is None

    def test_nothing_sends_nothing(self, browser: Browser, user: Json, heard: Receiver) -> None:
        browser.call("PATCH", "/me", {"unknown": "ignored"})
        browser.call("PATCH", "/me", {"first_name": "Ada"})
        browser.call("PATCH", "/me", {"first_name": "Ada"})
        browser.call("PATCH", "/me/metadata", {"unsafe_metadata": "{}"})
        told(heard, user["id"], *SIGNED_UP, "user.updated")

    def test_metadata_is_merged(self, browser: Browser, user: Json) -> None:
        del user
        browser.call("PATCH", "/me/metadata", {"unsafe_metadata": '{"a": {"b": 1, "c": 2}, "d": 3}'})
        answer = browser.call("PATCH", "/me/metadata", {"unsafe_metadata": '{"a": {"b": null}, "e": 4}'})
        assert answer["response"]["unsafe_metadata"] == {"a": {"c": 2}, "d": 3, "e": 4}

    def test_metadata_is_bounded_as_a_whole(self, browser: Browser, user: Json) -> None:
        del user
        browser.call("PATCH", "/me/metadata", {"unsafe_metadata": '{"a": "' + "x" * 5_000 + '"}'})
        form = {"unsafe_metadata": '{"b": "' + "x" * 5_000 + '"}'}
        refusal = browser.refusal("PATCH", "/me/metadata", form)
        assert refusal == (UNPROCESSABLE, "form_param_exceeds_allowed_size")

    def test_reload_brings_the_browsers_state(
        self, emulator: EmulatorProcess, browser: Browser, user: Json
    ) -> None:
        """The SDK's reload() takes what changed from there."""
        body = {"public_metadata": {"tier": "gold"}}
        emulator.call("PATCH", f"/v1/users/{user['id']}/metadata", json=body)
        session = browser.client()["sessions"][0]
        for path in ("/me", f"/client/sessions/{session['id']}", "/client"):
            client = browser.call("GET", path)["client"]
            assert client["sessions"][0]["user"]["public_metadata"] == {"tier": "gold"}

    def test_server_side_metadata_cannot_be_written(
        self, emulator: EmulatorProcess, browser: Browser, user: Json
    ) -> None:
        for path in ("/me", "/me/metadata"):
            browser.call(
                "PATCH", path, {"public_metadata": '{"role": "admin"}', "private_metadata": '{"a": 1}'}
            )
        found = emulator.call("GET", f"/v1/users/{user['id']}")
        assert (found["public_metadata"], found["private_metadata"]) == ({}, {})

    def test_taken_username(self, emulator: EmulatorProcess, browser: Browser, user: Json) -> None:
        username = f"x{user['id'][-12:]}"
        emulator.call("POST", "/v1/users", json={"username": username})
        refusal = browser.refusal("PATCH", "/me", {"username": username.upper()})
        assert refusal == (UNPROCESSABLE, "form_identifier_exists")


class TestEmailAddresses:
    def test_first_proved_one_is_primary(
        self, emulator: EmulatorProcess, browser: Browser, email: str
    ) -> None:
        username = f"u{email[:12]}"
        emulator.call("POST", "/v1/users", json={"username": username, "password": PASSWORD})
        assert browser.sign_in(username)["user"]["primary_email_address_id"] is None
        refusal = browser.refusal("PATCH", "/me", {"username": ""})
        assert refusal == (HTTPStatus.FORBIDDEN, "last_identification_deletion_failed")
        added = browser.call("POST", "/me/email_addresses", {"email_address": email})["response"]
        path = f"/me/email_addresses/{added['id']}"
        browser.call("POST", f"{path}/prepare_verification")
        proved = browser.call("POST", f"{path}/attempt_verification", {"code": CODE})["response"]
        assert proved["updated_at"] >= added["updated_at"]
        assert browser.call("GET", "/me")["response"]["primary_email_address_id"] == added["id"]
        assert browser.call("PATCH", "/me", {"username": ""})["response"]["username"] is None

    def test_unproved_one_may_go(self, browser: Browser, user: Json, email: str) -> None:
        added = browser.call("POST", "/me/email_addresses", {"email_address": f"second-{email}"})["response"]
        browser.call("DELETE", f"/me/email_addresses/{added['id']}")
        assert browser.call("GET", "/me")["response"]["email_addresses"] == user["email_addresses"]

    def test_life(self, browser: Browser, user: Json, email: str, heard: Receiver) -> None:
        second = f"second-{email}"
        added = browser.call("POST", "/me/email_addresses/", {"email_address": second})["response"]
        assert added["verification"] is None
        path = f"/me/email_addresses/{added['id']}"
        refusal = browser.refusal("PATCH", "/me", {"primary_email_address_id": added["id"]})
        assert refusal == (UNPROCESSABLE, "form_param_value_invalid")

        browser.call("POST", f"{path}/prepare_verification", {"strategy": "email_code"})
        assert sent_codes(heard, second)[0]["user_id"] == user["id"]
        refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": "000000"})
        assert refusal == (UNPROCESSABLE, "form_code_incorrect")
        proved = browser.call("POST", f"{path}/attempt_verification", {"code": CODE})["response"]
        assert proved["verification"]["status"] == "verified"
        refusal = browser.refusal("POST", f"{path}/prepare_verification", {"strategy": "email_code"})
        assert refusal == (HTTPStatus.BAD_REQUEST, "verification_already_verified")

        moved = browser.call("PATCH", "/me", {"primary_email_address_id": added["id"]})["response"]
        assert moved["primary_email_address_id"] == added["id"]
        gone = browser.call("DELETE", path)
        assert gone["response"] == {"object": "email_address", "id": added["id"], "deleted": True}
        me = browser.call("GET", "/me")["response"]
        assert [address["email_address"] for address in me["email_addresses"]] == [email]
        assert me["primary_email_address_id"] == user["primary_email_address_id"]
        told(heard, user["id"], *SIGNED_UP, *["user.updated"] * 4)

    def test_last_one_stays(self, browser: Browser, user: Json) -> None:
        path = f"/me/email_addresses/{user['primary_email_address_id']}"
        refusal = browser.refusal("DELETE", path)
        assert refusal == (HTTPStatus.FORBIDDEN, "last_identification_deletion_failed")

    def test_taken_one(self, emulator: EmulatorProcess, browser: Browser, user: Json, email: str) -> None:
        del user
        emulator.create_user(f"taken-{email}")
        refusal = browser.refusal("POST", "/me/email_addresses", {"email_address": f"taken-{email}"})
        assert refusal == (UNPROCESSABLE, "form_identifier_exists")

    def test_others_do_not_exist(self, emulator: EmulatorProcess, user: Json, email: str) -> None:
        theirs = f"/me/email_addresses/{user['primary_email_address_id']}"
        with Browser(emulator) as other:
            other.sign_up(f"other-{email}")
            missing = (HTTPStatus.NOT_FOUND, "resource_not_found")
            assert other.refusal("GET", theirs) == missing
            assert other.refusal("DELETE", theirs) == missing
            assert other.refusal("POST", f"{theirs}/prepare_verification") == missing
            assert other.refusal("POST", f"{theirs}/attempt_verification", {"code": CODE}) == missing
            for email_address_id in (user["primary_email_address_id"], "idn_nobodys"):
                form = {"primary_email_address_id": email_address_id}
                assert other.refusal("PATCH", "/me", form) == (UNPROCESSABLE, "form_resource_not_found")


class TestPassword:
    def test_change(self, emulator: EmulatorProcess, browser: Browser, user: Json, email: str) -> None:
        del user
        form = {"current_password": PASSWORD, "new_password": "difference engine"}
        with Browser(emulator) as elsewhere:
            elsewhere.sign_in(email)
            browser.call("POST", "/me/change_password", form)
            assert len(elsewhere.client()["sessions"]) == 1
            form = {"current_password": "difference engine", "new_password": PASSWORD}
            browser.call("POST", "/me/change_password", form | {"sign_out_of_other_sessions": "true"})
            assert elsewhere.client()["sessions"] == []
            elsewhere.sign_in(email)
        assert len(browser.client()["sessions"]) == 1

    @pytest.mark.usefixtures("user")
    @pytest.mark.parametrize("path", ["change_password", "remove_password"])
    @pytest.mark.parametrize("given", [{}, {"current_password": "wrong password"}])
    def test_needs_the_old_one(self, browser: Browser, email: str, path: str, given: dict[str, str]) -> None:
        form = {"new_password": "difference engine", **given}
        assert browser.refusal("POST", f"/me/{path}", form)[0] == UNPROCESSABLE
        browser.sign_out()
        browser.sign_in(email)

    def test_removed_and_set_anew(self, browser: Browser, user: Json) -> None:
        del user
        answer = browser.call("POST", "/me/remove_password", {"current_password": PASSWORD})
        assert answer["response"]["password_enabled"] is False
        answer = browser.call("POST", "/me/change_password", {"new_password": "difference engine"})
        assert answer["response"]["password_enabled"] is True

    @pytest.mark.usefixtures("user")
    def test_short_one(self, browser: Browser) -> None:
        form = {"current_password": PASSWORD, "new_password": "short"}
        answer = browser.send("POST", "/me/change_password", form)
        [error] = answer.json()["errors"]
        assert error["code"] == "form_password_length_too_short"
        assert error["meta"] == {"param_name": "new_password"}

    @pytest.mark.usefixtures("user")
    def test_null_is_no_answer(self, browser: Browser) -> None:
        form = {"current_password": PASSWORD, "new_password": "difference engine"}
        browser.call("POST", "/me/change_password", form | {"sign_out_of_other_sessions": ""})


class TestDelete:
    def test_user_is_gone(self, browser: Browser, user: Json, email: str, heard: Receiver) -> None:
        answer = browser.call("DELETE", "/me")
        assert answer["response"] == {"object": "user", "id": user["id"], "deleted": True}
        assert answer["client"]["sessions"] == []
        told(heard, user["id"], *SIGNED_UP, "session.ended", "user.deleted")
        assert browser.sign_up(email)["user"]["id"] != user["id"]

    def test_not_allowed(self, emulator: EmulatorProcess, browser: Browser, user: Json) -> None:
        emulator.call("PATCH", f"/v1/users/{user['id']}", json={"delete_self_enabled": False})
        assert browser.refusal("DELETE", "/me")[0] == HTTPStatus.FORBIDDEN
        assert len(browser.client()["sessions"]) == 1
