"""Which members of a key set may verify a token. An unfit one counts for nothing and spoils nothing."""

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.support.attacks import GOOD_HEADER, PATH, Attacker, check_refusal
from tests.support.clerk import Instance, KeyServer, b64url
from tests.support.database import Sql
from tests.support.server import Server

EC_KEY = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}
EC_KEY["y"] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
NO_MAPPING: list[Any] = [None, True, 7, "x", [], ["kid"], {}, [{}]]


def _weak_key(bits: int, exponent: int = 65_537) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, bits)


class TestUnfitMember:
    """Each of these has a private key that signs correctly, and would do so for an attacker who found it out."""

    @pytest.mark.parametrize(
        "change",
        [
            {"use": "enc"},
            {"use": ""},
            {"use": None},
            {"use": ["sig"]},
            {"key_ops": ["encrypt"]},
            {"key_ops": []},
            {"key_ops": ["sign"]},
            {"key_ops": "verify"},
            {"key_ops": None},
            {"alg": "RS512"},
            {"alg": "PS256"},
            {"alg": "RSA1_5"},
            {"alg": "HS256"},
            {"alg": None},
            {"kty": "rsa"},
            {"kty": "oct", "k": "AAAA"},
            {"kty": None},
            {"e": "Aw"},
            {"e": ""},
            {"e": 65_537},
            {"e": None},
            {"n": None},
            {"n": ""},
            {"n": 7},
            {"n": "é"},
        ],
        ids=json.dumps,
    )
    def test_change(
        self,
        refetching_server: Server,
        key_server: KeyServer,
        sql: Sql,
        clerk: Instance,
        change: dict[str, Any],
    ) -> None:
        unfit = Instance()
        key_server.serve({**unfit.jwk, **change}, clerk.jwk)
        attacker = Attacker(refetching_server, sql)
        attacker.is_refused(unfit.token(iss=clerk.issuer), "jwk-kid-mismatch")
        assert refetching_server.get(PATH, clerk.token()).status_code == 200

    @pytest.mark.parametrize(("bits", "exponent"), [(1024, 65_537), (2040, 65_537), (2048, 3)])
    def test_weak(
        self,
        refetching_server: Server,
        key_server: KeyServer,
        sql: Sql,
        clerk: Instance,
        bits: int,
        exponent: int,
    ) -> None:
        weak = Instance()
        weak.key = _weak_key(bits, exponent)
        key_server.serve(weak.jwk, clerk.jwk)
        attacker = Attacker(refetching_server, sql)
        attacker.is_refused(weak.token(iss=clerk.issuer), "jwk-kid-mismatch")
        assert refetching_server.get(PATH, clerk.token()).status_code == 200

    def test_exponent_one(
        self, refetching_server: Server, key_server: KeyServer, sql: Sql, clerk: Instance
    ) -> None:
        """A signature under e = 1 is the padded digest itself: everybody can write it."""
        key_server.serve({**Instance().jwk, "kid": "one", "e": "AQ"}, clerk.jwk)
        header = json.dumps({**GOOD_HEADER, "kid": "one"}).encode()
        signed = b64url(header) + b"." + b64url(json.dumps(clerk.claims()).encode())
        info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed).digest()
        signature = b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info
        token = (signed + b"." + b64url(signature)).decode()
        Attacker(refetching_server, sql).is_refused(token, "jwk-kid-mismatch")

    @pytest.mark.parametrize("kid", [None, "", 7, ["x"], ...], ids=repr)
    def test_without_a_name(
        self, refetching_server: Server, key_server: KeyServer, sql: Sql, clerk: Instance, kid: object
    ) -> None:
        nameless = Instance()
        jwk = {name: value for name, value in {**nameless.jwk, "kid": kid}.items() if value is not ...}
        key_server.serve(jwk, clerk.jwk)
        token = nameless.token(headers={"kid": kid if isinstance(kid, str) else ...}, iss=clerk.issuer)
        answer = refetching_server.get(PATH, token)
        assert answer.json()["code"] in {"jwk-kid-mismatch", "token-invalid-signature"}
        assert sql.value("SELECT count(*) FROM users") == 0
        assert refetching_server.get(PATH, clerk.token()).status_code == 200


