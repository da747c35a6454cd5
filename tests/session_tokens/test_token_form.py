"""The outside of a token: segments, encoding, header. Everything here is refused before a key matters."""

import json
from collections.abc import Callable

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

BOM = b"\xef\xbb\xbf"


class TestSegments:
    @pytest.mark.parametrize(
        "token",
        [
            "x",
            ".",
            "..",
            "...",
            "a.b.c",
            "null",
            "{}",
            "." * 8000,
            "é.é.é",
            "\u3002".join(["eyJhIjoxfQ"] * 3),
        ],
        ids=[
            "word",
            "dot",
            "dots-2",
            "dots-3",
            "letters",
            "null",
            "object",
            "dots-8000",
            "latin",
            "ideographic",
        ],
    )
    def test_not_a_jwt(self, attacker: Attacker, token: str) -> None:
        attacker.is_refused(token, "token-invalid")

    @pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
    def test_wrong_number(self, attacker: Attacker, clerk: Instance, count: int) -> None:
        """Five are an encrypted token (JWE), of which nothing is ever decrypted."""
        parts = (clerk.token().split(".") * 2)[:count]
        attacker.is_refused(".".join(parts), "token-invalid")

    @pytest.mark.parametrize("dot", ["\u3002", "\uff0e", "\uff61", "%2e", ",", ":", " ", "\t"])
    def test_other_separators(self, attacker: Attacker, clerk: Instance, dot: str) -> None:
        attacker.is_refused(clerk.token().replace(".", dot), "token-invalid")

    @pytest.mark.parametrize("is_flattened", [True, False])
    def test_json_serialisation(self, attacker: Attacker, clerk: Instance, is_flattened: bool) -> None:
        protected, payload, signature = clerk.token().split(".")
        member = {"protected": protected, "signature": signature}
        document = {"payload": payload, **(member if is_flattened else {"signatures": [member]})}
        attacker.is_refused(json.dumps(document), "token-invalid")

    def test_empty_signature(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.is_refused(clerk.token().rpartition(".")[0] + ".", "token-invalid-signature")

    def test_empty_payload(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.is_refused(sign_payload(clerk, b""), "token-invalid-claims")


class TestEncoding:
    """One token has one spelling. Each of these is correctly signed over the text as it stands."""

    @pytest.mark.parametrize("segment", [0, 1, 2])
    @pytest.mark.parametrize("text", ["=", "==", "!", "%3D", "A==="])
    def test_trailing(self, attacker: Attacker, clerk: Instance, segment: int, text: str) -> None:
        attacker.is_refused(_change(clerk, segment, lambda part: part + text), "token-invalid")

    @pytest.mark.parametrize("segment", [0, 1, 2])
    @pytest.mark.parametrize("text", [" ", "\t", "#", "\u00a0"], ids=repr)
    def test_inserted(self, attacker: Attacker, clerk: Instance, segment: int, text: str) -> None:
        attacker.is_refused(_change(clerk, segment, lambda part: part[:8] + text + part[8:]), "token-invalid")

    @pytest.mark.parametrize("segment", [0, 1, 2])
    def test_standard_alphabet(self, attacker: Attacker, clerk: Instance, segment: int) -> None:
        other = {"-": "+", "_": "/"}
        token = _change(clerk, segment, lambda part: "".join(other.get(letter, letter) for letter in part))
        assert "+" in token or "/" in token
        attacker.is_refused(token, "token-invalid")

    @pytest.mark.parametrize("segment", [0, 1, 2])
    def test_unused_bits(self, attacker: Attacker, clerk: Instance, segment: int) -> None:
        attacker.is_refused(_change(clerk, segment, _set_unused_bit), "token-invalid")

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n ", b"\x0b", b"\x00"], ids=repr)
    def test_broken_lines(self, server: Server, clerk: Instance, line_end: bytes) -> None:
        """gunicorn refuses them itself; no spelling may reach a handler as the good token."""
        head, tail = clerk.token().encode().split(b".", 1)
        answer = send_raw(server, b"Authorization: Bearer " + head + b"." + line_end + tail)
        assert 400 <= answer.status_code < 500
        assert tail.decode() not in answer.text


class TestHeader:
    @pytest.mark.parametrize(
        "header",
        [
            b"",
            b"null",
            b"[]",
            b'"RS256"',
            b"{",
            b"\xff\xfe{}",
            b'{"alg":"RS256"',
            b'{"alg":"RS256","kid":NaN}',
            b'{"alg":"RS256","x":' + b"9" * 5000 + b"}",
            b'{"alg":"RS256","x":' + b"[" * 4000 + b"]" * 400 + b"}",
            b'{"alg":"RS256","x":' + b'{"a":' * 900,
            BOM + json.dumps(GOOD_HEADER).encode(),
            json.dumps(GOOD_HEADER).encode("utf-16"),
            json.dumps(GOOD_HEADER | {"x": "é"}, ensure_ascii=False).encode("latin-1"),
            b'{"alg":"RS256","alg":"RS256"}',
            b'{"alg":"none","typ":"JWT","alg":"RS256"}',
            b'{"alg":"RS256","x":{"a":1,"a":2}}',
        ],
        ids=lambda header: repr(header[:40]),
    )
    def test_not_strict_json(self, attacker: Attacker, clerk: Instance, header: bytes) -> None:
        attacker.is_refused(sign_header(clerk, header), "token-invalid")

    @pytest.mark.parametrize(
        "typ", ["jwt", "JWS", "JOSE", "", "JWT ", 7, None, True, ["JWT"], {"a": 1}], ids=repr
    )
    def test_unknown_typ(self, attacker: Attacker, clerk: Instance, typ: object) -> None:
        attacker.is_refused(clerk.token(headers={"typ": typ}), "token-invalid")

    @pytest.mark.parametrize(
        "extension",
        [
            {"crit": ["exp"], "exp": 1},
            {"crit": ["b64"], "b64": True},
            {"crit": ["b64"], "b64": False},
            {"crit": []},
            {"crit": "b64"},
            {"crit": None},
            {"crit": ["http://example.invalid/UNDEFINED"]},
            {"b64": False},
            {"b64": True},
        ],
        ids=json.dumps,
    )
    def test_extensions(self, attacker: Attacker, clerk: Instance, extension: dict[str, object]) -> None:
        """RFC 7515 4.1.11: what is not understood makes the token invalid, also where a signature is good."""
        attacker.is_refused(clerk.token(headers=extension), "token-invalid")

    @pytest.mark.parametrize("kid", [7, True, [], ["a"], {"a": 1}, "k" * 257], ids=lambda kid: repr(kid)[:20])
    def test_kid_that_is_no_short_text(self, attacker: Attacker, clerk: Instance, kid: object) -> None:
        attacker.is_refused(clerk.token(headers={"kid": kid}), "token-invalid")


class TestLength:
    def test_beyond_the_limit(self, attacker: Attacker, clerk: Instance) -> None:
        token = _token_of_length(clerk, 8193)
        attacker.is_refused(token, "token-invalid")

    def test_at_the_limit(self, server: Server, clerk: Instance) -> None:
        assert server.get("/auth/me", _token_of_length(clerk, 8192)).status_code == 200

    @pytest.mark.parametrize("length", [20_000, 1_000_000])
    def test_beyond_what_gunicorn_reads(self, server: Server, length: int) -> None:
        answer = send_raw(server, b"Authorization: Bearer " + b"a" * length)
        assert answer.status_code in {400, 431}
        assert "aaaa" not in answer.text
        assert "aaaa" not in server.log.read_text()


class TestNesting:
    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_signed(self, attacker: Attacker, clerk: Instance, opening: str) -> None:
        token = sign_payload(clerk, claims_with(clerk, "x", opening * (4000 // len(opening))))
        attacker.is_refused(token, "token-invalid-claims")

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
