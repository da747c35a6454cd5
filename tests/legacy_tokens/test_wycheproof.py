"""Project Wycheproof's HS256 vectors (C2SP/wycheproof, Apache-2.0), at the door that a legacy token comes in by.

In process, since some of their keys are bytes that a deployment would refuse as a secret. Their payloads are no
claims: a valid vector has to fail at the claims, its MAC was accepted; an invalid one has to fail before.
"""

import base64
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from backend.services.legacy_tokens import LegacyRules
from settings.weak_secrets import MIN_SECRET_BYTES, refuse_weak_secret
from tests.legacy_tokens.old_application import code_of
from tests.session_tokens.test_wycheproof import CONTRADICTORY, SIGNATURE_CODES, SIGNATURE_FILES

# Refused for what a JWK set says about its keys, under a MAC that is good: made for AES, of one set with an EC key,
# two of one name. Our secret is bytes in a setting and has no such words.
ABOUT_THE_SET = {"rejectsValid", "rejectsDuplicateKid", "rejectsAesKey"}


class Vector(NamedTuple):
    """One token with the first secret of its group, which is the one that signed where any did."""

    name: str
    comment: str
    secret: bytes
    token: str
    is_valid: bool


def _read(folder: Path, name: str) -> list[Vector]:
    vectors = []
    for group in json.loads((folder / "wycheproof" / f"{name}.json").read_text())["testGroups"]:
        private = group.get("private", {})
        key = private.get("keys", [private])[0]
        if key.get("kty") != "oct" or key.get("alg") not in {"HS256", "A256GCM", "A256KW"}:
            continue
        for test in group["tests"]:
            if "jws" not in test or (name == SIGNATURE_FILES[0] and test["tcId"] in CONTRADICTORY):
                continue
            token = test["jws"] if isinstance(test["jws"], str) else json.dumps(test["jws"])
            vectors.append(
                Vector(
                    f"{name} {test['tcId']} {test['comment']}",
                    test["comment"],
                    base64.urlsafe_b64decode(key["k"] + "=" * (-len(key["k"]) % 4)),
                    token,
                    test["result"] == "valid",
                )
            )
    return vectors


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[Vector]:
    """All for HS256, without those about JWK sets."""
    found = [vector for name in SIGNATURE_FILES for vector in _read(shared_data, name)]
    assert len([vector for vector in found if vector.comment in ABOUT_THE_SET]) == 5
    return [vector for vector in found if vector.comment not in ABOUT_THE_SET]


class TestVectors:
    def test_valid(self, vectors: list[Vector]) -> None:
        valid = [vector for vector in vectors if vector.is_valid]
        assert len(valid) == 12
        found = {vector.name: code_of(vector.token, LegacyRules(vector.secret)) for vector in valid}
        assert found == dict.fromkeys(found, "token-invalid-claims")

    def test_invalid(self, vectors: list[Vector]) -> None:
        invalid = [
            vector for vector in vectors if not vector.is_valid and len(vector.secret) >= MIN_SECRET_BYTES
        ]
        assert len(invalid) == 46
        accepted = {
            vector.name
            for vector in invalid
            if code_of(vector.token, LegacyRules(vector.secret)) not in SIGNATURE_CODES
        }
        assert accepted == set()

    def test_short_keys(self, vectors: list[Vector]) -> None:
        """They become no secret, neither as a setting nor here, so their good MACs are never looked at."""
        short = [vector for vector in vectors if len(vector.secret) < MIN_SECRET_BYTES]
        assert [vector.comment for vector in short] == ["key_too_short", "empty_key"]
        for vector in short:
            with pytest.raises(ValueError, match="too short"):
                LegacyRules(vector.secret)

    def test_no_key_is_good_for_a_deployment(self, vectors: list[Vector]) -> None:
        """They are published."""
        for secret in {vector.secret for vector in vectors}:
            with pytest.raises(ValueError, match=r"bytes|example|pattern"):
                refuse_weak_secret(secret)
