"""Legacy tokens from outside: what has their shape, and how strictly their form and header are read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.legacy_tokens import LegacyClaims, LegacyRules, has_legacy_shape
from tests.legacy_tokens.old_application import ACCEPTED, HEADER, NOW, Door, OldApplication, code_of, verify
from tests.support.clerk import Instance, b64url
from tests.support.tables import check_each

OLD = OldApplication()
RULES = LegacyRules(OLD.secret)
DOOR = Door(OLD, Instance())
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PAYLOAD = json.dumps(OLD.claims()).encode()


OTHER_ALGORITHMS: tuple[object, ...] = (
    *("none", "None", "NONE", "nOnE", "hs256", "Hs256", "HS256 ", " HS256", "HS256\u0000", "HS-256"),
    *("HS384", "HS512", "ES256", "PS256", "EdDSA", "dir", "", "\uff28S256"),
    *(None, True, 256, [], ["HS256"], {"HS256": 1}, ...),
)
NOT_STRICT_JSON = (
    *(b"", b"null", b'"HS256"', b'["HS256"]', b'{"alg":"HS256"', b'{"alg":"HS256","alg":"HS256"}'),
    *(b'{"alg":"RS256","alg":"HS256"}', b'{"alg":"HS256","x":{"a":1,"a":2}}', b'{"alg":"HS256","x":NaN}'),
    *(b'{"alg":"HS256","x":' + b"[" * 700, b'\xef\xbb\xbf{"alg":"HS256"}', '{"alg":"HS256"}'.encode("utf-16")),
    '{"alg":"HS256","x":"é"}'.encode("latin-1"),
)


class TestShape:
    @pytest.mark.parametrize(
        "header",
        [
            b'{"alg":"HS256"}',
            b'{"typ":"JWT","alg":"HS256"}',
            b' {"kid": "x",\n "alg" : "HS256", "typ": "JWT" }',
            b'{"alg":"\\u0048S256","cat":"cl_B7d4PD111AAA"}',
        ],
    )
    def test_is_the_algorithm_alone(self, header: bytes) -> None:
        """The rest of the token, good or not, is for the verifier that was chosen."""
        for rest in (".", ".x", ".x.y", ".x.y.z", ".\ud800", "." + "a" * 100_000):
            assert has_legacy_shape(b64url(header).decode() + rest)
        assert not has_legacy_shape(b64url(header).decode())

    def test_every_other_algorithm_is_for_clerk(self) -> None:
        def told(alg: object) -> tuple[bool, str, str]:
            token = OLD.token(headers={"alg": alg})
            return has_legacy_shape(token), DOOR.code(token), code_of(token, RULES)

        refusal = "token-invalid-algorithm"
        check_each(OTHER_ALGORITHMS, told, (False, refusal, refusal))
        assert told("RS256") == (False, "token-invalid-signature", refusal)

    def test_no_strict_json_has_none(self) -> None:
        def told(header: bytes) -> tuple[bool, str, str]:
            token = OLD.sign(header, PAYLOAD)
            return has_legacy_shape(token), DOOR.code(token), code_of(token, RULES)

        check_each(NOT_STRICT_JSON, told, (False, "token-invalid", "token-invalid"))

    def test_looks_at_a_short_header_only(self) -> None:
        def padded(length: int) -> str:
            header = json.dumps(HEADER).encode()
            return b64url(header + b" " * (length * 3 // 4 - len(header))).decode()

        assert len(padded(1024)) == 1024
        assert has_legacy_shape(padded(1024) + ".x.y")
        assert not has_legacy_shape(padded(1028) + ".x.y")
        assert not has_legacy_shape(padded(1024) + "\u0000" * 10_000_000)

    @given(st.one_of(st.text(), st.text(alphabet=ALPHABET + "="), st.text(st.characters(codec=None))))
    def test_never_fails(self, text: str) -> None:
        for token in (text, f"{text}.{text}", f"{text}.{text}.{text}"):
            assert not has_legacy_shape(token)
            assert DOOR.code(token) == code_of(token, RULES) == "token-invalid"


class TestAccepted:
    def test_header(self) -> None:
        """A key id says nothing where there is one secret; unknown members are to be ignored (RFC 7515 4)."""
        headers: tuple[dict[str, Any], ...] = (
            *({}, {"typ": ...}, {"kid": "any"}, {"kid": 7}, {"jku": "https://x.example"}),
        )
        check_each(headers, lambda header: DOOR.code(OLD.token(headers=header)), ACCEPTED)

    def test_claims(self) -> None:
        assert verify(OLD.token(), RULES) == LegacyClaims(7, None, NOW + 900, OLD.claims()["jti"])

    def test_longest(self) -> None:
        start = len(OLD.token(x=""))
        token = OLD.token(x="a" * ((8192 - start) * 3 // 4))
        assert 8189 <= len(token) <= 8192
        assert DOOR.code(token) == ACCEPTED
        assert DOOR.code(OLD.token(x="a" * ((8196 - start) * 3 // 4 + 1))) == "token-invalid"


# Padding, inserted characters, the standard alphabet, bits that the last letter does not use.
RESPELLINGS: tuple[Callable[[str], str], ...] = (
    *(lambda part, end=end: part + end for end in ("=", "==", "A===", "!", "\n", " ", "\x00")),
    *(lambda part, text=text: part[:8] + text + part[8:] for text in (" ", "\t", "\r\n", "#", "?", "é")),
    lambda part: part.replace("-", "+").replace("_", "/"),
    lambda part: part[:-1] + ALPHABET[ALPHABET.index(part[-1]) | 1],
)


class TestForm:
    """One token has one spelling. Each of these has a good MAC over the text as it stands."""

    def test_wrong_number_of_segments(self) -> None:
        parts = OLD.token().split(".") * 2
        check_each((1, 2, 4, 5, 6), lambda count: DOOR.code(".".join(parts[:count])), "token-invalid")

    def test_other_separators(self) -> None:
        header, payload, mac = OLD.token().split(".")
        for dot in ("\u3002", "\uff0e", "\uff61", "%2e", ",", " ", "..", ".\n", ".\x00"):
            tokens = (dot.join((header, payload, mac)), f"{header}.{payload}{dot}{mac}")
            check_each(tokens, DOOR.code, "token-invalid")

    def test_json_serialisation(self) -> None:
        protected, payload, mac = OLD.token().split(".")
        member = {"protected": protected, "signature": mac}
        documents = ({"payload": payload, **member}, {"payload": payload, "signatures": [member]})
        check_each(documents, lambda document: DOOR.code(json.dumps(document)), "token-invalid")

    @pytest.mark.parametrize("segment", [0, 1, 2])
    def test_other_spellings(self, segment: int) -> None:
        for respell in RESPELLINGS:
            token = _change(segment, respell)
            assert DOOR.code(token) == code_of(token, RULES) == "token-invalid", token


class TestHeader:
    def test_unknown_typ(self) -> None:
        types: tuple[object, ...] = (*("jwt", "Jwt", "JWS", "JOSE", "", "JWT ", 7, None, True, ["JWT"], {"a": 1}),)
        check_each(types, lambda typ: DOOR.code(OLD.token(headers={"typ": typ})), "token-invalid")

    def test_other_kinds(self) -> None:
        """Clerk never signs with HS256, so no category of Clerk's is good here."""
        kinds: tuple[dict[str, Any], ...] = (
            *({"typ": "at+jwt"}, {"typ": "application/at+jwt"}),
            *({"cat": cat} for cat in ("cl_B7d4PD111AAA", "cl_I7d4PD111III", "x", "", None, 7)),
        )
        check_each(kinds, lambda header: DOOR.code(OLD.token(headers=header)), "token-type-mismatch")

    def test_extensions(self) -> None:
        extensions: tuple[dict[str, Any], ...] = (
            *({"crit": crit} for crit in ([], ["b64"], ["exp"], "b64", None, ["https://example.invalid/x"])),
            *({"b64": False}, {"b64": True}, {"crit": ["b64"], "b64": False}, {"crit": ["exp"], "exp": 1}),
        )
        check_each(extensions, lambda header: DOOR.code(OLD.token(headers=header)), "token-invalid")


