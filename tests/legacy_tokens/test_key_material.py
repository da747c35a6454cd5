"""Who verifies with a public key as the secret takes every token that anybody signs with it."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.legacy_tokens.old_application import as_base64, secret_refusal
from tests.session_tokens.test_confusion import PUBLIC_KEY_AS_SECRET
from tests.support.clerk import Instance
from tests.support.tables import check_each

CLERK = Instance()
# Shorter than the minimum, or a bare number: nothing tells that they are part of a key.
NOT_TELLING = {"empty", "kid", "modulus"}
# The base64 of a DER key, as which each DER key is tried.
COVERED = {"pem-body"}


def _certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    day = datetime(2030, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, CLERK.key.public_key(), 1, day, day)
    return builder.sign(CLERK.key, hashes.SHA256())


def _keys() -> dict[str, bytes]:
    elliptic, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    keys = {form: make(CLERK) for form, make in PUBLIC_KEY_AS_SECRET.items() if form not in NOT_TELLING | COVERED}
    for label, encoding in (("pem", Encoding.PEM), ("der", Encoding.DER)):
        keys[f"certificate-{label}"] = _certificate().public_bytes(encoding)
        for kind, key in (("rsa", CLERK.key), ("ec", elliptic), ("ed", edwards)):
            keys[f"{kind}-public-{label}"] = key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            for protection in (NoEncryption(), BestAvailableEncryption(b"x")):
                name = f"{kind}-private-{label}-{type(protection).__name__}"
                keys[name] = key.private_bytes(encoding, PrivateFormat.PKCS8, protection)
    for kind, public in (("ec", elliptic.public_key()), ("ed", edwards.public_key())):
        keys[f"{kind}-ssh"] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    keys["ssh-private"] = edwards.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return keys


KEYS = _keys()


SPELLINGS: dict[str, Callable[[bytes], str]] = {
    "raw": lambda key: key.decode("utf-8", "surrogateescape"),
    "base64-setting": as_base64,
    "base64-text": lambda key: base64.b64encode(key).decode(),
    "base64url-text": lambda key: base64.urlsafe_b64encode(key).decode().rstrip("="),
    "base64-lines": lambda key: base64.encodebytes(key).decode(),
}


class TestKeyMaterial:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_is_refused(self, spelling: str) -> None:
        spell = SPELLINGS[spelling]
        check_each(KEYS, lambda form: "certificate" in (secret_refusal(spell(KEYS[form])) or ""), True)

    def test_forms_that_do_not_tell(self) -> None:
        """A modulus looks like any random number. It is refused for nothing, and said here."""
        assert secret_refusal(PUBLIC_KEY_AS_SECRET["modulus"](CLERK).decode()) is None
        for form in ("empty", "kid"):
            assert secret_refusal(PUBLIC_KEY_AS_SECRET[form](CLERK).decode()) is not None

    def test_part_of_an_ssh_key(self) -> None:
        """Without its first word: the lines of `authorized_keys` are copied so."""
        for form in ("ssh", "ec-ssh", "ed-ssh"):
            assert "certificate" in (secret_refusal(KEYS[form].decode().split()[1]) or "")
