"""What a user does to their own account at the Frontend API."""

import pytest

from .browser import CODE, PASSWORD, Browser, Json, sent_codes, told
from .harness import EmulatorProcess, Receiver

LAST_ONE = (403, "last_identification_deletion_failed")
NEW = "difference engine"
SIGNED_UP = ("user.created", "session.created", "user.updated")


def test_nobody_is_signed_out(emulator: EmulatorProcess, browser: Browser) -> None:
    form = {"email_address": "a@example.com", "new_password": PASSWORD, "current_password": PASSWORD}
    with Browser(emulator, by_cookie=True) as stranger:
        for method, path in (
            *((method, "/me") for method in ("GET", "PATCH", "DELETE")),
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
        ):
            for anonymous in (browser, stranger):
                assert anonymous.refusal(method, path, form) == (401, "signed_out"), (method, path)


class TestProfile:
    def test_edit_arrives(self, browser: Browser, user: Json, heard: Receiver) -> None:
        form = {"first_name": "Ada", "last_name": "Lovelace", "username": f"u{user['id'][-12:]}"}
        answer = browser.call("PATCH", "/me", form)
        assert {name: answer["response"][name] for name in form} == form
        assert answer["client"]["sessions"][0]["user"]["first_name"] == "Ada"
        events = told(heard, user["id"], *SIGNED_UP, "user.updated")
        assert events[-1].event["data"]["last_name"] == "Lovelace"
        assert browser.call("PATCH", "/me", {"first_name": ""})["response"]["first_name"] is None

    def test_nothing_sends_nothing(self, browser: Browser, user: Json, heard: Receiver) -> None:
        browser.call("PATCH", "/me", {"unknown": "ignored"})
        browser.call("PATCH", "/me", {"first_name": "Ada"})
        browser.call("PATCH", "/me", {"first_name": "Ada"})
        browser.call("PATCH", "/me/metadata", {"unsafe_metadata": "{}"})
        told(heard, user["id"], *SIGNED_UP, "user.updated")

    @pytest.mark.usefixtures("user")
    def test_metadata_is_merged_and_bounded_as_a_whole(self, browser: Browser) -> None:
        browser.call("PATCH", "/me/metadata", {"unsafe_metadata": '{"a": {"b": 1, "c": 2}, "d": 3}'})
        answer = browser.call("PATCH", "/me/metadata", {"unsafe_metadata": '{"a": {"b": null}, "e": 4}'})
        assert answer["response"]["unsafe_metadata"] == {"a": {"c": 2}, "d": 3, "e": 4}
        half, other_half = (f'{{"{name}": "{"x" * 5_000}"}}' for name in "fg")
        browser.call("PATCH", "/me/metadata", {"unsafe_metadata": half})
        refusal = browser.refusal("PATCH", "/me/metadata", {"unsafe_metadata": other_half})
        assert refusal == (422, "form_param_exceeds_allowed_size")

    def test_reload_brings_the_browsers_state(self, emulator: EmulatorProcess, browser: Browser, user: Json) -> None:
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
            browser.call("PATCH", path, {"public_metadata": '{"role": "admin"}', "private_metadata": '{"a": 1}'})
        found = emulator.call("GET", f"/v1/users/{user['id']}")
        assert (found["public_metadata"], found["private_metadata"]) == ({}, {})

    def test_taken_username(self, emulator: EmulatorProcess, browser: Browser, user: Json) -> None:
        username = f"x{user['id'][-12:]}"
        emulator.call("POST", "/v1/users", json={"username": username})
        refusal = browser.refusal("PATCH", "/me", {"username": username.upper()})
        assert refusal == (422, "form_identifier_exists")


