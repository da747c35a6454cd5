"""Keys and shared secrets, as settings have them: checked and cleaned as they are read.

A message says what is expected and never repeats the value.
"""

import base64
import binascii
import re

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from backend.services.core.clerk_keys import frontend_api_host
from backend.services.core.public_keys import load_pem
from settings.weak_secrets import refuse_weak_secret

MIN_RANDOM_BYTES = 16  # of what no RFC says a length for
# How keys begin that are taken for one another, and where each belongs.
KINDS = {
    "pk_": "a publishable key, for CLERK_PUBLISHABLE_KEY",
    "sk_": "a secret key, for CLERK_SECRET_KEY",
    "whsec_": "the signing secret of a webhook endpoint, for CLERK_WEBHOOK_SECRET",
    "signkey-": "Inngest's signing key, for INNGEST_SIGNING_KEY",
    "ins_": "the id of a Clerk instance, for CLERK_INSTANCE_ID",
    "ak_": "an API key of one of Clerk's users",
    "-----BEGIN": "a PEM, for CLERK_JWT_KEY",
    "eyJ": "a token",
    "http": "a URL",
}


def refuse_other_kind(text: str, own: str) -> None:
    """Raises ValueError with what it is, when it is a key for another setting."""
    for prefix, kind in KINDS.items():
        if prefix != own and text.startswith(prefix):
            raise ValueError(f"is {kind}")


def check_publishable_key(key: str) -> str:
    refuse_other_kind(key, "pk_")
    frontend_api_host(key)
    return key


def clean_public_key(text: str) -> str:
    """A PEM public key as a clean PEM."""
    refuse_other_kind(text, "-----BEGIN")
    return load_pem(text).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def check_secret_key(secret: SecretStr) -> SecretStr:
    """Anything else would be found out with the first call."""
    refuse_other_kind(secret.get_secret_value(), "sk_")
    match = re.fullmatch(r"sk_(?:test|live)_(\w+)", secret.get_secret_value(), re.ASCII)
    if not match:
        raise ValueError("must be sk_test_… or sk_live_…, as the Clerk dashboard shows it")
    refuse_weak_secret(match[1].encode(), MIN_RANDOM_BYTES)
    return secret


def check_webhook_secret(secret: SecretStr) -> SecretStr:
    """The svix library would only notice at the first delivery."""
    refuse_other_kind(secret.get_secret_value(), "whsec_")
    key = webhook_secret_bytes(secret)
    if not key:
        raise ValueError(
            "must be whsec_ and base64, as the Clerk dashboard shows it or openssl rand -base64 32 makes it"
        )
    refuse_weak_secret(key, MIN_RANDOM_BYTES)
    return secret


def webhook_secret_bytes(secret: SecretStr) -> bytes:
    """The signing key inside a Svix secret, empty when it is not one."""
    text = secret.get_secret_value()
    if not text.startswith("whsec_"):
        return b""
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return b""


def check_inngest_signing_key(secret: SecretStr) -> SecretStr:
    """Inngest's library would only notice when it is asked to register the functions."""
    refuse_other_kind(secret.get_secret_value(), "signkey-")
    match = re.fullmatch(r"(?:signkey-\w+-)?((?:[0-9a-f]{2})+)", secret.get_secret_value(), re.ASCII)
    if not match:
        raise ValueError("must be signkey-… and hexadecimal digits, as Inngest's dashboard shows it")
    refuse_weak_secret(bytes.fromhex(match[1]), MIN_RANDOM_BYTES)
    return secret


def check_inngest_event_key(secret: SecretStr) -> SecretStr:
    """It is part of a URL."""
    refuse_other_kind(secret.get_secret_value(), "")
    if not re.fullmatch(r"[\w.-]+", secret.get_secret_value(), re.ASCII):
        raise ValueError("must be letters, digits, _ and -, as Inngest's dashboard shows it")
    refuse_weak_secret(secret.get_secret_value().encode(), MIN_RANDOM_BYTES)
    return secret


def _refuse_slips(secret: SecretStr) -> None:
    """Nobody can tell whether they belong to the secret, and another key refuses all that was made with the old one."""
    text = secret.get_secret_value()
    if text != text.strip() or re.fullmatch(r"([\"'])[\w+/=.:-]+\1", text):
        raise ValueError("stands in white space or quotes: take them away, or write base64:… if they belong to it")


def check_symmetric_secret(secret: SecretStr) -> SecretStr:
    refuse_weak_secret(symmetric_secret_bytes(secret))
    _refuse_slips(secret)
    return secret


def check_pepper(secret: SecretStr) -> SecretStr:
    refuse_weak_secret(symmetric_secret_bytes(secret), MIN_RANDOM_BYTES)
    _refuse_slips(secret)
    return secret


def symmetric_secret_bytes(secret: SecretStr) -> bytes:
    """The key of an HMAC: the text as it stands, or any bytes as `base64:` and base64.

    Both alphabets are read, padded or not. Raises ValueError.
    """
    text = secret.get_secret_value()
    if not text.startswith("base64:"):
        # Bytes of the environment that are not UTF-8 arrive as lone surrogates; they count as what they were.
        return text.encode("utf-8", "surrogateescape")
    match = re.fullmatch(r"base64:([A-Za-z0-9+/_-]+)={0,2}", text)
    try:
        if match:
            body = match[1].replace("-", "+").replace("_", "/")
            return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        pass
    raise ValueError("has no base64 after base64:")


def check_bearer_token(secret: SecretStr) -> SecretStr:
    """RFC 6750: what a header can carry."""
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", secret.get_secret_value()):
        raise ValueError("must be letters, digits and - . _ ~ + /, as openssl rand -base64 32 makes them")
    refuse_weak_secret(secret.get_secret_value().encode(), MIN_RANDOM_BYTES)
    return secret
