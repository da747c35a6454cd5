"""Every setting, typed and validated; read once from the environment and `.env`.

A wrong value stops the start with one line that names the key and never shows its value. Nothing is started
here: in development, files of `make run` under `.local/` say where its database and Clerk instance are.
"""

import os
import socket
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from backend.services.core.clerk_keys import frontend_api_host
from settings.types import (
    Address,
    ApiKeyPrefix,
    DatabaseUrl,
    Directory,
    HttpUrl,
    InngestDev,
    InngestEventKey,
    InngestSigningKey,
    InstanceId,
    Issuers,
    LinkPrefix,
    Origin,
    Origins,
    Pepper,
    PublicKey,
    PublishableKey,
    SecretKey,
    SmtpUrl,
    Sunset,
    SymmetricSecret,
    Texts,
    WebhookSecrets,
    symmetric_secret_bytes,
    webhook_secret_bytes,
)

PROJECT = Path(__file__).parent
LOCAL_DATABASE = PROJECT / ".local" / "postgres" / "database.env"
LOCAL_CLERK_KEYS = PROJECT / ".local" / "clerk" / "keys.env"
LOCAL_CLERK_HOST = "emulator.localhost.clerk.accounts.dev"
LOCAL_CLERK_SECRET_PREFIX = "sk_test_emulator_"  # noqa: S105 - a public marker, not a secret
LOCAL_CLERK_WEBHOOK_MARK = b"counterfoil-emulator:"
DEVELOPMENT_PEPPER = b"counterfoil development pepper"
DEVELOPMENT_ORIGINS = ("http://localhost:5173", "http://localhost:8000")


class ConfigError(SystemExit):
    """A setting is missing or wrong. The text names the key and holds no value.

    As a SystemExit it ends gunicorn, flask and alembic alike with that text and status 1, without a traceback.
    """


