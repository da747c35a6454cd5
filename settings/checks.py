"""Settings that are good each by itself, and cannot work together or in production. Each fault is one line.

No line repeats a value: it may be a secret.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from settings.development import (
    DEVELOPMENT_PEPPER,
    LOCAL_CLERK_HOST,
    LOCAL_CLERK_SECRET_PREFIX,
    LOCAL_CLERK_WEBHOOK_MARK,
)
from settings.keys import symmetric_secret_bytes, webhook_secret_bytes
from settings.urls import BACKEND_API_HOST

if TYPE_CHECKING:
    from config import Settings


def find_faults(settings: "Settings") -> Iterator[str]:
    """Why it would be half-configured to serve with these. Migrations need only the database, and do not ask."""
    yield from _clerk_faults(settings)
    yield from _inngest_faults(settings)
    if settings.outbox_url and not settings.outbox_secret:
        yield "OUTBOX_SECRET: missing, OUTBOX_URL needs it. Make one: echo whsec_$(openssl rand -base64 32)"
    if settings.otel_exporter_otlp_endpoint and not _is_installed("opentelemetry.instrumentation.psycopg2"):
        yield "OTEL_EXPORTER_OTLP_ENDPOINT: needs what is not installed: pip install -r requirements-tracing.txt"
    if settings.smtp_url.get_secret_value() and not settings.mail_from:
        yield "MAIL_FROM: set it, SMTP_URL needs it"
    if settings.is_production:
        yield from _production_faults(settings)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _clerk_faults(settings: "Settings") -> Iterator[str]:
    if not settings.is_production and (name := _live_key(settings)):
        yield f"ENV: must be production, because {name} is of a live Clerk instance (_live_)"
    if not settings.has_clerk_keys:
        yield (
            "CLERK_PUBLISHABLE_KEY: no Clerk key is set. Set it or CLERK_JWT_KEY, "
            "or use `make run`, which starts a local Clerk instance"
        )
    elif not settings.issuers:
        yield "CLERK_ISSUER: set it (or CLERK_PUBLISHABLE_KEY), every token's issuer is checked"
    secret = settings.clerk_secret_key.get_secret_value()
    if secret and settings.clerk_publishable_key and secret[3:7] != settings.clerk_publishable_key[3:7]:
        yield "CLERK_SECRET_KEY: one of it and CLERK_PUBLISHABLE_KEY is of a test instance, and the other of a live one"
    is_at_clerk = urlsplit(settings.clerk_api_url).hostname == BACKEND_API_HOST
    if secret.startswith(LOCAL_CLERK_SECRET_PREFIX) and is_at_clerk:
        yield "CLERK_API_URL: set it to the local Clerk instance, which CLERK_SECRET_KEY belongs to"
    if settings.jwks_url == f"{settings.clerk_api_url}/v1/jwks":
        if not secret:
            yield "CLERK_SECRET_KEY: set it, the public keys at CLERK_JWKS_URL are given to nobody else"
    elif urlsplit(settings.jwks_url).hostname == BACKEND_API_HOST:
        yield "CLERK_JWKS_URL: is not at CLERK_API_URL, which alone is sent CLERK_SECRET_KEY"


def _live_key(settings: "Settings") -> str:
    """The name of a setting with a key of real users. A forgotten ENV would serve them as in development."""
    if settings.clerk_publishable_key.startswith("pk_live_"):
        return "CLERK_PUBLISHABLE_KEY"
    return "CLERK_SECRET_KEY" if settings.clerk_secret_key.get_secret_value().startswith("sk_live_") else ""


def _inngest_faults(settings: "Settings") -> Iterator[str]:
    if settings.inngest_signing_key.get_secret_value() and not settings.inngest_serve_origin:
        # Otherwise the address to call would be read from the Host header of whoever asks.
        yield "INNGEST_SERVE_ORIGIN: set it, INNGEST_SIGNING_KEY needs it"
    if settings.is_production and settings.inngest_dev:
        yield "INNGEST_DEV: Inngest's dev server signs nothing, not for production"


def _production_faults(settings: "Settings") -> Iterator[str]:
    if not settings.clerk_webhook_secret:
        yield "CLERK_WEBHOOK_SECRET: missing, production needs it"
    if not settings.clerk_authorized_parties:
        # Else a token that a page of any other subdomain got hold of would count.
        yield (
            "CLERK_AUTHORIZED_PARTIES: missing, production needs it: "
            "the origins of your frontend, like https://app.example.com, or * for any"
        )
    if any(LOCAL_CLERK_HOST in text for text in (*settings.issuers, settings.jwks_url)):
        yield "CLERK_PUBLISHABLE_KEY: belongs to the local Clerk instance, not for production"
    if settings.clerk_secret_key.get_secret_value().startswith(LOCAL_CLERK_SECRET_PREFIX):
        yield "CLERK_SECRET_KEY: belongs to the local Clerk instance, not for production"
    if any(webhook_secret_bytes(key).startswith(LOCAL_CLERK_WEBHOOK_MARK) for key in settings.clerk_webhook_secret):
        yield "CLERK_WEBHOOK_SECRET: belongs to the local Clerk instance, not for production"
    urls = {
        "CLERK_JWKS_URL": settings.jwks_url,
        "CLERK_API_URL": settings.clerk_api_url,
        "OUTBOX_URL": settings.outbox_url,
        "INNGEST_SERVE_ORIGIN": settings.inngest_serve_origin,
    }
    for name, url in urls.items():
        if url and not url.startswith("https://"):
            yield f"{name}: must be https:// in production"
    if symmetric_secret_bytes(settings.api_key_pepper) in {b"", DEVELOPMENT_PEPPER}:
        yield "API_KEY_PEPPER: missing, production needs it. Make one: openssl rand -base64 32"
