"""Project Wycheproof's JWS, JWK and JWE vectors (C2SP/wycheproof, Apache-2.0), as an attacker could use them.

Their payloads are no claims, so every one of them ends in a 401; the code tells what was found. A server fetches the
key of each group from a key server. A vector that is `invalid` has to fail before its claims are read; one that is
`valid` has to fail at the claims: its signature was accepted.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.attacks import Attacker
from tests.support.clerk import Instance, KeyServer
from tests.support.database import Sql
from tests.support.server import Server

SIGNATURE_FILES = ("json_web_signature_test", "json_web_key_test", "json_web_crypto_test")
SIGNATURE_CODES = {"token-invalid", "token-invalid-algorithm", "token-invalid-signature", "jwk-kid-mismatch"}
# Contradictions of the collection, all HS256. 367 and 370 are invalid, and byte for byte the same as 357, which is
# valid; 372 and 373 are called valid with a `?` inside their base64url, which RFC 7515 forbids.
CONTRADICTORY = {367, 370, 372, 373}
# The modulus of these keys has the ROCA weakness (CVE-2017-15361). We accept it on purpose: the keys are those of the
# configured Clerk instance, which makes them in software that never had the fault. Testing for it would buy nothing.
ROCA_KEY = "kid-rsa-roca-sign"


class Vector(NamedTuple):
    """One token with the public keys of its group, and the first of its private ones."""

    name: str
    comment: str
    keys: tuple[dict[str, Any], ...]
    private: dict[str, Any]
    token: str
    is_signed: bool
    is_valid: bool

    @property
    def algorithm(self) -> object:
        """What the header asks for; None when there is no header to read."""
        part = self.token.split(".")[0]
        try:
            header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError:
            return None
        return header.get("alg") if isinstance(header, dict) else None

    @property
    def is_for_rs256(self) -> bool:
        return self.algorithm == "RS256" or any(key.get("alg") == "RS256" for key in self.keys)


def read_vectors(folder: Path, *names: str) -> Iterator[Vector]:
    for name in names:
        for group in json.loads((folder / "wycheproof" / f"{name}.json").read_text())["testGroups"]:
            public, private = group.get("public", {}), group.get("private", {})
            for test in group["tests"]:
                token = test.get("jws", test.get("jwe"))
                if name != SIGNATURE_FILES[0] or test["tcId"] not in CONTRADICTORY:
                    yield Vector(
                        f"{name} {test['tcId']} {test['comment']}",
                        test["comment"],
                        tuple(public.get("keys", [public] if public else [])),
                        private.get("keys", [private])[0],
                        token if isinstance(token, str) else json.dumps(token),
                        "jws" in test,
                        test["result"] == "valid",
                    )


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[Vector]:
    return list(read_vectors(shared_data, *SIGNATURE_FILES))


Try = Callable[[Vector], str]


@pytest.fixture
def code_of(refetching_server: Server, key_server: KeyServer, sql: Sql) -> Iterator[Try]:
    """The code that a vector is refused with."""
    # Where a group's own key is unfit, this one keeps the set from being empty, which is another case (503).
    spare = Instance().jwk

    def attempt(vector: Vector) -> str:
        key_server.serve(*vector.keys, spare)
        answer = refetching_server.get("/auth/me", headers={"Authorization": b"Bearer " + vector.token.encode()})
        assert answer.status_code == 401, f"{vector.name}: {answer.text}"
        return str(answer.json()["code"])

    yield attempt
    assert sql.value("SELECT count(*) FROM users") == 0


class TestRs256:
    def test_valid(self, vectors: list[Vector], code_of: Try) -> None:
        valid = [vector for vector in vectors if vector.algorithm == "RS256" and vector.is_valid]
        assert len(valid) == 10
        found = {vector.name: code_of(vector) for vector in valid}
        assert found == dict.fromkeys(found, "token-invalid-claims")

    def test_invalid(self, vectors: list[Vector], code_of: Try) -> None:
        invalid = [vector for vector in vectors if vector.is_for_rs256 and not vector.is_valid]
        assert len(invalid) == 245
        accepted = {
            vector.name
            for vector in invalid
            if code_of(vector) not in SIGNATURE_CODES and vector.keys[0]["kid"] != ROCA_KEY
        }
        assert accepted == set()

    def test_roca_keys_are_accepted(self, vectors: list[Vector], code_of: Try) -> None:
        roca = [vector for vector in vectors if vector.keys and vector.keys[0]["kid"] == ROCA_KEY]
        assert [code_of(vector) for vector in roca] == ["token-invalid-claims"] * 2


class TestOtherAlgorithms:
    def test_refused(self, vectors: list[Vector], code_of: Try) -> None:
        """HS256, ES256, PS256 and their kin, the valid ones too, whatever key the set has."""
        others = [vector for vector in vectors if not vector.is_for_rs256]
        assert len(others) > 200
        accepted = {vector.name for vector in others if code_of(vector) not in SIGNATURE_CODES}
        assert accepted == set()


class TestEncrypted:
    def test_refused_without_any_work(self, shared_data: Path, sql: Sql, server: Server) -> None:
        """Nothing is decrypted: no padding to tell about, no count of PBES2 rounds, nothing to unpack."""
        vectors = list(read_vectors(shared_data, "json_web_encryption_test"))
        assert len(vectors) == 139
        attacker = Attacker(server, sql)
        started_at = time.monotonic()
        attacker.are_refused(vectors, lambda vector: vector.token, "token-invalid")
        assert time.monotonic() - started_at < 0.05 * len(vectors)
