"""Tokens that want to be taken for something else: by algorithm, by kind, by a key they bring along."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.attacks import GOOD_HEADER, Attacker, forge
from tests.support.clerk import Instance, KeyServer, b64url

HASHES: dict[str, Callable[..., Any]] = {
    "HS256": hashlib.sha256,
    "HS384": hashlib.sha384,
    "HS512": hashlib.sha512,
}


def _pem(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# Every form in which a public key is published: who takes one for an HMAC secret believes everybody.
PUBLIC_KEY_AS_SECRET: dict[str, Callable[[Instance], bytes]] = {
    "pem": lambda clerk: _pem(clerk.key.public_key()),
    "pem-stripped": lambda clerk: _pem(clerk.key.public_key()).strip(),
    "pem-crlf": lambda clerk: _pem(clerk.key.public_key()).replace(b"\n", b"\r\n"),
    "pem-escaped": lambda clerk: _pem(clerk.key.public_key()).replace(b"\n", b"\\n"),
    "pem-bom": lambda clerk: b"\xef\xbb\xbf" + _pem(clerk.key.public_key()),
    "pem-body": lambda clerk: b"".join(_pem(clerk.key.public_key()).splitlines()[1:-1]),
    "pem-pkcs1": lambda clerk: clerk.key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    "der": lambda clerk: clerk.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "der-pkcs1": lambda clerk: clerk.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
    "ssh": lambda clerk: clerk.key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    "jwk": lambda clerk: json.dumps(clerk.jwk).encode(),
    "jwk-compact": lambda clerk: json.dumps(clerk.jwk, separators=(",", ":"), sort_keys=True).encode(),
    "jwks": lambda clerk: json.dumps({"keys": [clerk.jwk]}).encode(),
    "modulus": lambda clerk: str(clerk.jwk["n"]).encode(),
    "kid": lambda clerk: clerk.kid.encode(),
    "empty": lambda _: b"",
}


def _token(clerk: Instance, header: dict[str, object], sign: Callable[[bytes], bytes]) -> str:
    protected = json.dumps({**GOOD_HEADER, "kid": clerk.kid, **header}).encode()
    signed = b64url(protected) + b"." + b64url(json.dumps(clerk.claims()).encode())
    return (signed + b"." + b64url(sign(signed))).decode()


class TestAlgorithm:
    @pytest.mark.parametrize("algorithm", list(HASHES))
    @pytest.mark.parametrize("form", list(PUBLIC_KEY_AS_SECRET))
    def test_public_key_as_secret(
        self, attacker: Attacker, clerk: Instance, form: str, algorithm: str
    ) -> None:
        secret = PUBLIC_KEY_AS_SECRET[form](clerk)
        token = _token(
            clerk, {"alg": algorithm}, lambda signed: hmac.digest(secret, signed, HASHES[algorithm])
        )
        attacker.is_refused(token, "token-invalid-algorithm")

    @pytest.mark.parametrize(
        "name",
        [
            *("none", "None", "NONE", "nOnE", "none ", "", " ", "null", "rs256", "RS256 ", "\u0000RS256"),
            *("RSA", "RS1", "EdDSA", "ES256K", "dir", "RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW"),
            *(None, True, 0, [], ["RS256"], {"RS256": 1}, ...),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("is_signed", [True, False])
    def test_name(self, attacker: Attacker, clerk: Instance, name: object, is_signed: bool) -> None:
        """Also under a signature that would be good: the name alone decides."""
        token = clerk.token(headers={"alg": name})
        if not is_signed:
            token = token.rpartition(".")[0] + "."
        attacker.is_refused(token, "token-invalid-algorithm")

    @pytest.mark.parametrize("name", ["RS384", "RS512", "PS256"])
    def test_our_key_under_another_algorithm(self, attacker: Attacker, clerk: Instance, name: str) -> None:
        attacker.is_refused(_token(clerk, {"alg": name}, _signer(clerk, name)), "token-invalid-algorithm")

    @pytest.mark.parametrize("name", ["RS384", "RS512", "PS256"])
    def test_signature_of_another_algorithm(self, attacker: Attacker, clerk: Instance, name: str) -> None:
        attacker.is_refused(_token(clerk, {}, _signer(clerk, name)), "token-invalid-signature")

    @pytest.mark.parametrize("name", ["ES256", "ES384", "ES512"])
    def test_ecdsa_of_zeros(self, attacker: Attacker, clerk: Instance, name: str) -> None:
        """r = s = 0 was good for every key and text (CVE-2022-21449)."""
        attacker.is_refused(_token(clerk, {"alg": name}, lambda _: bytes(64)), "token-invalid-algorithm")

    @pytest.mark.parametrize(
        "signature",
        [b"", bytes(256), b"\xff" * 256, b"\0" * 255 + b"\1", bytes(255), bytes(257), bytes(4096)],
    )
    def test_made_up_signature(self, attacker: Attacker, clerk: Instance, signature: bytes) -> None:
        attacker.is_refused(_token(clerk, {}, lambda _: signature), "token-invalid-signature")


def _signer(clerk: Instance, name: str) -> Callable[[bytes], bytes]:
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[name[2:]]
    scheme = padding.PKCS1v15() if name.startswith("RS") else padding.PSS(padding.MGF1(digest), 32)
    return lambda signed: clerk.key.sign(signed, scheme, digest)


class TestKind:
    """A JWT template's token outlives its session, a machine's has no user: both are signed with the same key."""

    @pytest.mark.parametrize(
        "header",
        [
            {"cat": "cl_B7d4PD222AAA"},
            {"cat": "cl_B7d4PD333AAA"},
            {"cat": "cl_b7d4pd111aaa"},
            {"cat": "cl_B7d4PD111AAA "},
            {"cat": "tomorrow"},
            {"cat": ""},
            {"cat": None},
            {"cat": 7},
            {"cat": ["cl_B7d4PD111AAA"]},
            {"cat": {"cl_B7d4PD111AAA": 1}},
            {"typ": "at+jwt"},
            {"typ": "application/at+jwt"},
        ],
        ids=json.dumps,
    )
    def test_header(self, attacker: Attacker, clerk: Instance, header: dict[str, object]) -> None:
        attacker.is_refused(clerk.token(headers=header), "token-type-mismatch")

    @pytest.mark.parametrize("cat", [..., "cl_I7d4PD111III"], ids=["unmarked", "ignored"])
    @pytest.mark.parametrize("is_forged", [True, False])
    def test_machine(self, attacker: Attacker, clerk: Instance, cat: object, is_forged: bool) -> None:
        token = clerk.token(headers={"cat": cat}, sub="mch_2xhFjEI5X2qWRvtV13BzSj8H6Dk")
        attacker.is_refused(forge(token) if is_forged else token, "token-type-mismatch")

    def test_no_key_is_fetched_for_one(
        self, attacker: Attacker, clerk: Instance, key_server: KeyServer, refetching_server: Any
    ) -> None:
        attacker.server = refetching_server
        asked = len(key_server.requests)
        for token in (
            clerk.token(headers={"cat": "cl_B7d4PD333AAA"}),
            clerk.token(headers={"typ": "at+jwt"}),
            clerk.token(sub="mch_1"),
        ):
            attacker.is_refused(token, "token-type-mismatch")
        assert len(key_server.requests) == asked


@pytest.fixture(scope="module")
def listener() -> Iterator[KeyServer]:
    """The attacker's own key server. Nobody may call it."""
    with KeyServer() as running:
        yield running


