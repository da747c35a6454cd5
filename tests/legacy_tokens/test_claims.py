"""Legacy tokens from inside. All of these have a good MAC, unless a test is about that."""

import itertools
import json
from typing import Any

import pytest

from backend.services.legacy_tokens import LegacyClaims, LegacyRules
from tests.legacy_tokens.old_application import ACCEPTED, NOW, OldApplication, code_of, verify
from tests.session_tokens.test_claims import NOT_AN_INSTANT
from tests.support.attacks import forge
from tests.support.tables import check_each

OLD = OldApplication()
JTI = OLD.claims()["jti"]
RULES = LegacyRules(OLD.secret)
EMAIL_RULES = LegacyRules(OLD.secret, email_claim="email")
ISSUER = "https://old.example"
STRICT = LegacyRules(OLD.secret, issuer=ISSUER, audience="api", email_claim="email")


NOT_AN_ID = (
    *("0", "-0", "-1", "7.0", "7e0", "1e5", "9223372036854775808", "1" + "0" * 30, "9" * 5000),
    *("true", "false", "null", "[7]", '{"id":7}', "[]"),
    *(f'"{text}"' for text in ("", "0", "00", "07", "+7", "-7", " 7", "7 ", "7\\n", "7.0", "0x7", "7_0")),
    *('"9223372036854775808"', f'"{"9" * 20}"', f'"{"1" * 5000}"', f'"{"7" * 1000}"'),
    *('"\\u0667"', '"7\\u0667"', '"\\uff17"', '"\\u00b2"', '"7\\u0000"', '"\\ud800"'),
    *('"user_7"', '"ada@example.com"'),
)
NOT_AN_ADDRESS = (
    *('""', '"@"', '"a@"', '"@b"', '"ada"', '"a@b@c"', '" a@b"', '"a@b "', '"a b@c"', '"a@b\\n"'),
    *('"a\\u0000@b"', '"a@b\\u0000"', '"a\\ud800@b"', '"\\udfffa@b"', '"a\\u007f@b"', '"a\\u0085@b"'),
    *('"a\\u202e@b"', '"a\\u200b@b"', '"a\\u2028@b"', '"a\\u00a0@b"', f'"{"a" * 309}@example.com"'),
    *("null", "7", "true", '["a@b"]', '{"a@b":1}'),
)
INVALID = "token-invalid-claims"


def code_with(name: str, value: str, rules: LegacyRules = RULES) -> str:
    """What a claim of this JSON text leads to."""
    return code_of(OLD.sign_payload(OLD.claims_with(name, value)), rules)


class TestTimes:
    def test_not_an_instant(self) -> None:
        cases = itertools.product(("exp", "nbf", "iat"), NOT_AN_INSTANT)
        check_each(cases, lambda claim: code_with(*claim), INVALID)

    def test_no_end(self) -> None:
        """Old libraries could sign tokens without an end; such a one would outlive every sunset."""
        assert code_of(OLD.token(exp=...), RULES) == "token-invalid-claims"

    def test_no_beginning(self) -> None:
        assert code_of(OLD.token(nbf=..., iat=...), RULES) == ACCEPTED

    @pytest.mark.parametrize(
        ("name", "good", "bad", "code"),
        [
            ("exp", -4.999, -5, "token-expired"),
            ("nbf", 5, 5.001, "token-not-active-yet"),
            ("iat", 5, 5.001, "token-iat-in-the-future"),
        ],
    )
    def test_skew(self, name: str, good: float, bad: float, code: str) -> None:
        good_claims: dict[str, Any] = {name: NOW + good}
        bad_claims: dict[str, Any] = {name: NOW + bad}
        assert code_of(OLD.token(**good_claims), RULES) == ACCEPTED
        assert code_of(OLD.token(**bad_claims), RULES) == code

    @pytest.mark.parametrize("max_age", [60, 3_600.5])
    def test_age(self, max_age: float) -> None:
        """Whatever its end. Of a token that does not say how old it is, the last `max_age` before the end counts."""
        rules = LegacyRules(OLD.secret, max_age=max_age)
        for good, bad in (
            ({"iat": NOW - max_age, "exp": 9e9}, {"iat": NOW - max_age - 0.001, "exp": 9e9}),
            ({"iat": ..., "exp": NOW + max_age}, {"iat": ..., "exp": NOW + max_age + 0.001}),
        ):
            assert code_of(OLD.token(**good), rules) == ACCEPTED
            assert code_of(OLD.token(**bad), rules) == "token-expired"

    def test_end_is_told_before_the_skew(self) -> None:
        assert verify(OLD.token(exp=NOW + 60.5), RULES).expires_at == NOW + 60.5


class TestUserId:
    @pytest.mark.parametrize("value", [1, 7, 2**31, 2**63 - 1, "1", "7", "9223372036854775807"])
    def test_accepted(self, value: int | str) -> None:
        claims = verify(OLD.token(sub=value), RULES)
        assert claims == LegacyClaims(int(value), None, NOW + 900, JTI)
        assert type(claims.user_id) is int

    def test_refused(self) -> None:
        """Neither another spelling of a number, nor what would be an error of the database."""
        check_each(NOT_AN_ID, lambda value: code_with("sub", value), INVALID)

    def test_none(self) -> None:
        others: tuple[dict[str, Any], ...] = ({}, {"identity": 7}, {"user_id": 7}, {"email": "ada@example.com"})
        check_each(others, lambda other: code_of(OLD.token(sub=..., **other), RULES), INVALID)


