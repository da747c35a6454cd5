"""T-04 for legacy tokens: who wants to be taken for one without the secret, by algorithm, key or MAC."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.legacy_tokens import LegacyRules, has_legacy_shape
from tests.legacy_tokens.old_application import ACCEPTED, HEADER, NOW, Door, OldApplication, code_of
from tests.session_tokens.test_confusion import PUBLIC_KEY_AS_SECRET
from tests.support.clerk import Instance, b64url
from tests.support.tables import check_each

OLD = OldApplication()
CLERK = Instance()
RULES = LegacyRules(OLD.secret)
DOOR = Door(OLD, CLERK)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PAYLOAD = json.dumps(OLD.claims()).encode()


def _signed(algorithm: str = "HS256") -> bytes:
    return b64url(json.dumps(HEADER | {"alg": algorithm}).encode()) + b"." + b64url(PAYLOAD)


def code_under(mac: bytes, signed: bytes = _signed()) -> str:
    return DOOR.code((signed + b"." + b64url(mac)).decode())


class TestConfusion:
    """What is public about Clerk's key is never a secret here, and the secret is nothing to Clerk's verifier."""

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    def test_public_key_as_secret(self, algorithm: str) -> None:
        signed, digest = _signed(algorithm), algorithm.replace("HS", "sha")

        def code(form: str) -> str:
            return code_under(hmac.digest(PUBLIC_KEY_AS_SECRET[form](CLERK), signed, digest), signed)

        expected = "token-invalid-signature" if algorithm == "HS256" else "token-invalid-algorithm"
        check_each(PUBLIC_KEY_AS_SECRET, code, expected)

    def test_clerk_tokens_do_not_reach_the_mac(self) -> None:
        token = CLERK.token(iat=NOW, nbf=NOW, exp=NOW + 60, sub="user_7")
        assert DOOR.code(token) == ACCEPTED
        assert not has_legacy_shape(token)
        assert code_of(token, RULES) == "token-type-mismatch"
        assert code_of(CLERK.token(headers={"cat": ...}), RULES) == "token-invalid-algorithm"

    @pytest.mark.parametrize("algorithm", ["RS256", "none", "HS384", "HS512", "ES256", "hs256"])
    def test_secret_under_another_name(self, algorithm: str) -> None:
        """Also with claims that Clerk's verifier would take."""
        for claims in (OLD.claims(), CLERK.claims(iat=NOW, nbf=NOW, exp=NOW + 60)):
            token = OLD.sign(json.dumps(HEADER | {"alg": algorithm}).encode(), json.dumps(claims).encode())
            expected = "token-invalid-signature" if algorithm == "RS256" else "token-invalid-algorithm"
            assert DOOR.code(token) == expected
            assert code_of(token, RULES) == "token-invalid-algorithm"

    def test_clerk_signature_under_hs256(self) -> None:
        token = CLERK.sign(json.dumps(HEADER).encode(), PAYLOAD)
        assert DOOR.code(token) == "token-invalid-signature"

    def test_key_that_the_token_brings_along(self) -> None:
        key = b"k" * 32
        jwk = {"kty": "oct", "k": b64url(key).decode(), "alg": "HS256"}

        def code(name: str) -> str:
            value = {"jwk": jwk, "x5c": [jwk["k"]], "k": jwk["k"]}.get(name, f"data:;base64,{jwk['k']}")
            header = b64url(json.dumps(HEADER | {name: value}).encode())
            return DOOR.code(OLD.sign_parts(header, b64url(PAYLOAD), secret=key))

        check_each(("jwk", "x5c", "k", "kid", "jku", "x5u"), code, "token-invalid-signature")


class TestMac:
    GOOD = hmac.digest(OLD.secret, _signed(), "sha256")

    def test_made_up(self) -> None:
        hashed = hashlib.sha256(PAYLOAD).digest()
        made_up = (b"", bytes(32), b"\xff" * 32, bytes(256), hashed)
        lengths = (self.GOOD[:-1], self.GOOD[:16], self.GOOD + b"\0")
        check_each((*made_up, *lengths), code_under, "token-invalid-signature")

    def test_every_bit_counts(self) -> None:
        others = [(int.from_bytes(self.GOOD) ^ (1 << bit)).to_bytes(32) for bit in range(256)]
        check_each(others, code_under, "token-invalid-signature")

    def test_other_hashes(self) -> None:
        signed = _signed()
        for name in ("sha1", "sha224", "sha384", "sha512", "sha3_256"):
            macs = (hmac.digest(OLD.secret, signed, name), hashlib.new(name, OLD.secret + signed).digest())
            check_each(macs, code_under, "token-invalid-signature")

    def test_other_secrets(self) -> None:
        header, payload, _ = OLD.token().encode().split(b".")
        secrets = (b"", OLD.secret[:-1], OLD.secret + b"\n", OldApplication().secret)
        check_each(
            secrets, lambda secret: DOOR.code(OLD.sign_parts(header, payload, secret=secret)), "token-invalid-signature"
        )

    def test_parts_of_two_good_tokens(self) -> None:
        one, two = OLD.token(sub="7").split("."), OLD.token(sub="8", headers={"kid": "x"}).split(".")
        for mixed in ([one[0], two[1], one[2]], [two[0], one[1], one[2]], [one[0], one[1], two[2]]):
            assert DOOR.code(".".join(mixed)) == "token-invalid-signature"

    @given(data=st.data())
    def test_no_changed_token_is_good(self, data: st.DataObject) -> None:
        token = OLD.token()
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(token)))
            end = data.draw(st.integers(start, min(len(token), start + 2)))
            filling = data.draw(st.text(st.sampled_from(ALPHABET + ".=\n+/é"), max_size=3))
            token = token[:start] + filling + token[end:]
        assert DOOR.code(token) != ACCEPTED or token == OLD.token()
        assert code_of(token, RULES) != ACCEPTED or token == OLD.token()