class TestEmailAddresses:
    def test_first_proved_one_is_primary(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        username = f"u{email[:12]}"
        emulator.call("POST", "/v1/users", json={"username": username, "password": PASSWORD})
        assert browser.sign_in(username)["user"]["primary_email_address_id"] is None
        refusal = browser.refusal("PATCH", "/me", {"username": ""})
        assert refusal == LAST_ONE
        added = browser.call("POST", "/me/email_addresses", {"email_address": email})["response"]
        path = f"/me/email_addresses/{added['id']}"
        browser.call("POST", f"{path}/prepare_verification")
        proved = browser.call("POST", f"{path}/attempt_verification", {"code": CODE})["response"]
        assert proved["updated_at"] >= added["updated_at"]
        assert browser.call("GET", "/me")["response"]["primary_email_address_id"] == added["id"]
        assert browser.call("PATCH", "/me", {"username": ""})["response"]["username"] is None

    def test_life(self, browser: Browser, user: Json, email: str, heard: Receiver) -> None:
        second = f"second-{email}"
        added = browser.call("POST", "/me/email_addresses/", {"email_address": second})["response"]
        assert added["verification"] is None
        path = f"/me/email_addresses/{added['id']}"
        refusal = browser.refusal("PATCH", "/me", {"primary_email_address_id": added["id"]})
        assert refusal == (422, "form_param_value_invalid")

        browser.call("POST", f"{path}/prepare_verification", {"strategy": "email_code"})
        assert sent_codes(heard, second)[0]["user_id"] == user["id"]
        refusal = browser.refusal("POST", f"{path}/attempt_verification", {"code": "000000"})
        assert refusal == (422, "form_code_incorrect")
        proved = browser.call("POST", f"{path}/attempt_verification", {"code": CODE})["response"]
        assert proved["verification"]["status"] == "verified"
        refusal = browser.refusal("POST", f"{path}/prepare_verification", {"strategy": "email_code"})
        assert refusal == (400, "verification_already_verified")

        moved = browser.call("PATCH", "/me", {"primary_email_address_id": added["id"]})["response"]
        assert moved["primary_email_address_id"] == added["id"]
        gone = browser.call("DELETE", path)
        assert gone["response"] == {"object": "email_address", "id": added["id"], "deleted": True}
        me = browser.call("GET", "/me")["response"]
        assert [address["email_address"] for address in me["email_addresses"]] == [email]
        assert me["primary_email_address_id"] == user["primary_email_address_id"]
        told(heard, user["id"], *SIGNED_UP, *["user.updated"] * 4)

    def test_last_stays_and_anothers_is_taken(
        self, emulator: EmulatorProcess, browser: Browser, user: Json, email: str
    ) -> None:
        only = f"/me/email_addresses/{user['primary_email_address_id']}"
        assert browser.refusal("DELETE", only) == LAST_ONE
        emulator.create_user(f"taken-{email}")
        refusal = browser.refusal("POST", "/me/email_addresses", {"email_address": f"taken-{email}"})
        assert refusal == (422, "form_identifier_exists")
        # One that was not proved does not count.
        added = browser.call("POST", "/me/email_addresses", {"email_address": f"second-{email}"})["response"]
        assert browser.refusal("DELETE", only) == LAST_ONE
        browser.call("DELETE", f"/me/email_addresses/{added['id']}")
        assert browser.call("GET", "/me")["response"]["email_addresses"] == user["email_addresses"]

    def test_others_do_not_exist(self, emulator: EmulatorProcess, user: Json, email: str) -> None:
        theirs = f"/me/email_addresses/{user['primary_email_address_id']}"
        with Browser(emulator) as other:
            other.sign_up(f"other-{email}")
            for method, step in (
                ("GET", ""),
                ("DELETE", ""),
                ("POST", "/prepare_verification"),
                ("POST", "/attempt_verification"),
            ):
                refusal = other.refusal(method, theirs + step, {"code": CODE})
                assert refusal == (404, "resource_not_found")
            for email_address_id in (user["primary_email_address_id"], "idn_nobodys"):
                form = {"primary_email_address_id": email_address_id}
                assert other.refusal("PATCH", "/me", form) == (422, "form_resource_not_found")


@pytest.mark.usefixtures("user")
class TestPassword:
    def test_change(self, emulator: EmulatorProcess, browser: Browser, email: str) -> None:
        form = {"current_password": PASSWORD, "new_password": NEW, "sign_out_of_other_sessions": ""}
        with Browser(emulator) as elsewhere:
            elsewhere.sign_in(email)
            browser.call("POST", "/me/change_password", form)  # an empty value is no yes
            assert len(elsewhere.client()["sessions"]) == 1
            form = {"current_password": NEW, "new_password": PASSWORD, "sign_out_of_other_sessions": "true"}
            browser.call("POST", "/me/change_password", form)
            assert elsewhere.client()["sessions"] == []
            elsewhere.sign_in(email)
        assert len(browser.client()["sessions"]) == 1

    def test_needs_the_old_one_and_a_good_new_one(self, browser: Browser, email: str) -> None:
        for path in ("/me/change_password", "/me/remove_password"):
            for given in ({}, {"current_password": "wrong password"}):
                assert browser.refusal("POST", path, {"new_password": NEW, **given})[0] == 422
        form = {"current_password": PASSWORD, "new_password": "short"}
        [error] = browser.send("POST", "/me/change_password", form).json()["errors"]
        assert error["code"] == "form_password_length_too_short"
        assert error["meta"] == {"param_name": "new_password"}
        browser.sign_out()
        browser.sign_in(email)

    def test_removed_and_set_anew(self, browser: Browser) -> None:
        answer = browser.call("POST", "/me/remove_password", {"current_password": PASSWORD})
        assert answer["response"]["password_enabled"] is False
        answer = browser.call("POST", "/me/change_password", {"new_password": NEW})
        assert answer["response"]["password_enabled"] is True


class TestDelete:
    def test_user_is_gone(self, browser: Browser, user: Json, email: str, heard: Receiver) -> None:
        answer = browser.call("DELETE", "/me")
        assert answer["response"] == {"object": "user", "id": user["id"], "deleted": True}
        assert answer["client"]["sessions"] == []
        told(heard, user["id"], *SIGNED_UP, "session.ended", "user.deleted")
        assert browser.sign_up(email)["user"]["id"] != user["id"]

    def test_not_allowed(self, emulator: EmulatorProcess, browser: Browser, user: Json) -> None:
        emulator.call("PATCH", f"/v1/users/{user['id']}", json={"delete_self_enabled": False})
        assert browser.refusal("DELETE", "/me")[0] == 403
        assert len(browser.client()["sessions"]) == 1
