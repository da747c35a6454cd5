"""What else a server does with the secret key: tokens, passwords, addresses, metadata, clients."""

import re
import time
from http import HTTPStatus
from typing import Any

import jwt
import pytest

from .browser import PASSWORD, Browser, Json, claims, told
from .harness import EmulatorProcess, Receiver

ISSUER = "https://emulator.localhost.clerk.accounts.dev"
ADDRESSES = "/v1/email_addresses"
NOT_FOUND = (404, "resource_not_found")
UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.fixture
def user(emulator: EmulatorProcess, email: str, heard: Receiver) -> Json:
    """Somebody who has nothing but one address and PASSWORD."""
    del heard  # which hears of the creation too
    return emulator.create_user(email, password=PASSWORD)


class TestSessionToken:
    @pytest.fixture
    def path(self, emulator: EmulatorProcess, user_id: str) -> str:
        return f"/v1/sessions/{emulator.create_session(user_id)['id']}"

    def test_has_clerks_second_form(self, emulator: EmulatorProcess, user_id: str, path: str) -> None:
        session_id = path.rpartition("/")[2]
        token = emulator.create_token(session_id)
        [key] = emulator.call("GET", "/.well-known/jwks.json")["keys"]
        assert set(key) == {"use", "kty", "kid", "alg", "n", "e"}
        assert re.fullmatch(r"ins_[0-9A-Za-z]{27}", key["kid"])
        header = {"alg": "RS256", "kid": key["kid"], "typ": "JWT", "cat": "cl_B7d4PD111AAA"}
        assert jwt.get_unverified_header(token) == header
        read = claims(emulator, token)
        iat = read["iat"]
        assert abs(iat - time.time()) < 5
        assert read == {
            "exp": iat + 60,
            "nbf": iat - 10,
            "iat": iat,
            "iss": ISSUER,
            "jti": read["jti"],
            "sid": session_id,
            "sub": user_id,
            "sts": "active",
            "fva": [0, -1],
            "v": 2,
        }

    def test_of_a_template_has_its_own_category_and_no_session(self, emulator: EmulatorProcess, path: str) -> None:
        body = {"expires_in_seconds": 3600}
        token = emulator.call("POST", f"{path}/tokens/hasura", json=body)["jwt"]
        assert jwt.get_unverified_header(token)["cat"] == "cl_B7d4PD222AAA"
        read = claims(emulator, token)
        assert "sid" not in read
        assert (read["exp"], read["iss"]) == (read["iat"] + 3600, ISSUER)

    def test_lifetime_has_bounds(self, emulator: EmulatorProcess, path: str) -> None:
        for seconds, status in ((29, 422), (30, 200), (315_360_000, 200), (315_360_001, 422)):
            answer = emulator.request("POST", f"{path}/tokens", json={"expires_in_seconds": seconds})
            assert answer.status_code == status, seconds

    @pytest.mark.parametrize("closing", ["/v1{}/revoke", "/emulator{}/end"])
    def test_is_not_given_to_a_closed_session(self, emulator: EmulatorProcess, path: str, closing: str) -> None:
        emulator.call("POST", closing.format(path.removeprefix("/v1")))
        assert emulator.refusal("POST", f"{path}/tokens") == (401, "authentication_invalid")


class TestPassword:
    @pytest.fixture
    def path(self, user_id: str) -> str:
        return f"/v1/users/{user_id}"

    def test_is_verified(self, emulator: EmulatorProcess, path: str) -> None:
        right = {"password": PASSWORD}
        assert emulator.call("POST", f"{path}/verify_password", json=right) == {"verified": True}
        wrong = emulator.refusal("POST", f"{path}/verify_password", {"password": "difference engine"})
        assert wrong == (UNPROCESSABLE, "incorrect_password")

    @pytest.mark.parametrize(("sign_out", "status"), [(True, "revoked"), (False, "active")])
    def test_is_removed(self, emulator: EmulatorProcess, user_id: str, path: str, sign_out: bool, status: str) -> None:
        session = emulator.create_session(user_id)
        body = {"sign_out_of_other_sessions": sign_out}
        assert emulator.call("POST", f"{path}/remove_password", json=body)["password_enabled"] is False
        assert emulator.call("GET", f"/v1/sessions/{session['id']}")["status"] == status
        for action, given in (("remove_password", None), ("verify_password", {"password": PASSWORD})):
            assert emulator.refusal("POST", f"{path}/{action}", given) == (400, "no_password_set")

    def test_is_of_somebody(self, emulator: EmulatorProcess) -> None:
        for action, body in (("verify_password", {"password": PASSWORD}), ("remove_password", {})):
            assert emulator.refusal("POST", f"/v1/users/user_nobody/{action}", body) == NOT_FOUND


