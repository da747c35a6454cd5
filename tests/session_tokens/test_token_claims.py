"""The inside of a token. All of these are correctly signed with the instance's own key."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.attacks import Attacker, claims_with, forge, sign_payload
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

NOT_AN_INSTANT = [
    '"text"',
    '"4102444800"',
    '""',
    "true",
    "false",
    "null",
    "[]",
    "[4102444800]",
    "{}",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e308",
    "1e999",
    "-1",
    "-1e999",
    "253402300800",
    "1" + "0" * 400,
    "9" * 5000,
]


def _brief(text: str) -> str:
    return text[:20]


class TestTimes:
    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize("value", NOT_AN_INSTANT, ids=_brief)
    def test_not_an_instant(self, attacker: Attacker, clerk: Instance, name: str, value: str) -> None:
        token = sign_payload(clerk, claims_with(clerk, name, value))
        attacker.is_refused(token, "token-invalid-claims")

    def test_no_end(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.is_refused(clerk.token(exp=...), "token-invalid-claims")

    @pytest.mark.parametrize("value", ["0", "-0.0", "1e-300", "1"])
    def test_long_ago(self, attacker: Attacker, clerk: Instance, value: str) -> None:
        attacker.is_refused(sign_payload(clerk, claims_with(clerk, "exp", value)), "token-expired")


class TestSubject:
    @pytest.mark.parametrize(
        "value",
        [
            '""',
            '" "',
            '"user 1"',
            '"user_1\\u0000"',
            '"\\u0000"',
            '"\\ud800"',
            '"user_\\udfff"',
            '"usér"',
            '"user_1\\n"',
            '"\\u202euser"',
            f'"{"u" * 256}"',
            "7",
            "1e5",
            "true",
            "null",
            '["user_1"]',
            '{"id":"user_1"}',
        ],
        ids=_brief,
    )
    @pytest.mark.parametrize("name", ["sub", "sid"])
    def test_not_an_identifier(self, attacker: Attacker, clerk: Instance, name: str, value: str) -> None:
        """NUL and lone surrogates would be errors of the database, which cannot store them."""
        attacker.is_refused(sign_payload(clerk, claims_with(clerk, name, value)), "token-invalid-claims")

    def test_none(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.is_refused(clerk.token(sub=...), "token-invalid-claims")

    @pytest.mark.parametrize("act", ['"user_1"', "null", "{}", "[]", '{"sub":7}', '{"sub":"a\\u0000"}'])
    def test_unusable_actor(self, attacker: Attacker, clerk: Instance, act: str) -> None:
        attacker.is_refused(sign_payload(clerk, claims_with(clerk, "act", act)), "token-invalid-claims")


class TestPayload:
    @pytest.mark.parametrize(
        "payload", [b"null", b"[]", b'"x"', b"7", b"{", b"\xff\xfe", b"{}{}", b'{"sub":"user_1"}']
    )
    def test_not_claims(self, attacker: Attacker, clerk: Instance, payload: bytes) -> None:
        attacker.is_refused(sign_payload(clerk, payload), "token-invalid-claims")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1"])
    def test_other_encodings(self, attacker: Attacker, clerk: Instance, encoding: str) -> None:
        text = json.dumps(clerk.claims(name="é"), ensure_ascii=False)
        attacker.is_refused(sign_payload(clerk, text.encode(encoding)), "token-invalid-claims")

    @pytest.mark.parametrize("name", ["sub", "exp", "iss", "jti"])
    def test_a_claim_twice(self, attacker: Attacker, clerk: Instance, name: str) -> None:
        """Readers disagree on which of the two counts; both are the same here, and good."""
        claims = clerk.claims()
        text = json.dumps(claims)[:-1] + f', "{name}": {json.dumps(claims[name])}}}'
        attacker.is_refused(sign_payload(clerk, text.encode()), "token-invalid-claims")

    def test_a_member_twice_deeper_inside(self, attacker: Attacker, clerk: Instance) -> None:
        payload = claims_with(clerk, "metadata", '{"role":"user","role":"admin"}')
        attacker.is_refused(sign_payload(clerk, payload), "token-invalid-claims")


class TestIssuer:
    @pytest.mark.parametrize(
        "change",
        [
            lambda issuer: issuer + "/",
            lambda issuer: issuer + ".evil.example",
            lambda issuer: issuer[:-1],
            lambda issuer: "https://evil.example/" + issuer,
            lambda issuer: issuer.replace("https://", "https://x."),
            lambda issuer: issuer.replace("https://", "http://"),
            lambda issuer: issuer.removeprefix("https://"),
            str.upper,
            lambda issuer: issuer + " ",
            lambda issuer: issuer + "\x00",
            lambda _: "https://other.clerk.accounts.dev",
            lambda _: "",
            lambda _: None,
            lambda _: 7,
            lambda issuer: [issuer],
            lambda issuer: [issuer, "https://evil.example"],
            lambda issuer: {issuer: issuer},
            lambda _: ...,
        ],
        ids=[
            *("slash", "suffix", "shorter", "prefix", "subdomain", "http", "host", "upper", "space", "nul"),
            *("other", "empty", "null", "number", "list", "list-2", "object", "none"),
        ],
    )
    def test_not_exactly_ours(
        self, attacker: Attacker, clerk: Instance, change: Callable[[str], object]
    ) -> None:
        attacker.is_refused(clerk.token(iss=change(clerk.issuer)), "token-invalid-issuer")

    def test_another_instance_names_our_user(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Another instance can give any user id and address; its tokens may neither sign in nor change a row."""
        assert server.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        before = sql.user("user_1")
        other = Instance("other.clerk.accounts.dev")
        other.kid = clerk.kid
        for token in (other.token(sub="user_1"), other.token(sub="user_1", iss=clerk.issuer)):
            assert server.get("/auth/me", token).json()["code"] == "token-invalid-signature"
        assert server.get("/auth/me", clerk.token(sub="user_1", iss=other.issuer)).status_code == 401
        assert sql.user("user_1") == before


class TestSessionStatus:
    def test_pending(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.is_refused(clerk.token(sts="pending"), "session-pending")

    @pytest.mark.parametrize("status", ["revoked", "Active", "", None, True, 7, ["active"], {}], ids=repr)
    def test_unknown(self, attacker: Attacker, clerk: Instance, status: object) -> None:
        attacker.is_refused(clerk.token(sts=status), "token-invalid-claims")


class TestOrder:
    """Without a good signature nothing of the claims is told, nor acted on."""

    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": 1},
            {"nbf": 9_999_999_999},
            {"iss": "https://other.example"},
            {"sts": "pending"},
            {"sub": ""},
        ],
        ids=str,
    )
    def test_signature_first(self, attacker: Attacker, clerk: Instance, claims: dict[str, Any]) -> None:
        attacker.is_refused(forge(clerk.token(**claims)), "token-invalid-signature")

    def test_claims_of_another_token(self, attacker: Attacker, clerk: Instance) -> None:
        """Two good tokens cannot be put together to a third."""
        one, two = clerk.token(sub="user_1").split("."), clerk.token(sub="user_2").split(".")
        attacker.is_refused(f"{one[0]}.{two[1]}.{one[2]}", "token-invalid-signature")