class TestEmail:
    def test_accepted(self) -> None:
        """As it stands: comparing without case is the database's."""
        for address in (
            *("ada@example.com", "Ada.O'Neil+x@EXAMPLE.com", "a@b", "ädä@exämple.de"),
            "a" * 308 + "@example.com",
        ):
            expected = LegacyClaims(None, address, NOW + 900, JTI)
            assert verify(OLD.token(email=address), EMAIL_RULES) == expected
            assert verify(OLD.token(sub=address), LegacyRules(OLD.secret, email_claim="sub")) == expected

    @pytest.mark.parametrize("name", ["email", "sub"])
    def test_refused(self, name: str) -> None:
        """Also beside a good `sub`: which of the two is meant is not for us to guess."""
        rules = LegacyRules(OLD.secret, email_claim=name)
        check_each(NOT_AN_ADDRESS, lambda value: code_with(name, value, rules), INVALID)

    def test_falls_back_to_the_user_id_only_where_the_claim_is_absent(self) -> None:
        assert verify(OLD.token(), EMAIL_RULES).user_id == 7
        assert code_of(OLD.token(sub=...), EMAIL_RULES) == "token-invalid-claims"
        assert code_of(OLD.token(sub="7"), LegacyRules(OLD.secret, email_claim="sub")) == "token-invalid-claims"

    def test_is_not_read_unless_asked_for(self) -> None:
        assert verify(OLD.token(email="eve@example.com"), RULES) == LegacyClaims(7, None, NOW + 900, JTI)


class TestKind:
    def test_refresh_token(self) -> None:
        assert code_of(OLD.token(type="refresh"), RULES) == "token-type-mismatch"
        check_each(("access", ..., "session"), lambda kind: code_of(OLD.token(type=kind), RULES), ACCEPTED)


OTHER_ISSUERS: tuple[object, ...] = (
    *(ISSUER + "/", ISSUER + ".evil.example", ISSUER[:-1], ISSUER.upper(), ISSUER + " ", ISSUER + "\x00"),
    *("old.example", "https://evil.example/" + ISSUER, "", None, 7, True, [ISSUER], {ISSUER: 1}, ...),
)
OTHER_AUDIENCES: tuple[object, ...] = (
    *("", "apis", "ap", "API", "api ", [], ["x"], [["api"]], {"api": 1}, None, 7, True, ...),
)


class TestIssuerAndAudience:
    def test_ours(self) -> None:
        audiences: tuple[object, ...] = ("api", ["api"], ["x", "api"], [7, None, "api"])
        check_each(audiences, lambda aud: code_of(OLD.token(iss=ISSUER, aud=aud), STRICT), ACCEPTED)

    def test_are_not_checked_unless_set(self) -> None:
        assert code_of(OLD.token(iss="https://any.example", aud=["any"]), RULES) == ACCEPTED
        assert code_of(OLD.token(iss=None, aud=7), RULES) == ACCEPTED

    def test_others(self) -> None:
        check_each(OTHER_ISSUERS, lambda iss: code_of(OLD.token(iss=iss, aud="api"), STRICT), "token-invalid-issuer")
        check_each(
            OTHER_AUDIENCES, lambda aud: code_of(OLD.token(iss=ISSUER, aud=aud), STRICT), "token-invalid-audience"
        )


class TestPayload:
    def test_not_claims(self) -> None:
        payloads = (
            *(b"", b"null", b"[]", b'"x"', b"7", b"{", b"{}", b"{}{}", b"\xff\xfe"),
            *(b"[" * 4000, b'{"a":' * 1000),
        )
        check_each(payloads, lambda payload: code_of(OLD.sign_payload(payload), RULES), INVALID)

    def test_other_encodings(self) -> None:
        text = json.dumps(OLD.claims(name="é"), ensure_ascii=False)
        assert code_of(OLD.sign_payload(text.encode()), RULES) == ACCEPTED
        encodings = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1")
        check_each(encodings, lambda name: code_of(OLD.sign_payload(text.encode(name)), RULES), INVALID)

    def test_a_claim_twice(self) -> None:
        claims = OLD.claims()

        def code(name: str) -> str:
            text = json.dumps(claims)[:-1] + f', "{name}": {json.dumps(claims[name])}}}'
            return code_of(OLD.sign_payload(text.encode()), RULES)

        check_each(("sub", "exp", "type", "jti"), code, INVALID)


class TestOrder:
    """Without a good MAC nothing of the claims is told."""

    def test_mac_first(self) -> None:
        bad: tuple[dict[str, Any], ...] = (
            *({"exp": 1}, {"exp": ...}, {"nbf": 9e9}, {"iat": 9e9}, {"iss": "x"}, {"aud": "x"}, {"sub": ""}),
            *({"type": "refresh"}, {"email": "x"}),
        )
        for claims in bad:
            token = OLD.token(**({"iss": ISSUER, "aud": "api"} | claims))
            assert code_of(token, STRICT) not in {ACCEPTED, "token-invalid-signature"}
            assert code_of(forge(token), STRICT) == "token-invalid-signature"
