"""Every setting, typed and validated; read once from the environment and `.env`.

A wrong value stops the start with one line that names the key and never shows its value.
"""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PROJECT = Path(__file__).parent
LOCAL_CLERK_KEYS = PROJECT / ".local" / "clerk" / "keys.env"
LOCAL_CLERK_HOST = "emulator.localhost.clerk.accounts.dev"
LOCAL_CLERK_SECRET_PREFIX = "sk_test_emulator_"  # noqa: S105 - a public marker, not a secret
LOCAL_CLERK_WEBHOOK_MARK = b"counterfoil-emulator:"
DEVELOPMENT_ORIGINS = ("http://localhost:5173", "http://localhost:8000")
MIN_RSA_BITS = 2048
MIN_WEBHOOK_SECRET_BYTES = 16
MIN_EXPONENT = 65537

Texts = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]


class ConfigError(SystemExit):
    """A setting is missing or wrong. The text names the key and holds no value.

    As a SystemExit it ends gunicorn, flask and alembic alike with that text and status 1, without a traceback.
    """


class Settings(BaseSettings):
    """The settings of one process. An empty value counts as not set, in the environment and in `.env`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    env: Literal["development", "production"] = "development"
    database_url: SecretStr = SecretStr("")
    clerk_publishable_key: str = ""
    clerk_secret_key: SecretStr = SecretStr("")
    clerk_webhook_secret: Secrets = Field(
        default=(), validation_alias=AliasChoices("CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET")
    )
    clerk_jwt_key: str = Field(default="", validation_alias=AliasChoices("CLERK_JWT_KEY", "JWT_KEY"))
    clerk_jwks_url: str = ""
    clerk_issuer: Texts = ()
    clerk_api_url: str = "https://api.clerk.com"
    clerk_authorized_parties: Texts = ()
    clerk_missing_azp: Literal["reject", "allow"] = "reject"
    clerk_audience: Texts = ()
    clerk_jwks_ttl: Annotated[int, Field(ge=0, le=86_400)] = 3_600
    cors_origins: Texts = ()
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    request_timeout: Annotated[float, Field(ge=0.5, le=300, allow_inf_nan=False)] = 10.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and not value.strip() and info.field_name is not None:
            return cls.model_fields[info.field_name].get_default()
        return value

    @field_validator(
        "clerk_issuer",
        "clerk_authorized_parties",
        "clerk_audience",
        "cors_origins",
        "clerk_webhook_secret",
        mode="before",
    )
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql_url(cls, value: SecretStr) -> SecretStr:
        """Accept the `postgres://` of hosting services; the driver is always psycopg2."""
        text = value.get_secret_value()
        if not text:
            return value
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise ValueError("is not a URL like postgresql://user:password@host:5432/name") from None
        if url.drivername not in {"postgres", "postgresql", "postgresql+psycopg2"}:
            raise ValueError("must begin with postgresql://")
        return SecretStr(url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False))

    @field_validator("clerk_publishable_key")
    @classmethod
    def _publishable_key(cls, value: str) -> str:
        if value:
            frontend_api_host(value)
        return value

    @field_validator("clerk_webhook_secret")
    @classmethod
    def _webhook_secrets(cls, values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """Svix secrets: `whsec_` + base64. The library would only notice at the first delivery."""
        for value in values:
            if len(webhook_secret_bytes(value)) < MIN_WEBHOOK_SECRET_BYTES:
                raise ValueError("must be whsec_ and base64, as the Clerk dashboard shows it")
        return values

    @field_validator("clerk_jwt_key")
    @classmethod
    def _public_key(cls, value: str) -> str:
        return normalize_public_key(value) if value else value

    @field_validator("clerk_jwks_url", "clerk_api_url", "clerk_issuer")
    @classmethod
    def _http_urls(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for url in (value,) if isinstance(value, str) else value:
            parts = urlsplit(url)
            if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
                raise ValueError("must be a URL that begins with https:// (or http:// in development)")
        return value

    @field_validator("clerk_authorized_parties", "cors_origins")
    @classmethod
    def _origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for origin in values:
            parts = urlsplit(origin)
            if not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
                raise ValueError(
                    "takes exact origins like https://app.example.com, without a path, a closing slash or *"
                )
        return values

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def has_clerk_keys(self) -> bool:
        return bool(self.clerk_publishable_key or self.clerk_jwt_key or self.clerk_jwks_url)

    @property
    def issuers(self) -> tuple[str, ...]:
        """The exact `iss` values to accept. Clerk signs with the URL of its Frontend API."""
        if self.clerk_issuer:
            return self.clerk_issuer
        if self.clerk_publishable_key:
            return (f"https://{frontend_api_host(self.clerk_publishable_key)}",)
        issuer, well_known, _ = self.clerk_jwks_url.partition("/.well-known/jwks.json")
        return (issuer,) if well_known else ()

    @property
    def jwks_url(self) -> str:
        """Where the public keys are; empty when CLERK_JWT_KEY makes the network unnecessary."""
        if self.clerk_jwt_key:
            return ""
        if self.clerk_jwks_url or not self.clerk_publishable_key:
            return self.clerk_jwks_url
        return f"https://{frontend_api_host(self.clerk_publishable_key)}/.well-known/jwks.json"

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        if self.cors_origins or self.is_production:
            return self.cors_origins
        return DEVELOPMENT_ORIGINS

    def check_complete(self) -> Self:
        """Refuse to serve half-configured. Raises ConfigError; migrations need only the database and skip it."""
        if not self.has_clerk_keys:
            raise ConfigError(
                "CLERK_PUBLISHABLE_KEY: no Clerk key is set. Set it or CLERK_JWT_KEY, "
                "or use `make run`, which starts a local Clerk instance"
            )
        if not self.issuers:
            raise ConfigError(
                "CLERK_ISSUER: set it (or CLERK_PUBLISHABLE_KEY), every token's issuer is checked"
            )
        if self.is_production:
            self._check_production()
        return self

    def _check_production(self) -> None:
        if not self.clerk_webhook_secret:
            raise ConfigError("CLERK_WEBHOOK_SECRET: missing, production needs it")
        if any(LOCAL_CLERK_HOST in text for text in (*self.issuers, self.jwks_url)):
            raise ConfigError(
                "CLERK_PUBLISHABLE_KEY: belongs to the local Clerk instance, not for production"
            )
        if self.clerk_secret_key.get_secret_value().startswith(LOCAL_CLERK_SECRET_PREFIX):
            raise ConfigError("CLERK_SECRET_KEY: belongs to the local Clerk instance, not for production")
        for secret in self.clerk_webhook_secret:
            if webhook_secret_bytes(secret).startswith(LOCAL_CLERK_WEBHOOK_MARK):
                raise ConfigError(
                    "CLERK_WEBHOOK_SECRET: belongs to the local Clerk instance, not for production"
                )
        if self.jwks_url and not self.jwks_url.startswith("https://"):
            raise ConfigError("CLERK_JWKS_URL: must be https:// in production")
        if not self.clerk_api_url.startswith("https://"):
            raise ConfigError("CLERK_API_URL: must be https:// in production")


def load_settings() -> Settings:
    """Read the environment, then `.env`; in development fall back to the local database and Clerk instance.

    Raises ConfigError with one line for each wrong key.
    """
    settings = _read(PROJECT / ".env")
    if settings.is_production:
        if not settings.database_url.get_secret_value():
            raise ConfigError("DATABASE_URL: missing, production needs it")
        return settings
    if not settings.has_clerk_keys and LOCAL_CLERK_KEYS.exists():
        settings = _read(PROJECT / ".env", LOCAL_CLERK_KEYS)
    if not settings.database_url.get_secret_value():
        settings = settings.model_copy(update={"database_url": SecretStr(_embedded_database_url())})
    return settings


def _read(*env_files: Path) -> Settings:
    try:
        return Settings(_env_file=env_files, _env_file_encoding="utf-8")
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(dict(fault)) for fault in error.errors())) from None


def _explain(fault: dict[str, Any]) -> str:
    key = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}"


def _embedded_database_url() -> str:
    try:
        from development.database import ensure_running  # noqa: PLC0415 - development only
    except ModuleNotFoundError:
        raise ConfigError(
            "DATABASE_URL: not set, and the development requirements are not installed"
        ) from None
    return ensure_running()


def frontend_api_host(publishable_key: str) -> str:
    """The host inside `pk_test_…` or `pk_live_…`: base64 of `<host>$`, padding optional (Clerk keys.ts)."""
    match = re.fullmatch(r"pk_(?:test|live)_([A-Za-z0-9+/_-]+)={0,2}", publishable_key)
    try:
        text = (
            base64.b64decode(match[1] + "=" * (-len(match[1]) % 4), altchars=b"-_").decode("ascii")
            if match
            else ""
        )
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    host = text.removesuffix("$")
    if host == text or not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?", host):
        raise ValueError("is not a Clerk publishable key (pk_test_… or pk_live_…)")
    return host


def webhook_secret_bytes(secret: SecretStr) -> bytes:
    """The signing key inside a Svix secret, empty when it is not one."""
    text = secret.get_secret_value()
    if not text.startswith("whsec_"):
        return b""
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return b""


def normalize_public_key(text: str) -> str:
    """A PEM public key as a clean PEM, whatever the environment did to its newlines.

    Accepts real newlines, CRLF, the two characters `\\n`, spaces, no separators, and base64 alone.
    Raises ValueError unless it is an RSA public key of at least 2048 bits.
    """
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key; take the JWT public key from the Clerk dashboard")
    body = re.sub(r"-----(BEGIN|END) PUBLIC KEY-----|\\r|\\n|\s", "", text)
    try:
        key = load_der_public_key(base64.b64decode(body, validate=True))
    except ValueError:
        raise ValueError("is not a PEM public key; copy it again from the Clerk dashboard") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise ValueError(f"must be an RSA key of at least {MIN_RSA_BITS} bits")
    exponent = key.public_numbers().e
    if exponent < MIN_EXPONENT or exponent % 2 == 0:
        raise ValueError("has an unsafe RSA exponent")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
