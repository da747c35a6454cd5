"""Project Wycheproof's HS256 vectors (C2SP/wycheproof, Apache-2.0), at the door that a legacy token comes in by.

In process, since some of their keys are bytes that a deployment would refuse as a secret. Their payloads are no claims:
a valid vector has to fail at the claims, its MAC was accepted; an invalid one has to fail before.
"""

import base64
from pathlib import Path

import pytest

from backend.services.legacy_tokens import LegacyRules
from settings.weak_secrets import MIN_SECRET_BYTES, refuse_weak_secret
from tests.legacy_tokens.old_application import code_of
from tests.session_tokens.test_wycheproof import SIGNATURE_CODES, SIGNATURE_FILES, Vector, read_vectors

# Refused for what a JWK set says about its keys, under a MAC that is good: made for AES, of one set with an EC key,
# two of one name. Our secret is bytes in a setting and has no such words.
ABOUT_THE_SET = {"rejectsValid", "rejectsDuplicateKid", "rejectsAesKey"}


def secret_of(vector: Vector) -> bytes:
    """The first secret of its group, which is the one that signed where any did."""
    key: str = vector.private["k"]
    return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))


def code(vector: Vector) -> str:
    return code_of(vector.token, LegacyRules(secret_of(vector)))


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[Vector]:
    """All for HS256, without those about JWK sets."""
    algorithms = {"HS256", "A256GCM", "A256KW"}
    found = [
        vector
        for vector in read_vectors(shared_data, *SIGNATURE_FILES)
        if vector.is_signed and vector.private.get("kty") == "oct" and vector.private.get("alg") in algorithms
    ]
    assert len([vector for vector in found if vector.comment in ABOUT_THE_SET]) == 5
    return [vector for vector in found if vector.comment not in ABOUT_THE_SET]


class TestVectors:
    def test_valid(self, vectors: list[Vector]) -> None:
        valid = [vector for vector in vectors if vector.is_valid]
        assert len(valid) == 12
        found = {vector.name: code(vector) for vector in valid}
        assert found == dict.fromkeys(found, "token-invalid-claims")

    def test_invalid(self, vectors: list[Vector]) -> None:
        long = [vector for vector in vectors if len(secret_of(vector)) >= MIN_SECRET_BYTES]
        invalid = [vector for vector in long if not vector.is_valid]
        assert len(invalid) == 46
        assert {vector.name for vector in invalid if code(vector) not in SIGNATURE_CODES} == set()

    def test_short_keys(self, vectors: list[Vector]) -> None:
        """They become no secret, neither as a setting nor here, so their good MACs are never looked at."""
        short = [vector for vector in vectors if len(secret_of(vector)) < MIN_SECRET_BYTES]
        assert [vector.comment for vector in short] == ["key_too_short", "empty_key"]
        for vector in short:
            with pytest.raises(ValueError, match="too short"):
                LegacyRules(secret_of(vector))

    def test_no_key_is_good_for_a_deployment(self, vectors: list[Vector]) -> None:
        """They are published."""
        for secret in {secret_of(vector) for vector in vectors}:
            with pytest.raises(ValueError, match=r"bytes|example|pattern"):
                refuse_weak_secret(secret)
