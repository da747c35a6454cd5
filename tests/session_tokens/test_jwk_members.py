"""Which members of a key set may verify a token. An unfit one counts for nothing and spoils nothing."""

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.attacks import GOOD_HEADER, PATH, Attacker, check_refusal
from tests.support.clerk import Instance, KeyServer, b64url
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.tables import check_each

EC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
OCT_KEY = {"kty": "oct", "k": "c2VjcmV0"}
NO_MAPPING: list[Any] = [None, True, 7, "x", [], ["kid"], {}, [{}]]
UNFIT: tuple[dict[str, Any], ...] = (
    *({"use": use} for use in ("enc", "", None, ["sig"])),
    *({"key_ops": operations} for operations in (["encrypt"], [], ["sign"], "verify", None)),
    *({"alg": alg} for alg in ("RS512", "PS256", "RSA1_5", "HS256", None)),
    *({"kty": "rsa"}, {"kty": "oct", "k": "AAAA"}, {"kty": None}),
    *({"e": e} for e in ("Aw", "", 65_537, None)),
    *({"n": n} for n in (None, "", 7, "é")),
)
FIT: tuple[dict[str, Any], ...] = (
    *({}, {"use": ...}, {"alg": ...}, {"use": ..., "alg": ...}),
    {"use": ..., "key_ops": ["verify", "sign"]},
)


def changed(jwk: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A change to `...` drops the member."""
    return {name: value for name, value in {**jwk, **change}.items() if value is not ...}


class Member:
    """Serves a key set of the tests' own, to which a server gives no second thought: it asks for each token."""

    def __init__(self, server: Server, keys: KeyServer, clerk: Instance, sql: Sql) -> None:
        self.server, self.keys, self.clerk, self.sql = server, keys, clerk, sql

    def status(self, token: str) -> int:
        return self.server.get(PATH, token).status_code

    def is_unfit(self, jwk: dict[str, Any], token: str) -> None:
        """Its token is refused as one of an unknown key, and the good member beside it still counts."""
        self.keys.serve(jwk, self.clerk.jwk)
        Attacker(self.server, self.sql).is_refused(token, "jwk-kid-mismatch")
        assert self.status(self.clerk.token()) == 200
        self.sql.empty_all()


@pytest.fixture
def member(refetching_server: Server, key_server: KeyServer, clerk: Instance, sql: Sql) -> Member:
    return Member(refetching_server, key_server, clerk, sql)


class TestUnfitMember:
    """Each of these has a private key that signs correctly, and would do so for an attacker who found it out."""

    def test_change(self, member: Member) -> None:
        unfit = Instance()
        for change in UNFIT:
            member.is_unfit({**unfit.jwk, **change}, unfit.token(iss=member.clerk.issuer))

    @pytest.mark.parametrize(("bits", "exponent"), [(1024, 65_537), (2040, 65_537), (2048, 3)])
    def test_weak(self, member: Member, bits: int, exponent: int) -> None:
        weak = Instance()
        weak.key = rsa.generate_private_key(exponent, bits)
        member.is_unfit(weak.jwk, weak.token(iss=member.clerk.issuer))

    def test_exponent_one(self, member: Member) -> None:
        """A signature under e = 1 is the padded digest itself: everybody can write it."""
        header = json.dumps({**GOOD_HEADER, "kid": "one"}).encode()
        signed = b64url(header) + b"." + b64url(json.dumps(member.clerk.claims()).encode())
        info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed).digest()
        signature = b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info
        jwk = {**Instance().jwk, "kid": "one", "e": "AQ"}
        member.is_unfit(jwk, (signed + b"." + b64url(signature)).decode())

    def test_even_or_too_large_a_modulus(self, member: Member) -> None:
        even = member.clerk.key.public_key().public_numbers().n + 1
        for n in (even.to_bytes(256), ((1 << 16_383) | 1).to_bytes(2048)):
            jwk = {**member.clerk.jwk, "kid": "other", "n": b64url(n).decode()}
            member.is_unfit(jwk, member.clerk.token(headers={"kid": "other"}))

    @pytest.mark.parametrize("kid", [None, "", 7, ["x"], ...], ids=repr)
    def test_without_a_name(self, member: Member, kid: object) -> None:
        nameless, clerk = Instance(), member.clerk
        member.keys.serve(changed(nameless.jwk, {"kid": kid}), clerk.jwk)
        token = nameless.token(headers={"kid": kid if isinstance(kid, str) else ...}, iss=clerk.issuer)
        answer = member.server.get(PATH, token)
        assert answer.json()["code"] in {"jwk-kid-mismatch", "token-invalid-signature"}
        assert member.sql.value("SELECT count(*) FROM users") == 0
        assert member.status(clerk.token()) == 200


class TestFitMember:
    def test_change(self, member: Member) -> None:
        def status(change: dict[str, Any]) -> int:
            member.keys.serve(changed(member.clerk.jwk, change))
            return member.status(member.clerk.token())

        check_each(FIT, status, 200)

    def test_large(self, member: Member) -> None:
        large = Instance()
        large.key = rsa.generate_private_key(65_537, 3072)
        member.keys.serve(large.jwk)
        assert member.status(large.token(iss=member.clerk.issuer)) == 200


class TestSet:
    def test_garbage_around(self, member: Member) -> None:
        garbage = [*NO_MAPPING, {**EC_KEY, "kid": "ec"}, {**OCT_KEY, "kid": "oct"}]
        member.keys.serve(*garbage, member.clerk.jwk, *garbage[:3])
        assert member.status(member.clerk.token()) == 200

    def test_unfit_member_of_the_same_name(self, member: Member) -> None:
        def status(other: dict[str, Any]) -> int:
            member.keys.serve({**other, "kid": member.clerk.kid}, member.clerk.jwk)
            return member.status(member.clerk.token())

        check_each((EC_KEY, OCT_KEY, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}), status, 200)

    def test_of_two_of_one_name_the_first_counts(self, member: Member) -> None:
        second, clerk = Instance(), member.clerk
        member.keys.serve(clerk.jwk, {**second.jwk, "kid": clerk.kid})
        assert member.status(clerk.token()) == 200
        forged = second.token(headers={"kid": clerk.kid}, iss=clerk.issuer)
        check_refusal(member.server.get(PATH, forged), "token-invalid-signature")

    def test_is_read_up_to_twenty_members(self, member: Member) -> None:
        last, clerk = Instance(), member.clerk
        crowd = [{**clerk.jwk, "kid": f"kid_{number}"} for number in range(19)]
        member.keys.serve(clerk.jwk, *crowd, last.jwk)
        assert member.status(clerk.token()) == 200
        check_refusal(member.server.get(PATH, last.token(iss=clerk.issuer)), "jwk-kid-mismatch")