class TestEmailAddress:
    def _add(self, emulator: EmulatorProcess, user: Json, address: str, **fields: Any) -> Json:
        body = {"user_id": user["id"], "email_address": address, **fields}
        made: Json = emulator.call("POST", ADDRESSES, json=body)
        return made

    def test_is_added_changed_and_removed(
        self, emulator: EmulatorProcess, user: Json, email: str, heard: Receiver
    ) -> None:
        made = self._add(emulator, user, f"Work-{email}")
        assert (made["object"], made["email_address"]) == ("email_address", f"work-{email}")
        assert made["verification"] is None
        path = f"{ADDRESSES}/{made['id']}"
        assert emulator.call("GET", path) == made
        proved = emulator.call("PATCH", path, json={"verified": True, "primary": True})
        assert (proved["verification"]["status"], proved["verification"]["strategy"]) == ("verified", "admin")
        now = emulator.call("GET", f"/v1/users/{user['id']}")
        assert (now["primary_email_address_id"], now["email_addresses"][1]) == (made["id"], proved)
        gone = {"object": "email_address", "id": made["id"], "deleted": True}
        assert emulator.call("DELETE", path) == gone
        assert emulator.refusal("GET", path) == NOT_FOUND
        events = told(heard, user["id"], "user.created", *["user.updated"] * 4)
        primary = [event.event["data"]["primary_email_address_id"] for event in events]
        first = user["primary_email_address_id"]
        assert primary == [first, first, first, made["id"], first]
        addresses = [len(event.event["data"]["email_addresses"]) for event in events]
        assert addresses == [1, 2, 2, 2, 1]

    def test_is_primary_by_one_request_or_as_the_first_proved(
        self, emulator: EmulatorProcess, user: Json, email: str
    ) -> None:
        nameless = emulator.call("POST", "/v1/users", json={"username": f"2-{email[:12]}"})
        assert nameless["primary_email_address_id"] is None
        for whose, asked in ((user, {"verified": True, "primary": True}), (nameless, {"verified": True})):
            made = self._add(emulator, whose, f"{whose['id'].lower()}@example.com", **asked)
            now = emulator.call("GET", f"/v1/users/{whose['id']}")
            assert now["primary_email_address_id"] == made["id"]

    def test_signs_nobody_in_while_it_is_doubted(
        self, emulator: EmulatorProcess, browser: Browser, user: Json, email: str, heard: Receiver
    ) -> None:
        """This is how a test gets a user with an unverified primary address."""
        path = f"{ADDRESSES}/{user['primary_email_address_id']}"
        doubted = emulator.call("PATCH", path, json={"verified": False})
        assert doubted["verification"] is None
        assert emulator.call("PATCH", path, json={"verified": False}) == doubted
        refusal = browser.refusal("POST", "/client/sign_ins", {"identifier": email, "password": PASSWORD})
        assert refusal == (UNPROCESSABLE, "form_identifier_not_found")
        emulator.call("PATCH", path, json={"verified": True})
        assert emulator.call("PATCH", path, json={"verified": True})["verification"]["status"] == "verified"
        browser.sign_in(email)
        types = ("user.created", *["user.updated"] * 2, "session.created", "user.updated")
        events = told(heard, user["id"], *types)
        verifications = [event.event["data"]["email_addresses"][0]["verification"] for event in events[:3]]
        assert [each and each["status"] for each in verifications] == ["verified", None, "verified"]

    def test_bad_requests_are_refused(self, emulator: EmulatorProcess, user: Json, email: str) -> None:
        new = {"user_id": user["id"], "email_address": f"work-{email}"}
        only = f"{ADDRESSES}/{user['primary_email_address_id']}"
        for method, path, body, expected in (
            ("POST", ADDRESSES, new | {"email_address": email.upper()}, (422, "form_identifier_exists")),
            ("POST", ADDRESSES, new | {"email_address": "no address"}, (422, "form_param_format_invalid")),
            ("POST", ADDRESSES, new | {"primary": True}, (422, "form_param_value_invalid")),
            ("POST", ADDRESSES, {}, (422, "form_param_missing")),
            ("POST", ADDRESSES, new | {"user_id": "user_nobody"}, NOT_FOUND),
            *((method, f"{ADDRESSES}/idn_none", {}, NOT_FOUND) for method in ("GET", "PATCH", "DELETE")),
            ("DELETE", only, None, (403, "last_identification_deletion_failed")),
        ):
            assert emulator.refusal(method, path, body) == expected, (method, path, body)
        assert len(emulator.call("GET", f"/v1/users/{user['id']}")["email_addresses"]) == 1


def test_metadata_are_replaced(emulator: EmulatorProcess, email: str) -> None:
    user = emulator.create_user(email, public_metadata={"a": {"b": 1}}, private_metadata={"c": 2})
    path = f"/v1/users/{user['id']}/metadata"
    replaced = emulator.call("PUT", path, json={"public_metadata": {"d": 3}})
    assert (replaced["public_metadata"], replaced["private_metadata"]) == ({"d": 3}, {"c": 2})
    assert emulator.call("PUT", path, json={"private_metadata": None})["private_metadata"] == {}


class TestClient:
    def test_of_a_browser_is_read(self, emulator: EmulatorProcess, browser: Browser, session: Json) -> None:
        client = emulator.call("GET", f"/v1/clients/{browser.client()['id']}")
        assert (client["object"], client["session_ids"]) == ("client", [session["id"]])
        assert client["sessions"][0]["status"] == "active"
        assert client["last_active_session_id"] == session["id"]
        assert client["last_authentication_strategy"] == "email_code"
        assert str(browser.token) not in str(client)

    def test_of_a_session_without_a_browser_is_there_too(self, emulator: EmulatorProcess, user_id: str) -> None:
        session = emulator.create_session(user_id)
        assert emulator.call("GET", f"/v1/clients/{session['client_id']}")["sessions"] == [session]
        assert emulator.refusal("GET", "/v1/clients/client_none") == NOT_FOUND


def test_testing_token_lasts_an_hour(emulator: EmulatorProcess) -> None:
    token = emulator.call("POST", "/v1/testing_tokens")
    assert token["object"] == "testing_token"
    assert token["expires_at"] == pytest.approx(time.time() + 3600, abs=10)
    assert token["token"] != emulator.call("POST", "/v1/testing_tokens")["token"]
