"""What the values of settings look like: a type for each form, checked and cleaned as it is read."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from backend.services.core.clerk_keys import CLERK_KEY_PREFIXES
from settings.base import AS_IT_STANDS, clean
from settings.database_url import check_database_url
from settings.keys import (
    check_bearer_token,
    check_inngest_event_key,
    check_inngest_signing_key,
    check_pepper,
    check_publishable_key,
    check_secret_key,
    check_symmetric_secret,
    check_webhook_secret,
    clean_public_key,
)
from settings.urls import (
    check_redis_url,
    check_smtp_url,
    read_api_url,
    read_http_origin,
    read_http_url,
    read_inngest_dev,
    read_issuer,
    read_jwks_url,
    read_origin,
)

MAX_PREFIX_LENGTH = 20
NO_ADDRESS = {"iss", "aud", "exp", "nbf", "iat", "jti"}  # the claims of RFC 7519, but for sub


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for text in value.split(",") if (part := clean(text)))
    return value


def _check_text(text: str) -> str:
    """Of what is compared with a claim."""
    if not text.isprintable() or re.search(r"^[\[{(]|[\"']", text):
        raise ValueError("takes the text as the token has it, without quotes and brackets; a list has commas")
    return text


def _check_claim_name(name: str) -> str:
    if not re.fullmatch(r"[\w.:/-]+", name) or name in NO_ADDRESS:
        raise ValueError("takes the name of the claim that holds an address, like email")
    return name


def _check_directory(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be a path that begins with /")
    if Path(path).exists() and not Path(path).is_dir():
        raise ValueError("is a file, and a directory is meant")
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


def _read_sunset(value: object) -> object:
    """A date alone is its first instant, UTC. A number would count as seconds since 1970, so 2027 as long ago."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("takes a day like 2027-06-30, or a time with its zone like 2027-06-30T12:00:00Z")
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return f"{value}T00:00:00Z"
    return value


def _read_parties(value: object) -> object:
    """Origins, or `*` alone for any."""
    parts = _split(value)
    if isinstance(parts, tuple) and "*" in parts and len(parts) > 1:
        raise ValueError("has * beside others: it stands alone, for any origin")
    return parts


def _read_party(text: str) -> str:
    return text if text == "*" else read_origin(text)


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
HttpUrl = Annotated[str, AfterValidator(read_http_url)]
JwksUrl = Annotated[str, AfterValidator(read_jwks_url)]
ApiUrl = Annotated[str, AfterValidator(read_api_url)]
Directory = Annotated[str, AfterValidator(_check_directory)]
SecretKey = Annotated[SecretStr, AfterValidator(check_secret_key)]
InstanceId = Annotated[str, AfterValidator(_check_instance_id)]
BearerToken = Annotated[SecretStr, AfterValidator(check_bearer_token)]
ApiKeyPrefix = Annotated[str, AfterValidator(_check_api_key_prefix)]
Sunset = Annotated[AwareDatetime, BeforeValidator(_read_sunset)]
LinkPrefix = Annotated[str | None, BeforeValidator(_read_link_prefix)]
InngestSigningKey = Annotated[SecretStr, AfterValidator(check_inngest_signing_key)]
InngestEventKey = Annotated[SecretStr, AfterValidator(check_inngest_event_key)]
InngestDev = Annotated[str, BeforeValidator(read_inngest_dev)]
HttpOrigin = Annotated[str, AfterValidator(read_http_origin)]
RedisUrl = Annotated[SecretStr, AfterValidator(check_redis_url)]
SmtpUrl = Annotated[SecretStr, AfterValidator(check_smtp_url)]
Address = Annotated[str, AfterValidator(_check_address)]
PublishableKey = Annotated[str, AfterValidator(check_publishable_key)]
PublicKey = Annotated[str, AfterValidator(clean_public_key)]
Text = Annotated[str, AfterValidator(_check_text)]
ClaimName = Annotated[str, AfterValidator(_check_claim_name)]
# Lists are written with commas. NoDecode: pydantic-settings would expect JSON.
Texts = Annotated[tuple[Text, ...], NoDecode, BeforeValidator(_split)]
Issuers = Annotated[tuple[Annotated[str, AfterValidator(read_issuer)], ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(read_origin)], ...], NoDecode, BeforeValidator(_split)]
Parties = Annotated[tuple[Annotated[str, AfterValidator(_read_party)], ...], NoDecode, BeforeValidator(_read_parties)]
WebhookSecrets = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(check_webhook_secret)], ...], NoDecode, BeforeValidator(_split)
]
Pepper = Annotated[SecretStr, AS_IT_STANDS, AfterValidator(check_pepper)]
SymmetricSecret = Annotated[SecretStr, AS_IT_STANDS, AfterValidator(check_symmetric_secret)]
