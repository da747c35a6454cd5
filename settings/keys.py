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


def check_publishable_key(key: str) -> str:
    frontend_api_host(key)
    return key


def clean_public_key(text: str) -> str:
    """A PEM public key as a clean PEM."""
    return load_pem(text).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def check_secret_key(secret: SecretStr) -> SecretStr:
    """Anything else would be found out with the first call."""
    match = re.fullmatch(r"sk_(?:test|live)_(\w+)", secret.get_secret_value(), re.ASCII)
    if not match:
        raise ValueError("must be sk_test_… or sk_live_…, as the Clerk dashboard shows it")
    refuse_weak_secret(match[1].encode(), MIN_RANDOM_BYTES)
    return secret


def check_webhook_secret(secret: SecretStr) -> SecretStr:
    """The svix library would only notice at the first delivery."""
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
    match = re.fullmatch(r"(?:signkey-\w+-)?((?:[0-9a-f]{2})+)", secret.get_secret_value(), re.ASCII)
    if not match:
        raise ValueError("must be signkey-… and hexadecimal digits, as Inngest's dashboard shows it")
    refuse_weak_secret(bytes.fromhex(match[1]), MIN_RANDOM_BYTES)
    return secret


def check_inngest_event_key(secret: SecretStr) -> SecretStr:
    """It is part of a URL."""
    if not re.fullmatch(r"[\w.-]+", secret.get_secret_value(), re.ASCII):
        raise ValueError("must be letters, digits, _ and -, as Inngest's dashboard shows it")
    refuse_weak_secret(secret.get_secret_value().encode(), MIN_RANDOM_BYTES)
    return secret


def check_symmetric_secret(secret: SecretStr) -> SecretStr:
    refuse_weak_secret(symmetric_secret_bytes(secret))
    return secret


def check_pepper(secret: SecretStr) -> SecretStr:
    refuse_weak_secret(symmetric_secret_bytes(secret), MIN_RANDOM_BYTES)
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