class TestBroughtAlong:
    @pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "x5t", "jwks", "keys", "issuer"])
    @pytest.mark.parametrize("mode", ["pem", "jwks"])
    @pytest.mark.parametrize("names_our_key", [True, False])
    def test_key(
        self,
        attacker: Attacker,
        clerk: Instance,
        listener: KeyServer,
        refetching_server: Any,
        member: str,
        mode: str,
        names_our_key: bool,
    ) -> None:
        stranger = Instance()
        listener.serve(stranger.jwk, {**stranger.jwk, "kid": clerk.kid})
        kid = clerk.kid if names_our_key else stranger.kid
        value = {
            "jwk": {**stranger.jwk, "kid": kid},
            "jku": listener.url,
            "x5u": listener.url,
            "x5c": [stranger.pem],
            "jwks": {"keys": [stranger.jwk]},
            "keys": [stranger.jwk],
        }.get(member, listener.url)
        token = stranger.token(headers={"kid": kid, member: value}, iss=clerk.issuer)
        if mode == "jwks":
            attacker.server = refetching_server
        is_found = names_our_key or mode == "pem"
        attacker.is_refused(token, "token-invalid-signature" if is_found else "jwk-kid-mismatch")
        assert listener.requests == []

    @pytest.mark.parametrize(
        "kid",
        [
            "../../../../../../dev/null",
            "/proc/sys/kernel/randomize_va_space",
            "file:///dev/null",
            "http://127.0.0.1:9/",
            "' OR '1'='1",
            "x'; SELECT pg_sleep(5); --",
            "$(sleep 5)",
            "\u0000",
            "\ud800",
            "%s%s%s{0}",
            "",
            "__proto__",
            "k" * 256,
        ],
        ids=lambda kid: repr(kid)[:30],
    )
    def test_key_id(self, attacker: Attacker, clerk: Instance, refetching_server: Any, kid: str) -> None:
        """A key id is looked up in the set, and nowhere else."""
        attacker.server = refetching_server
        started_at = time.monotonic()
        attacker.is_refused(clerk.token(headers={"kid": kid}), "jwk-kid-mismatch")
        assert time.monotonic() - started_at < 2
