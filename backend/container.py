"""What the application consists of: every collaborator with its type, made once an application."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine

from backend.access.api_keys import ApiKeys
from backend.access.authentication import Authenticator
from backend.access.credentials import Kind
from backend.access.identity import Identity
from backend.access.legacy_tokens import LegacyTokens
from backend.access.policy import Access, limits_of, policies_of
from backend.access.rate_limits import RequestLimits
from backend.access.refusals import Refusals
from backend.access.session_tokens import SessionTokens
from backend.database.engine import LOOKUPS, POOL_TIMEOUT_SECONDS, connector, engine_options
from backend.database.prepared_reads import ReadConnection, ReadPool
from backend.database.transactions import Database
from backend.models import Base
from backend.server.event_retries import EventRetries
from backend.server.outbox_publisher import OutboxPublisher
from backend.server.request_counter import RequestCounter
from backend.services.api_keys.form import KeyForm
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.clock import ClerkClock
from backend.services.clerk.linking import LinkRules
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.completion import Completion
from backend.services.clerk.sessions import LiveSessions
from backend.services.clerk.webhooks.signature import WebhookVerifier
from backend.services.core.claims import ClaimRules
from backend.services.core.clerk_service import ClerkService
from backend.services.core.jwks import Fetch, KeySource, PemKey, RemoteKeySet
from backend.services.core.key_file import KeyFile
from backend.services.encryption import Encryption
from backend.services.figures import FigureReader
from backend.services.mail import Mailer, MailFolder, SmtpServer
from backend.services.outbox.announcements import ASKED, AppEvent
from backend.services.outbox.deliveries import Destination
from backend.services.outbox.destinations import Endpoint, Inngest, sign_up_functions
from backend.services.rate_limits.limiter import RateLimiter
from backend.services.readiness import Readiness
from config import PROJECT, Settings

if TYPE_CHECKING:
    from backend.server.metrics import Metrics

T = TypeVar("T")

_EXTENSION = "counterfoil"
MAIL_FOLDER = PROJECT / ".local" / "mail"

# Flask-SQLAlchemy makes the engine, and gives `flask shell` a session over our tables (`db.session`).
db = SQLAlchemy(metadata=Base.metadata)


@dataclass(frozen=True, kw_only=True)
class Services:
    """The collaborators of views and commands."""

    settings: Settings
    database: Database
    reads: ReadPool
    clerk: ClerkService
    clock: ClerkClock
    refusals: Refusals
    backend_api: BackendApi
    live_sessions: LiveSessions
    mirror: Mirror
    webhook_verifier: WebhookVerifier | None
    key_form: KeyForm
    encryption: Encryption
    mailer: Mailer | None
    request_counter: RequestCounter
    event_retries: EventRetries
    outbox_publisher: OutboxPublisher
    readiness: Readiness
    rate_limiter: RateLimiter | None
    metrics: "Metrics | None"
    access: Access


def make_services(app: Flask, settings: Settings) -> Services:
    """Make them all, and bind them to the application. Connects to nothing yet."""
    connect = connector(settings.database_url.get_secret_value())
    destinations = _make_destinations(settings)
    asked = {event: [each.name for each in destinations if event in each.events] for event in AppEvent}
    engine = _make_engine(app, settings, connect)
    database = Database(engine.execution_options(**{ASKED: asked}) if destinations else engine)
    reads = ReadPool(connect, LOOKUPS, POOL_TIMEOUT_SECONDS)
    clock = ClerkClock()
    refusals = Refusals(clock.note)
    backend_api = BackendApi(settings.clerk_api_url, settings.clerk_secret_key.get_secret_value(), hear=clock.hear)
    clerk = _make_clerk(settings, backend_api.fetch_key_set)
    request_counter = RequestCounter(database.transact)
    rate_limiter = _make_rate_limiter(settings)
    metrics = _make_metrics(settings, database, reads, clerk, request_counter, rate_limiter)
    link_rules = LinkRules(settings.legacy_link_by_email, settings.legacy_link_by_external_id)
    mirror = Mirror(link_rules, settings.retention, metrics.note_event if metrics else ignore)
    completion = Completion(database.transact, backend_api, mirror, clerk)
    key_form = KeyForm(settings.api_key_prefix, settings.pepper)
    rate_limits = RequestLimits(rate_limiter)
    identify: dict[Kind, Callable[[str], Identity]] = {
        "clerk": SessionTokens(
            clerk, reads, database.transact, completion, rate_limits, metrics.note_provisioned if metrics else ignore
        ).identify,
        "api-key": ApiKeys(key_form, reads, database).identify,
    }
    if settings.accepts_legacy_tokens:
        identify["legacy"] = LegacyTokens(settings, reads, database.transact).identify
    live_sessions = LiveSessions(backend_api)
    authenticator = Authenticator(settings, identify, request_counter.count)
    access = Access(authenticator, live_sessions, refusals, policies_of(app), limits_of(app), rate_limits)
    access.bind(app)
    secrets = settings.clerk_webhook_secret
    services = Services(
        settings=settings,
        database=database,
        reads=reads,
        clerk=clerk,
        clock=clock,
        refusals=refusals,
        backend_api=backend_api,
        live_sessions=live_sessions,
        mirror=mirror,
        webhook_verifier=WebhookVerifier(secrets) if secrets else None,
        key_form=key_form,
        encryption=Encryption(settings.pepper),
        mailer=_make_mailer(settings),
        request_counter=request_counter,
        event_retries=EventRetries(database.transact, mirror, clerk),
        outbox_publisher=OutboxPublisher(database.transact, destinations),
        readiness=Readiness(reads, database.transact, clerk.check_keys),
        rate_limiter=rate_limiter,
        metrics=metrics,
        access=access,
    )
    app.extensions[_EXTENSION] = services
    return services


def ignore(*_news: object) -> None:
    """Where nobody counts what happens."""


def _make_metrics(
    settings: Settings,
    database: Database,
    reads: ReadPool,
    clerk: ClerkService,
    request_counter: RequestCounter,
    rate_limiter: RateLimiter | None,
) -> "Metrics | None":
    if not settings.metrics_token.get_secret_value():
        return None
    from backend.server.metrics import Metrics, Watched  # noqa: PLC0415 - 20 ms and 2 MiB of each worker

    pools = {"lookups": reads.places, **database.pools}
    watched = Watched(pools, lambda: clerk.keys_age, lambda: request_counter.backlog, rate_limiter)
    return Metrics(watched, FigureReader(reads))


def _make_destinations(settings: Settings) -> list[Destination]:
    destinations: list[Destination] = [*sign_up_functions()]
    if settings.outbox_url:
        secrets = [secret.get_secret_value() for secret in settings.outbox_secret]
        destinations.append(Endpoint(settings.outbox_url, secrets))
    if settings.inngest_event_url:
        destinations.append(Inngest(settings.inngest_event_url))
    return destinations


def _make_clerk(settings: Settings, fetch: Fetch) -> ClerkService:
    pem, url = settings.clerk_jwt_key, settings.jwks_url
    keys: KeySource = (
        PemKey(pem) if pem else RemoteKeySet(url, settings.clerk_jwks_ttl, fetch, KeyFile(settings.clerk_jwks_dir, url))
    )
    rules = ClaimRules(
        issuers=frozenset(settings.issuers),
        authorized_parties=frozenset(settings.authorized_parties),
        audiences=frozenset(settings.clerk_audience),
        allow_missing_azp=settings.clerk_missing_azp == "allow",
    )
    return ClerkService(keys, rules, settings.clerk_instance_id)


def _make_rate_limiter(settings: Settings) -> RateLimiter | None:
    if settings.rate_limits == "off":
        return None
    url = settings.redis_url.get_secret_value()
    if not url:
        return RateLimiter()
    from backend.services.rate_limits.in_redis import InRedis  # noqa: PLC0415 - its libraries cost memory

    return RateLimiter(InRedis(url))


def _make_mailer(settings: Settings) -> Mailer | None:
    if url := settings.smtp_url.get_secret_value():
        return SmtpServer(url, settings.mail_from)
    return None if settings.is_production else MailFolder(MAIL_FOLDER, settings.mail_from or "hello@example.com")


def _make_engine(app: Flask, settings: Settings, connect: Callable[[], ReadConnection]) -> Engine:
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url.get_secret_value()
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(connect)
    db.init_app(app)
    with app.app_context():
        return db.engine


def current_services() -> Services:
    """The collaborators of the application that serves this request or runs this command."""
    return cast("Services", current_app.extensions[_EXTENSION])


def in_transaction(work: Callable[[Connection], T], *, user: str | int | None = None) -> T:
    """Run `work` and commit, as Database.transact, in the caller's line where no other `user` is named.

    Views say `in_transaction(lambda connection: …)`.
    """
    return current_services().database.transact(work, user=user or _caller())


def reading(work: Callable[[Connection], T]) -> T:
    """Run `work`, which changes nothing, as Database.read."""
    return current_services().database.read(work, user=_caller())


def _caller() -> str | int | None:
    """None for a command, and where nobody has asked who calls."""
    caller = g.get("caller")
    return caller.key if isinstance(caller, Identity) else None