class Settings(BaseSettings):
    """The settings of one process. An empty value counts as not set, in the environment and in `.env`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        validate_default=False,  # the empty defaults mean: not set
    )

    env: Literal["development", "production"] = "development"
    database_url: DatabaseUrl = SecretStr("")
    clerk_publishable_key: PublishableKey = ""
    clerk_secret_key: SecretKey = SecretStr("")
    clerk_webhook_secret: WebhookSecrets = Field(
        default=(), validation_alias=AliasChoices("CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET")
    )
    clerk_jwt_key: PublicKey = Field(default="", validation_alias=AliasChoices("CLERK_JWT_KEY", "JWT_KEY"))
    clerk_jwks_url: HttpUrl = ""
    clerk_issuer: Issuers = ()
    clerk_instance_id: InstanceId = ""
    clerk_api_url: HttpUrl = "https://api.clerk.com"
    clerk_authorized_parties: Origins = ()
    clerk_missing_azp: Literal["reject", "allow"] = "reject"
    clerk_audience: Texts = ()
    clerk_jwks_ttl: Annotated[int, Field(ge=0, le=86_400)] = 3_600
    clerk_jwks_dir: Directory = ""
    api_key_prefix: ApiKeyPrefix = "sk_app"
    api_key_pepper: Pepper = SecretStr("")
    legacy_jwt_secret: SymmetricSecret = SecretStr("")
    legacy_jwt_issuer: str = ""
    legacy_jwt_audience: str = ""
    legacy_jwt_email_claim: str = ""
    legacy_jwt_max_age: Annotated[int, Field(ge=60, le=31_536_000)] = 2_592_000
    legacy_jwt_sunset: Sunset | None = None
    legacy_link_by_email: bool = True
    legacy_link_by_external_id: LinkPrefix = None
    deleted_user_retention_days: Annotated[int, Field(ge=0, le=3_650)] = 7
    audit_retention_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    inngest_event_key: InngestEventKey = SecretStr("")
    inngest_signing_key: InngestSigningKey = SecretStr("")
    inngest_dev: InngestDev = ""
    inngest_serve_origin: Origin = ""
    outbox_url: HttpUrl = ""
    outbox_secret: WebhookSecrets = ()
    smtp_url: SmtpUrl = SecretStr("")
    mail_from: Address = ""
    cors_origins: Origins = ()
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    request_timeout: Annotated[float, Field(ge=0.5, le=300, allow_inf_nan=False)] = 10.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings names the parameters
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before `.env`. A variable that is there and empty also hides its line of `.env`."""
        if isinstance(dotenv_settings, DotEnvSettingsSource):
            hidden = {name.lower() for name, value in os.environ.items() if not value}
            lines = dotenv_settings.env_vars.items()
            dotenv_settings.env_vars = {name: value for name, value in lines if name not in hidden}
        return init_settings, env_settings, dotenv_settings

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def has_clerk_keys(self) -> bool:
        return bool(self.clerk_publishable_key or self.clerk_jwt_key or self.clerk_jwks_url)

    @property
    def frontend_api_host(self) -> str:
        """Where Clerk's scripts and sign-in are; empty without a publishable key."""
        return frontend_api_host(self.clerk_publishable_key) if self.clerk_publishable_key else ""

    @property
    def uses_local_clerk(self) -> bool:
        """Whether the publishable key is the one of the local Clerk instance."""
        return self.frontend_api_host == LOCAL_CLERK_HOST

    @property
    def retention(self) -> timedelta:
        """How long what belonged to a deleted user waits for a merge or a restore."""
        return timedelta(days=self.deleted_user_retention_days)

    @property
    def issuers(self) -> tuple[str, ...]:
        """The exact `iss` values to accept. Clerk signs with the URL of its Frontend API."""
        if self.clerk_issuer:
            return self.clerk_issuer
        if self.frontend_api_host:
            return (f"https://{self.frontend_api_host}",)
        issuer, well_known, _ = self.clerk_jwks_url.partition("/.well-known/jwks.json")
        return (issuer,) if well_known else ()

    @property
    def jwks_url(self) -> str:
        """Where the public keys are; empty when CLERK_JWT_KEY makes the network unnecessary."""
        if self.clerk_jwt_key:
            return ""
        if self.clerk_jwks_url or not self.frontend_api_host:
            return self.clerk_jwks_url
        return f"https://{self.frontend_api_host}/.well-known/jwks.json"

    @property
    def pepper(self) -> bytes:
        """Under which API keys are hashed. Development has a fixed one, so that keys survive a restart."""
        return symmetric_secret_bytes(self.api_key_pepper) or DEVELOPMENT_PEPPER

    @property
    def accepts_legacy_tokens(self) -> bool:
        return bool(self.legacy_jwt_secret.get_secret_value())

    @property
    def uses_inngest(self) -> bool:
        return bool(self.inngest_signing_key.get_secret_value() or self.inngest_dev)

    @property
    def inngest_event_url(self) -> str:
        """Where Inngest takes events, with the key; empty where nobody asked for it."""
        key = self.inngest_event_key.get_secret_value()
        if self.inngest_dev:
            return f"{self.inngest_dev.rstrip('/')}/e/{key or 'dev'}"
        return f"https://inn.gs/e/{key}" if key else ""

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        if self.cors_origins or self.is_production:
            return self.cors_origins
        return DEVELOPMENT_ORIGINS

    def check_complete(self) -> Self:
        """Refuse to serve half-configured. Raises ConfigError; migrations need only the database and skip it."""
        if not self.is_production and (name := self._live_key):
            raise ConfigError(f"ENV: must be production, because {name} is of a live Clerk instance (_live_)")
        if not self.has_clerk_keys:
            raise ConfigError(
                "CLERK_PUBLISHABLE_KEY: no Clerk key is set. Set it or CLERK_JWT_KEY, "
                "or use `make run`, which starts a local Clerk instance"
            )
        if not self.issuers:
            raise ConfigError("CLERK_ISSUER: set it (or CLERK_PUBLISHABLE_KEY), every token's issuer is checked")
        if self.outbox_url and not self.outbox_secret:
            raise ConfigError(
                "OUTBOX_SECRET: missing, OUTBOX_URL needs it. Make one: echo whsec_$(openssl rand -base64 32)"
            )
        self._check_inngest()
        if self.smtp_url.get_secret_value() and not self.mail_from:
            raise ConfigError("MAIL_FROM: set it, SMTP_URL needs it")
        if self.is_production:
            self._check_production()
        return self

    @property
    def _live_key(self) -> str:
        """The name of a setting with a key of real users. A forgotten ENV would serve them as in development."""
        if self.clerk_publishable_key.startswith("pk_live_"):
            return "CLERK_PUBLISHABLE_KEY"
        return "CLERK_SECRET_KEY" if self.clerk_secret_key.get_secret_value().startswith("sk_live_") else ""

    def _check_inngest(self) -> None:
        if self.inngest_signing_key.get_secret_value() and not self.inngest_serve_origin:
            # Otherwise the address to call would be read from the Host header of whoever asks.
            raise ConfigError("INNGEST_SERVE_ORIGIN: set it, INNGEST_SIGNING_KEY needs it")
        if not self.is_production:
            return
        if self.inngest_dev:
            raise ConfigError("INNGEST_DEV: Inngest's dev server signs nothing, not for production")
        if self.inngest_serve_origin and not self.inngest_serve_origin.startswith("https://"):
            raise ConfigError("INNGEST_SERVE_ORIGIN: must be https:// in production")

    def _check_production(self) -> None:
        if not self.clerk_webhook_secret:
            raise ConfigError("CLERK_WEBHOOK_SECRET: missing, production needs it")
        if any(LOCAL_CLERK_HOST in text for text in (*self.issuers, self.jwks_url)):
            raise ConfigError("CLERK_PUBLISHABLE_KEY: belongs to the local Clerk instance, not for production")
        if self.clerk_secret_key.get_secret_value().startswith(LOCAL_CLERK_SECRET_PREFIX):
            raise ConfigError("CLERK_SECRET_KEY: belongs to the local Clerk instance, not for production")
        for secret in self.clerk_webhook_secret:
            if webhook_secret_bytes(secret).startswith(LOCAL_CLERK_WEBHOOK_MARK):
                raise ConfigError("CLERK_WEBHOOK_SECRET: belongs to the local Clerk instance, not for production")
        urls = {"CLERK_JWKS_URL": self.jwks_url, "CLERK_API_URL": self.clerk_api_url, "OUTBOX_URL": self.outbox_url}
        for name, url in urls.items():
            if url and not url.startswith("https://"):
                raise ConfigError(f"{name}: must be https:// in production")
        if self.inngest_dev:
            raise ConfigError("INNGEST_DEV: Inngest's dev server signs nothing, not for production")
        if symmetric_secret_bytes(self.api_key_pepper) in {b"", DEVELOPMENT_PEPPER}:
            raise ConfigError("API_KEY_PEPPER: missing, production needs it. Make one: openssl rand -base64 32")


