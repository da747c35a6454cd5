"""The outside of a token: segments, encoding, header. Everything here is refused before a key matters."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.attacks import (
    GOOD_HEADER,
    Attacker,
    claims_with,
    forge,
    send_raw,
    sign_header,
    sign_parts,
    sign_payload,
)
from tests.support.clerk import Instance, b64url
from tests.support.server import Server


class TestSegments:
    def test_not_a_jwt(self, attacker: Attacker) -> None:
        words = ("x", ".", "..", "...", "a.b.c", "null", "{}", "." * 8000, "é.é.é")
        attacker.are_refused((*words, "\u3002".join(["eyJhIjoxfQ"] * 3)), str, "token-invalid")

    def test_wrong_number(self, attacker: Attacker, clerk: Instance) -> None:
        """Five are an encrypted token (JWE), of which nothing is ever decrypted."""
        parts = clerk.token().split(".") * 2
        attacker.are_refused((1, 2, 4, 5, 6), lambda count: ".".join(parts[:count]), "token-invalid")

    def test_other_separators(self, attacker: Attacker, clerk: Instance) -> None:
        dots = ("\u3002", "\uff0e", "\uff61", "%2e", ",", ":", " ", "\t")
        attacker.are_refused(dots, lambda dot: clerk.token().replace(".", dot), "token-invalid")

    def test_json_serialisation(self, attacker: Attacker, clerk: Instance) -> None:
        protected, payload, signature = clerk.token().split(".")
        member = {"protected": protected, "signature": signature}
        documents = ({"payload": payload, **member}, {"payload": payload, "signatures": [member]})
        attacker.are_refused(documents, json.dumps, "token-invalid")

    def test_empty(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.is_refused(clerk.token().rpartition(".")[0] + ".", "token-invalid-signature")
        attacker.is_refused(sign_payload(clerk, b""), "token-invalid-claims")


class TestEncoding:
    """One token has one spelling. Each of these is correctly signed over the text as it stands."""

    @pytest.mark.parametrize("segment", [0, 1, 2])
    def test_other_spellings(self, attacker: Attacker, clerk: Instance, segment: int) -> None:
        def trailing(text: str) -> str:
            return _change(clerk, segment, lambda part: part + text)

        def inserted(text: str) -> str:
            return _change(clerk, segment, lambda part: part[:8] + text + part[8:])

        attacker.are_refused(("=", "==", "!", "%3D", "A==="), trailing, "token-invalid")
        attacker.are_refused((" ", "\t", "#", "\u00a0"), inserted, "token-invalid")
        attacker.is_refused(_change(clerk, segment, _set_unused_bit), "token-invalid")

    @pytest.mark.parametrize("segment", [0, 1, 2])
    def test_standard_alphabet(self, attacker: Attacker, clerk: Instance, segment: int) -> None:
        token = _change(clerk, segment, lambda part: part.replace("-", "+").replace("_", "/"))
        assert "+" in token or "/" in token
        attacker.is_refused(token, "token-invalid")

    def test_broken_lines(self, server: Server, clerk: Instance) -> None:
        """gunicorn refuses them itself; no spelling may reach a handler as the good token."""
        for line_end in (b"\n", b"\r\n ", b"\x0b", b"\x00"):
            head, tail = clerk.token().encode().split(b".", 1)
            answer = send_raw(server, b"Authorization: Bearer " + head + b"." + line_end + tail)
            assert 400 <= answer.status_code < 500
            assert tail.decode() not in answer.text


NOT_STRICT_JSON = (
    *(b"", b"null", b"[]", b'"RS256"', b"{", b"\xff\xfe{}", b'{"alg":"RS256"', b'{"alg":"RS256","kid":NaN}'),
    b'{"alg":"RS256","x":' + b"9" * 5000 + b"}",
    b'{"alg":"RS256","x":' + b"[" * 4000 + b"]" * 400 + b"}",
    b'{"alg":"RS256","x":' + b'{"a":' * 900,
    b"\xef\xbb\xbf" + json.dumps(GOOD_HEADER).encode(),
    json.dumps(GOOD_HEADER).encode("utf-16"),
    json.dumps(GOOD_HEADER | {"x": "é"}, ensure_ascii=False).encode("latin-1"),
    *(b'{"alg":"RS256","alg":"RS256"}', b'{"alg":"none","typ":"JWT","alg":"RS256"}'),
    b'{"alg":"RS256","x":{"a":1,"a":2}}',
)
EXTENSIONS: tuple[dict[str, Any], ...] = (
    *({"crit": crit} for crit in ([], "b64", None, ["http://example.invalid/UNDEFINED"])),
    *({"crit": ["exp"], "exp": 1}, {"crit": ["b64"], "b64": True}, {"crit": ["b64"], "b64": False}),
    *({"b64": False}, {"b64": True}),
)


class TestHeader:
    def test_not_strict_json(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.are_refused(NOT_STRICT_JSON, lambda header: sign_header(clerk, header), "token-invalid")

    def test_unknown_typ(self, attacker: Attacker, clerk: Instance) -> None:
        types: tuple[object, ...] = ("jwt", "JWS", "JOSE", "", "JWT ", 7, None, True, ["JWT"], {"a": 1})
        attacker.are_refused(types, lambda typ: clerk.token(headers={"typ": typ}), "token-invalid")

    def test_extensions(self, attacker: Attacker, clerk: Instance) -> None:
        """RFC 7515 4.1.11: what is not understood makes the token invalid, also where a signature is good."""
        attacker.are_refused(EXTENSIONS, lambda extension: clerk.token(headers=extension), "token-invalid")

    def test_kid_that_is_no_short_text(self, attacker: Attacker, clerk: Instance) -> None:
        kids: tuple[object, ...] = (7, True, [], ["a"], {"a": 1}, "k" * 257)
        attacker.are_refused(kids, lambda kid: clerk.token(headers={"kid": kid}), "token-invalid")


class TestLength:
    def test_limit(self, attacker: Attacker, server: Server, clerk: Instance) -> None:
        attacker.is_refused(_token_of_length(clerk, 8193), "token-invalid")
        assert server.get("/auth/me", _token_of_length(clerk, 8192)).status_code == 200

    @pytest.mark.parametrize("length", [20_000, 1_000_000])
    def test_beyond_what_gunicorn_reads(self, server: Server, length: int) -> None:
        answer = send_raw(server, b"Authorization: Bearer " + b"a" * length)
        assert answer.status_code in {400, 431}
        assert "a" * 20 not in answer.text
        assert "a" * 20 not in server.log.read_text()


class TestNesting:
    def test_signed(self, attacker: Attacker, clerk: Instance) -> None:
        def token(opening: str) -> str:
            return sign_payload(clerk, claims_with(clerk, "x", opening * (4000 // len(opening))))

        attacker.are_refused(("[", '{"a":'), token, "token-invalid-claims")

    def test_unsigned(self, attacker: Attacker, clerk: Instance) -> None:
        """A payload is looked into before the signature is checked, to sort out machine tokens."""
        attacker.is_refused(forge(sign_payload(clerk, b"[" * 4000)), "token-invalid-signature")


def _change(clerk: Instance, segment: int, change: Callable[[str], str]) -> str:
    """A token with one segment respelled, signed over the new spelling where the segment is a signed one."""
    # The text brings - and _ into the base64, the spaces unused bits into both segments.
    header, payload = (
        _pad(json.dumps(document, ensure_ascii=False).encode())
        for document in ({**GOOD_HEADER, "kid": clerk.kid, "x": "ÿþ~~?ÿ"}, clerk.claims(x="ÿþ~~?ÿ"))
    )
    while True:
        parts = [b64url(header).decode(), b64url(payload).decode()]
        signature = sign_parts(clerk, parts[0].encode(), parts[1].encode()).rpartition(".")[2]
        if "-" in signature or "_" in signature:
            break
        payload += b"   "
    if segment == 2:
        return ".".join([*parts, change(signature)])
    parts[segment] = change(parts[segment])
    return sign_parts(clerk, parts[0].encode(), parts[1].encode())


def _pad(document: bytes) -> bytes:
    return document + b" " * ((1 - len(document)) % 3)


def _set_unused_bit(part: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 == 2, "the last letter carries four unused bits"
    return part[:-1] + alphabet[alphabet.index(part[-1]) | 1]


def _token_of_length(clerk: Instance, length: int) -> str:
    """Exactly so long. Base64 grows in steps of 4 for 3 bytes, so a padded header fills the gap."""
    for spaces in range(3):
        header = json.dumps({**GOOD_HEADER, "kid": clerk.kid}).encode() + b" " * spaces
        for filling in range(5400, 5900):
            payload_length = len(json.dumps(clerk.claims(x="")).encode()) + filling
            if len(b64url(header)) + len(b64url(b"a" * payload_length)) + 344 == length:
                return clerk.sign(header, json.dumps(clerk.claims(x="a" * filling)).encode())
    raise AssertionError("no filling gives this length")
