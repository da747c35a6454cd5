"""What the values of settings look like: a type for each form, checked and cleaned as it is read."""

import re
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from backend.services.core.clerk_keys import CLERK_KEY_PREFIXES
from settings.database_url import check_database_url
from settings.keys import (
    check_inngest_event_key,
    check_inngest_signing_key,
    check_pepper,
    check_publishable_key,
    check_secret_key,
    check_symmetric_secret,
    check_webhook_secret,
    clean_public_key,
)
from settings.urls import check_http_url, check_issuer, check_origin, check_smtp_url, read_inngest_dev

MAX_PREFIX_LENGTH = 20


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_directory(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be a path that begins with /")
    return path


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


DatabaseUrl = Annotated[SecretStr, AfterValidator(check_database_url)]
HttpUrl = Annotated[str, AfterValidator(check_http_url)]
Directory = Annotated[str, AfterValidator(_check_directory)]
SecretKey = Annotated[SecretStr, AfterValidator(check_secret_key)]
InstanceId = Annotated[str, AfterValidator(_check_instance_id)]
ApiKeyPrefix = Annotated[str, AfterValidator(_check_api_key_prefix)]
Sunset = Annotated[AwareDatetime, BeforeValidator(_check_sunset)]
LinkPrefix = Annotated[str | None, BeforeValidator(_read_link_prefix)]
InngestSigningKey = Annotated[SecretStr, AfterValidator(check_inngest_signing_key)]
InngestEventKey = Annotated[SecretStr, AfterValidator(check_inngest_event_key)]
InngestDev = Annotated[str, BeforeValidator(read_inngest_dev)]
Origin = Annotated[str, AfterValidator(check_origin), AfterValidator(check_http_url)]
SmtpUrl = Annotated[SecretStr, AfterValidator(check_smtp_url)]
Address = Annotated[str, AfterValidator(_check_address)]
PublishableKey = Annotated[str, AfterValidator(check_publishable_key)]
PublicKey = Annotated[str, AfterValidator(clean_public_key)]
# Lists are written with commas. NoDecode: pydantic-settings would expect JSON.
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Issuers = Annotated[tuple[Annotated[str, AfterValidator(check_issuer)], ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(check_origin)], ...], NoDecode, BeforeValidator(_split)]
WebhookSecrets = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(check_webhook_secret)], ...], NoDecode, BeforeValidator(_split)
]
Pepper = Annotated[SecretStr, AfterValidator(check_pepper)]
SymmetricSecret = Annotated[SecretStr, AfterValidator(check_symmetric_secret)]