@cache
def load_settings() -> Settings:
    """Read the environment, then `.env`; in development, then the files of `make run`.

    Once a process: a worker has what gunicorn's master read, at the start or at the last SIGHUP. Raises ConfigError
    with one line for each wrong key.
    """
    dot_env = PROJECT / ".env"
    settings = read_settings(dot_env)
    if settings.is_production:
        if not settings.database_url.get_secret_value():
            raise ConfigError("DATABASE_URL: missing, production needs it")
        return settings
    if not settings.has_clerk_keys and LOCAL_CLERK_KEYS.exists():
        settings = read_settings(dot_env, LOCAL_CLERK_KEYS)
    if not settings.database_url.get_secret_value():
        settings = settings.model_copy(update={"database_url": _local_database_url()})
    return settings


def read_settings(*env_files: Path) -> Settings:
    """Read the environment and these files, the last one first, with no fallback. Raises ConfigError."""
    try:
        return Settings(_env_file=env_files, _env_file_encoding="utf-8")
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(dict(fault)) for fault in error.errors())) from None


def setting_names() -> list[str]:
    """Every name that a setting goes by in the environment."""
    names: list[str] = []
    for name, info in Settings.model_fields.items():
        aliases = getattr(info.validation_alias, "choices", None)
        names += [str(alias) for alias in aliases] if aliases else [name.upper()]
    return names


def _explain(fault: dict[str, Any]) -> str:
    key = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}"


def _local_database_url() -> SecretStr:
    """The database of a running `make run`. Raises ConfigError when there is none.

    The file alone proves nothing: it stays after a crash of the machine. So its socket is tried.
    """
    try:
        url = dotenv_values(LOCAL_DATABASE)["DATABASE_URL"] or ""
        place = make_url(url).query
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(f"{place['host']}/.s.PGSQL.{place['port']}")
    except (OSError, KeyError, ArgumentError):
        raise ConfigError(
            "DATABASE_URL: not set, and no `make run` serves a database here. Start `make run`, or set DATABASE_URL"
        ) from None
    return SecretStr(url)