class TestFitMember:
    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"use": ...},
            {"alg": ...},
            {"use": ..., "alg": ...},
            {"use": ..., "key_ops": ["verify", "sign"]},
        ],
        ids=str,
    )
    def test_change(
        self, refetching_server: Server, key_server: KeyServer, clerk: Instance, change: dict[str, Any]
    ) -> None:
        jwk = {name: value for name, value in {**clerk.jwk, **change}.items() if value is not ...}
        key_server.serve(jwk)
        assert refetching_server.get(PATH, clerk.token()).status_code == 200

    def test_large(self, refetching_server: Server, key_server: KeyServer, clerk: Instance) -> None:
        large = Instance()
        large.key = _weak_key(3072)
        key_server.serve(large.jwk)
        assert refetching_server.get(PATH, large.token(iss=clerk.issuer)).status_code == 200


class TestSet:
    def test_garbage_around(self, refetching_server: Server, key_server: KeyServer, clerk: Instance) -> None:
        garbage = [*NO_MAPPING, {**EC_KEY, "kid": "ec"}, {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}]
        key_server.serve(*garbage, clerk.jwk, *garbage[:3])
        assert refetching_server.get(PATH, clerk.token()).status_code == 200

    @pytest.mark.parametrize(
        "other",
        [EC_KEY, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}],
        ids=lambda key: str(key["kty"]),
    )
    def test_unfit_member_of_the_same_name(
        self, refetching_server: Server, key_server: KeyServer, clerk: Instance, other: dict[str, Any]
    ) -> None:
        key_server.serve({**other, "kid": clerk.kid}, clerk.jwk)
        assert refetching_server.get(PATH, clerk.token()).status_code == 200

    def test_of_two_of_one_name_the_first_counts(
        self, refetching_server: Server, key_server: KeyServer, clerk: Instance
    ) -> None:
        second = Instance()
        key_server.serve(clerk.jwk, {**second.jwk, "kid": clerk.kid})
        assert refetching_server.get(PATH, clerk.token()).status_code == 200
        forged = second.token(headers={"kid": clerk.kid}, iss=clerk.issuer)
        check_refusal(refetching_server.get(PATH, forged), "token-invalid-signature")

    def test_is_read_up_to_twenty_members(
        self, refetching_server: Server, key_server: KeyServer, clerk: Instance
    ) -> None:
        last = Instance()
        crowd = [{**clerk.jwk, "kid": f"kid_{number}"} for number in range(19)]
        key_server.serve(clerk.jwk, *crowd, last.jwk)
        assert refetching_server.get(PATH, clerk.token()).status_code == 200
        check_refusal(refetching_server.get(PATH, last.token(iss=clerk.issuer)), "jwk-kid-mismatch")

    def test_even_modulus(self, refetching_server: Server, key_server: KeyServer, clerk: Instance) -> None:
        n = clerk.key.public_key().public_numbers().n + 1
        even = {**clerk.jwk, "kid": "even", "n": b64url(n.to_bytes(256)).decode()}
        key_server.serve(even, clerk.jwk)
        check_refusal(refetching_server.get(PATH, clerk.token(headers={"kid": "even"})), "jwk-kid-mismatch")

    def test_too_large_a_key(self, refetching_server: Server, key_server: KeyServer, clerk: Instance) -> None:
        huge = (1 << 16_383) | 1
        jwk = {**RSAAlgorithm.to_jwk(clerk.key.public_key(), as_dict=True), "kid": "huge"}
        jwk["n"] = b64url(huge.to_bytes(2048)).decode()
        key_server.serve(jwk, clerk.jwk)
        check_refusal(refetching_server.get(PATH, clerk.token(headers={"kid": "huge"})), "jwk-kid-mismatch")
