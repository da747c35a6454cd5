"""Every setting, typed and validated; read once from the environment and `.env`.

A wrong value stops the start with one line that names the key and never shows its value. Nothing is started
here: in development, files of `make run` under `.local/` say where its database and Clerk instance are.
"""

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError

from backend.services.core.clerk_keys import frontend_api_host
from settings.base import EnvironmentSettings
from settings.checks import find_faults
from settings.development import DEVELOPMENT_PEPPER, LOCAL_CLERK_HOST
from settings.keys import symmetric_secret_bytes
from settings.local_database import local_database_url
from settings.types import (
    Address,
    ApiKeyPrefix,
    ApiUrl,
    BearerToken,
    ClaimName,
    DatabaseUrl,
    Directory,
    HttpOrigin,
    HttpUrl,
    InngestDev,
    InngestEventKey,
    InngestSigningKey,
    InstanceId,
    Issuers,
    JwksUrl,
    LinkPrefix,
    Origins,
    Parties,
    Pepper,
    PublicKey,
    PublishableKey,
    RedisUrl,
    SecretKey,
    SmtpUrl,
    Sunset,
    SymmetricSecret,
    Text,
    Texts,
    WebhookSecrets,
)

PROJECT = Path(__file__).parent
LOCAL_DATABASE = PROJECT / ".local" / "postgres" / "database.env"
LOCAL_CLERK_KEYS = PROJECT / ".local" / "clerk" / "keys.env"
DEVELOPMENT_ORIGINS = ("http://localhost:5173", "http://localhost:8000")


class ConfigError(SystemExit):
    """A setting is missing or wrong. The text names the key and holds no value.

    As a SystemExit it ends gunicorn, flask and alembic alike with that text and status 1, without a traceback.
    """


class Settings(EnvironmentSettings):
    """The settings of one process."""

    env: Literal["development", "production"] = "development"
    database_url: DatabaseUrl = SecretStr("")
    clerk_publishable_key: PublishableKey = ""
    clerk_secret_key: SecretKey = SecretStr("")
    clerk_webhook_secret: WebhookSecrets = Field(
        default=(), validation_alias=AliasChoices("CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET")
    )
    clerk_jwt_key: PublicKey = Field(default="", validation_alias=AliasChoices("CLERK_JWT_KEY", "JWT_KEY"))
    clerk_jwks_url: JwksUrl = ""
    clerk_issuer: Issuers = ()
    clerk_instance_id: InstanceId = ""
    clerk_api_url: ApiUrl = "https://api.clerk.com"
    clerk_authorized_parties: Parties = ()
    clerk_missing_azp: Literal["reject", "allow"] = "reject"
    clerk_audience: Texts = ()
    clerk_jwks_ttl: Annotated[int, Field(ge=0, le=86_400)] = 3_600
    clerk_jwks_dir: Directory = ""
    api_key_prefix: ApiKeyPrefix = "sk_app"
    api_key_pepper: Pepper = SecretStr("")
    legacy_jwt_secret: SymmetricSecret = SecretStr("")
    legacy_jwt_issuer: Text = ""
    legacy_jwt_audience: Text = ""
    legacy_jwt_email_claim: ClaimName = ""
    legacy_jwt_max_age: Annotated[int, Field(ge=60, le=31_536_000)] = 2_592_000
    legacy_jwt_sunset: Sunset | None = None
    legacy_link_by_email: bool = True
    legacy_link_by_external_id: LinkPrefix = None
    deleted_user_retention_days: Annotated[int, Field(ge=0, le=3_650)] = 7
    audit_retention_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    inngest_event_key: InngestEventKey = SecretStr("")
    inngest_signing_key: InngestSigningKey = SecretStr("")
    inngest_dev: InngestDev = ""
    inngest_serve_origin: HttpOrigin = ""
    outbox_url: HttpUrl = ""
    outbox_secret: WebhookSecrets = ()
    smtp_url: SmtpUrl = SecretStr("")
    mail_from: Address = ""
    redis_url: RedisUrl = SecretStr("")
    rate_limits: Literal["on", "off"] = "on"
    cors_origins: Origins = ()
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    request_timeout: Annotated[float, Field(ge=0.5, le=300, allow_inf_nan=False)] = 10.0
    metrics_token: BearerToken = SecretStr("")
    otel_exporter_otlp_endpoint: HttpUrl = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

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
    def authorized_parties(self) -> tuple[str, ...]:
        """The origins whose tokens count; none for any."""
        return () if self.clerk_authorized_parties == ("*",) else self.clerk_authorized_parties

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
        """Refuse to serve half-configured. Raises ConfigError with a line for each fault."""
        if faults := list(find_faults(self)):
            raise ConfigError("\n".join(faults))
        return self


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
        url = local_database_url(LOCAL_DATABASE)
        if not url:
            raise ConfigError(
                "DATABASE_URL: not set, and no `make run` serves a database here. Start `make run`, or set DATABASE_URL"
            )
        settings = settings.model_copy(update={"database_url": SecretStr(url)})
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
