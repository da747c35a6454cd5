"""Tokens that want to be taken for something else: by algorithm, by kind, by a key they bring along."""

import hmac
import itertools
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
from tests.support.database import Sql
from tests.support.server import Server


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


def _signer(clerk: Instance, name: str) -> Callable[[bytes], bytes]:
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[name[2:]]
    scheme = padding.PKCS1v15() if name.startswith("RS") else padding.PSS(padding.MGF1(digest), 32)
    return lambda signed: clerk.key.sign(signed, scheme, digest)


ALGORITHMS: tuple[object, ...] = (
    *("none", "None", "NONE", "nOnE", "none ", "", " ", "null", "rs256", "RS256 ", "\u0000RS256"),
    *("RSA", "RS1", "EdDSA", "ES256K", "dir", "RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW"),
    *(None, True, 0, [], ["RS256"], {"RS256": 1}, ...),
)
MADE_UP = (b"", bytes(256), b"\xff" * 256, b"\0" * 255 + b"\1", bytes(255), bytes(257), bytes(4096))


class TestAlgorithm:
    def test_public_key_as_secret(self, attacker: Attacker, clerk: Instance) -> None:
        def token(case: tuple[str, str]) -> str:
            form, algorithm = case
            secret, digest = PUBLIC_KEY_AS_SECRET[form](clerk), algorithm.replace("HS", "sha")
            return _token(clerk, {"alg": algorithm}, lambda signed: hmac.digest(secret, signed, digest))

        cases = itertools.product(PUBLIC_KEY_AS_SECRET, ("HS256", "HS384", "HS512"))
        attacker.are_refused(cases, token, "token-invalid-algorithm")

    def test_name(self, attacker: Attacker, clerk: Instance) -> None:
        """Also under a signature that would be good: the name alone decides."""

        def signed(name: object) -> str:
            return clerk.token(headers={"alg": name})

        attacker.are_refused(ALGORITHMS, signed, "token-invalid-algorithm")
        attacker.are_refused(ALGORITHMS, lambda name: signed(name).rpartition(".")[0] + ".", "token-invalid-algorithm")

    def test_our_key_under_another_algorithm(self, attacker: Attacker, clerk: Instance) -> None:
        """Whether the header tells of it or not."""
        names = ("RS384", "RS512", "PS256")
        attacker.are_refused(
            names, lambda name: _token(clerk, {"alg": name}, _signer(clerk, name)), "token-invalid-algorithm"
        )
        attacker.are_refused(names, lambda name: _token(clerk, {}, _signer(clerk, name)), "token-invalid-signature")

    def test_ecdsa_of_zeros(self, attacker: Attacker, clerk: Instance) -> None:
        """r = s = 0 was good for every key and text (CVE-2022-21449)."""
        attacker.are_refused(
            ("ES256", "ES384", "ES512"),
            lambda name: _token(clerk, {"alg": name}, lambda _: bytes(64)),
            "token-invalid-algorithm",
        )

    def test_made_up_signature(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.are_refused(
            MADE_UP, lambda signature: _token(clerk, {}, lambda _: signature), "token-invalid-signature"
        )


KINDS: tuple[dict[str, Any], ...] = (
    *({"cat": f"cl_B7d4PD{kind}"} for kind in ("222AAA", "333AAA", "111AAA ")),
    *({"cat": cat} for cat in ("cl_b7d4pd111aaa", "tomorrow", "", None, 7, ["cl_B7d4PD111AAA"])),
    *({"cat": {"cl_B7d4PD111AAA": 1}}, {"typ": "at+jwt"}, {"typ": "application/at+jwt"}),
)


class TestKind:
    """A JWT template's token outlives its session, a machine's has no user: both are signed with the same key."""

    def test_header(self, attacker: Attacker, clerk: Instance) -> None:
        attacker.are_refused(KINDS, lambda header: clerk.token(headers=header), "token-type-mismatch")

    def test_machine(self, attacker: Attacker, clerk: Instance) -> None:
        """Whether Clerk marks its tokens with a category or not."""

        def token(cat: object) -> str:
            return clerk.token(headers={"cat": cat}, sub="mch_2xhFjEI5X2qWRvtV13BzSj8H6Dk")

        unmarked = (..., "cl_I7d4PD111III")
        attacker.are_refused(unmarked, token, "token-type-mismatch")
        attacker.are_refused(unmarked, lambda cat: forge(token(cat)), "token-type-mismatch")

    def test_no_key_is_fetched_for_one(
        self, clerk: Instance, key_server: KeyServer, refetching_server: Server, sql: Sql
    ) -> None:
        asked = len(key_server.requests)
        changes: tuple[dict[str, Any], ...] = (
            *({"headers": {"cat": "cl_B7d4PD333AAA"}}, {"headers": {"typ": "at+jwt"}}, {"sub": "mch_1"}),
        )
        attacker = Attacker(refetching_server, sql)
        attacker.are_refused(changes, lambda change: clerk.token(**change), "token-type-mismatch")
        assert len(key_server.requests) == asked


KEY_IDS = (
    *("../../../../../../dev/null", "/proc/sys/kernel/randomize_va_space", "file:///dev/null"),
    *("http://127.0.0.1:9/", "' OR '1'='1", "x'; SELECT pg_sleep(5); --", "$(sleep 5)", "\u0000", "\ud800"),
    *("%s%s%s{0}", "", "__proto__", "k" * 256),
)


@pytest.fixture
def listener() -> Iterator[KeyServer]:
    """The attacker's own key server. Nobody may call it."""
    with KeyServer() as running:
        yield running


class TestBroughtAlong:
    @pytest.mark.parametrize("names_our_key", [True, False])
    def test_key(
        self, attacker: Attacker, clerk: Instance, listener: KeyServer, refetching_server: Server, names_our_key: bool
    ) -> None:
        stranger = Instance()
        kid = clerk.kid if names_our_key else stranger.kid
        listener.serve(stranger.jwk, {**stranger.jwk, "kid": clerk.kid})
        brought: dict[str, object] = {
            **dict.fromkeys(("jku", "x5u", "x5t", "issuer"), listener.url),
            "jwk": {**stranger.jwk, "kid": kid},
            "x5c": [stranger.pem],
            "jwks": {"keys": [stranger.jwk]},
            "keys": [stranger.jwk],
        }

        def token(member: str) -> str:
            return stranger.token(headers={"kid": kid, member: brought[member]}, iss=clerk.issuer)

        attacker.are_refused(brought, token, "token-invalid-signature")
        by_jwks = Attacker(refetching_server, attacker.sql)
        by_jwks.are_refused(brought, token, "token-invalid-signature" if names_our_key else "jwk-kid-mismatch")
        assert listener.requests == []

    def test_key_id(self, clerk: Instance, refetching_server: Server, sql: Sql) -> None:
        """A key id is looked up in the set, and nowhere else."""
        attacker = Attacker(refetching_server, sql)
        for kid in KEY_IDS:
            started_at = time.monotonic()
            attacker.is_refused(clerk.token(headers={"kid": kid}), "jwk-kid-mismatch")
            assert time.monotonic() - started_at < 2, kid
