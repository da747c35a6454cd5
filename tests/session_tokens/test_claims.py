"""The inside of a token. All of these are correctly signed with the instance's own key."""

import json
from typing import Any

from tests.support.attacks import Attacker, claims_with, forge, sign_payload
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

INVALID = "token-invalid-claims"
# As JSON texts: `json.dumps` might never write them.
NOT_AN_INSTANT = (
    *('"text"', '"4102444800"', '""', "true", "false", "null", "[]", "[4102444800]", "{}"),
    *("NaN", "Infinity", "-Infinity", "1e308", "1e999", "-1", "-1e999", "253402300800"),
    *("1" + "0" * 400, "9" * 5000),
)
# NUL and lone surrogates would be errors of the database, which cannot store them.
NOT_AN_IDENTIFIER = (
    *('""', '" "', '"user 1"', '"user_1\\u0000"', '"\\u0000"', '"\\ud800"', '"user_\\udfff"', '"usér"'),
    *('"user_1\\n"', '"\\u202euser"', f'"{"u" * 256}"', "7", "1e5", "true", "null", '["user_1"]'),
    '{"id":"user_1"}',
)
NOT_AN_ACTOR = ('"user_1"', "null", "{}", "[]", '{"sub":7}', '{"sub":"a\\u0000"}')


class TestValues:
    def test_unusable(self, attacker: Attacker, clerk: Instance) -> None:
        instants = [(name, value) for name in ("exp", "nbf", "iat") for value in NOT_AN_INSTANT]
        identifiers = [(name, value) for name in ("sub", "sid") for value in NOT_AN_IDENTIFIER]
        actors = [("act", value) for value in NOT_AN_ACTOR]
        attacker.are_refused(
            [*instants, *identifiers, *actors], lambda claim: sign_payload(clerk, claims_with(clerk, *claim)), INVALID
        )

    def test_none(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.are_refused(("exp", "sub"), lambda name: clerk.token(**dict[str, Any]({name: ...})), INVALID)

    def test_end_long_ago(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.are_refused(
            ("0", "-0.0", "1e-300", "1"),
            lambda value: sign_payload(clerk, claims_with(clerk, "exp", value)),
            "token-expired",
        )


class TestPayload:
    def test_not_claims(self, attacker: Attacker, clerk: Instance) -> None:
        payloads = (b"null", b"[]", b'"x"', b"7", b"{", b"\xff\xfe", b"{}{}", b'{"sub":"user_1"}')
        attacker.are_refused(payloads, lambda payload: sign_payload(clerk, payload), INVALID)

    def test_other_encodings(self, attacker: Attacker, clerk: Instance) -> None:
        text = json.dumps(clerk.claims(name="é"), ensure_ascii=False)
        encodings = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1")
        attacker.are_refused(encodings, lambda name: sign_payload(clerk, text.encode(name)), INVALID)

    def test_a_name_twice(self, attacker: Attacker, clerk: Instance) -> None:
        """Readers disagree on which of the two counts; both are the same here, and good."""
        claims = clerk.claims()

        def token(name: str) -> str:
            text = json.dumps(claims)[:-1] + f', "{name}": {json.dumps(claims[name])}}}'
            return sign_payload(clerk, text.encode())

        attacker.are_refused(("sub", "exp", "iss", "jti"), token, INVALID)
        inside = claims_with(clerk, "metadata", '{"role":"user","role":"admin"}')
        attacker.is_refused(sign_payload(clerk, inside), INVALID)


class TestIssuer:
    def test_not_exactly_ours(self, attacker: Attacker, clerk: Instance) -> None:
        ours = clerk.issuer
        others = (
            *(ours + "/", ours + ".evil.example", ours[:-1], "https://evil.example/" + ours, ours.upper()),
            *(ours.replace("https://", other) for other in ("https://x.", "http://", "")),
            *(ours + " ", ours + "\x00", "https://other.clerk.accounts.dev", "", None, 7, ...),
            *([ours], [ours, "https://evil.example"], {ours: ours}),
        )
        attacker.are_refused(others, lambda issuer: clerk.token(iss=issuer), "token-invalid-issuer")

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

    def test_unknown(self, attacker: Attacker, clerk: Instance) -> None:
        statuses: tuple[object, ...] = ("revoked", "Active", "", None, True, 7, ["active"], {})
        attacker.are_refused(statuses, lambda status: clerk.token(sts=status), INVALID)


class TestOrder:
    """Without a good signature nothing of the claims is told, nor acted on."""

    def test_signature_first(self, attacker: Attacker, clerk: Instance) -> None:
        bad: tuple[dict[str, Any], ...] = (
            *({"exp": 1}, {"nbf": 9_999_999_999}, {"iss": "https://other.example"}, {"sts": "pending"}),
            {"sub": ""},
        )
        attacker.are_refused(bad, lambda claims: forge(clerk.token(**claims)), "token-invalid-signature")

    def test_claims_of_another_token(self, attacker: Attacker, clerk: Instance) -> None:
        """Two good tokens cannot be put together to a third."""
        one, two = clerk.token(sub="user_1").split("."), clerk.token(sub="user_2").split(".")
        attacker.is_refused(f"{one[0]}.{two[1]}.{one[2]}", "token-invalid-signature")
