"""What the values of settings look like: a type for each form, checked and cleaned as it is read.

A message says what is expected and never repeats the value: it may be a secret.
"""

import base64
import binascii
import re
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from backend.services.core.clerk_keys import CLERK_KEY_PREFIXES, frontend_api_host
from backend.services.core.public_keys import load_pem
from settings.database_url import check_database_url
from settings.weak_secrets import refuse_weak_secret

MIN_RANDOM_BYTES = 16  # of what no RFC says a length for
MAX_PREFIX_LENGTH = 20
INNGEST_DEV_SERVER = "http://127.0.0.1:8288"


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL that begins with https:// (or http:// in development)")
    return url


def _check_directory(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be a path that begins with /")
    return path


def _check_issuer(url: str) -> str:
    if url.endswith("/"):
        raise ValueError("is compared as a text: write it without the closing slash")
    return _check_http_url(url)


def _check_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
        raise ValueError("takes exact origins like https://app.example.com, without a path, a closing slash or *")
    return origin


def _check_publishable_key(key: str) -> str:
    frontend_api_host(key)
    return key


def _check_secret_key(secret: SecretStr) -> SecretStr:
    """Anything else would be found out with the first call."""
    match = re.fullmatch(r"sk_(?:test|live)_(\w+)", secret.get_secret_value(), re.ASCII)
    if not match:
        raise ValueError("must be sk_test_… or sk_live_…, as the Clerk dashboard shows it")
    refuse_weak_secret(match[1].encode(), MIN_RANDOM_BYTES)
    return secret


def _check_webhook_secret(secret: SecretStr) -> SecretStr:
    """The svix library would only notice at the first delivery."""
    key = webhook_secret_bytes(secret)
    if not key:
        raise ValueError(
            "must be whsec_ and base64, as the Clerk dashboard shows it or openssl rand -base64 32 makes it"
        )
    refuse_weak_secret(key, MIN_RANDOM_BYTES)
    return secret


def _check_api_key_prefix(prefix: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", prefix) or len(prefix) > MAX_PREFIX_LENGTH:
        raise ValueError("takes up to 20 small letters and digits, with single underscores between, like sk_app")
    if any(theirs.startswith(f"{prefix}_") or f"{prefix}_".startswith(theirs) for theirs in CLERK_KEY_PREFIXES):
        raise ValueError("begins like Clerk's own keys: choose another one, like sk_app")
    return prefix


def _check_instance_id(value: str) -> str:
    if not re.fullmatch(r"ins_[A-Za-z0-9]+", value):
        raise ValueError("is not the id of a Clerk instance (ins_…)")
    return value


def _check_sunset(value: object) -> object:
    """A date alone is its first instant, UTC."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return f"{value}T00:00:00Z"
    return value


def _check_inngest_signing_key(secret: SecretStr) -> SecretStr:
    """Inngest's library would only notice when it is asked to register the functions."""
    match = re.fullmatch(r"(?:signkey-\w+-)?((?:[0-9a-f]{2})+)", secret.get_secret_value(), re.ASCII)
    if not match:
        raise ValueError("must be signkey-… and hexadecimal digits, as Inngest's dashboard shows it")
    refuse_weak_secret(bytes.fromhex(match[1]), MIN_RANDOM_BYTES)
    return secret


def _check_event_key(secret: SecretStr) -> SecretStr:
    """It is part of a URL."""
    if not re.fullmatch(r"[\w.-]+", secret.get_secret_value(), re.ASCII):
        raise ValueError("must be letters, digits, _ and -, as Inngest's dashboard shows it")
    refuse_weak_secret(secret.get_secret_value().encode(), MIN_RANDOM_BYTES)
    return secret


def _read_inngest_dev(value: object) -> str:
    """The URL of Inngest's dev server, empty for none."""
    text = str(value).strip()
    if text.lower() in {"false", "off", "no", "0"}:
        return ""
    if text.lower() in {"true", "on", "yes", "1"}:
        return INNGEST_DEV_SERVER
    return _check_http_url(text)


def _check_smtp_url(secret: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(secret.get_secret_value())
        is_complete = parts.scheme in {"smtp", "smtps"} and parts.hostname and (parts.port or 1)
    except ValueError:
        is_complete = False
    if not is_complete or parts.path.strip("/") or parts.query:
        raise ValueError("must be smtp://user:password@host:587 or smtps://user:password@host:465")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("has a user without a password, or the other way round")
    return secret


def _check_address(address: str) -> str:
    if not re.fullmatch(r"[^\s@<>,]+@[^\s@<>,]+", address, re.ASCII):
        raise ValueError("must be one e-mail address, like hello@example.com")
    return address


def _read_link_prefix(value: object) -> str | None:
    """What stands before a user_id in an external_id: nothing when any is good, None when none is.

    It ends with a mark, so that a slip like `ture` is no prefix.
    """
    text = str(value).strip()
    if text.lower() in {"false", "off", "no", "0"}:
        return None
    if text.lower() in {"true", "on", "yes", "1"}:
        return ""
    if not re.fullmatch(r"[\x21-\x7e]{0,63}[:_./-]", text):
        raise ValueError("takes false, true, or a prefix that ends with one of : _ . / - like legacy:")
    return text


def webhook_secret_bytes(secret: SecretStr) -> bytes:
    """The signing key inside a Svix secret, empty when it is not one."""
    text = secret.get_secret_value()
    if not text.startswith("whsec_"):
        return b""
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return b""


def _clean_public_key(text: str) -> str:
    """A PEM public key as a clean PEM."""
    return load_pem(text).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


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


def _check_symmetric_secret(secret: SecretStr) -> SecretStr:
    refuse_weak_secret(symmetric_secret_bytes(secret))
    return secret


def _check_pepper(secret: SecretStr) -> SecretStr:
    refuse_weak_secret(symmetric_secret_bytes(secret), MIN_RANDOM_BYTES)
    return secret


DatabaseUrl = Annotated[SecretStr, AfterValidator(check_database_url)]
HttpUrl = Annotated[str, AfterValidator(_check_http_url)]
Directory = Annotated[str, AfterValidator(_check_directory)]
SecretKey = Annotated[SecretStr, AfterValidator(_check_secret_key)]
InstanceId = Annotated[str, AfterValidator(_check_instance_id)]
ApiKeyPrefix = Annotated[str, AfterValidator(_check_api_key_prefix)]
Sunset = Annotated[AwareDatetime, BeforeValidator(_check_sunset)]
LinkPrefix = Annotated[str | None, BeforeValidator(_read_link_prefix)]
InngestSigningKey = Annotated[SecretStr, AfterValidator(_check_inngest_signing_key)]
InngestEventKey = Annotated[SecretStr, AfterValidator(_check_event_key)]
InngestDev = Annotated[str, BeforeValidator(_read_inngest_dev)]
Origin = Annotated[str, AfterValidator(_check_origin), AfterValidator(_check_http_url)]
SmtpUrl = Annotated[SecretStr, AfterValidator(_check_smtp_url)]
Address = Annotated[str, AfterValidator(_check_address)]
PublishableKey = Annotated[str, AfterValidator(_check_publishable_key)]
PublicKey = Annotated[str, AfterValidator(_clean_public_key)]
# Lists are written with commas. NoDecode: pydantic-settings would expect JSON.
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Issuers = Annotated[tuple[Annotated[str, AfterValidator(_check_issuer)], ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_check_origin)], ...], NoDecode, BeforeValidator(_split)]
WebhookSecrets = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_check_webhook_secret)], ...], NoDecode, BeforeValidator(_split)
]
Pepper = Annotated[SecretStr, AfterValidator(_check_pepper)]
SymmetricSecret = Annotated[SecretStr, AfterValidator(_check_symmetric_secret)]