class TestRules:
    @pytest.mark.parametrize("size", [0, 1, 31])
    def test_no_short_secret(self, size: int) -> None:
        """An empty setting is the empty key, with which everybody can sign."""
        with pytest.raises(ValueError, match="too short"):
            LegacyRules(b"x" * size)

    def test_secret_stays_out_of_their_text(self) -> None:
        assert repr(OLD.secret)[2:-1] not in repr(RULES)
        assert "secret" not in repr(RULES)


def _change(segment: int, respell: Callable[[str], str]) -> str:
    """A token with one segment respelled, with a MAC over the new spelling where the segment is a signed one."""
    filling = {"x": "ÿþ~~?ÿ"}  # brings - and _ into the base64
    header, payload = (
        document + b" " * ((1 - len(document)) % 3)  # four unused bits at the end
        for document in (
            json.dumps(members, ensure_ascii=False).encode() for members in (HEADER | filling, OLD.claims(**filling))
        )
    )
    while True:
        parts = OLD.sign(header, payload).split(".")
        if all("-" in part or "_" in part for part in parts):
            break
        payload += b"   "
    changed = [respell(part) if number == segment else part for number, part in enumerate(parts)]
    assert changed != parts
    if segment == 2:
        return ".".join(changed)
    return OLD.sign_parts(changed[0].encode(), changed[1].encode())
