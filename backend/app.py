"""The application factory: settings, extensions, request hooks, errors, routes, in that order."""

import logging

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from backend.access.authentication import Authenticator
from backend.api import register_routes
from backend.api.http.cors import allow_origins
from backend.api.http.deprecation import announce_sunset
from backend.api.http.hooks import answer_problem, register_hooks
from backend.api.site import register_site
from backend.cli import register_commands
from backend.database.engine import add_database
from backend.deadline import RequestTimeout, request_deadline
from backend.errors import AppError, ErrorCode
from backend.request_id import request_id
from backend.server.request_counter import register_request_counts
from backend.services.api_keys.form import KeyForm
from backend.services.clerk.mirror.apply import UserSync
from backend.services.clerk.sessions import LiveSessions
from backend.services.clerk.webhooks.signature import WebhookVerifier
from backend.services.core.clerk_service import ClerkService
from backend.services.encryption import Seal
from config import Settings, load_settings

MAX_BODY_BYTES = 1_048_576

log = logging.getLogger(__name__)


class Counterfoil(Flask):
    """Flask, with a time limit for each request inside which CORS and error forms still apply."""

    request_timeout: float

    def full_dispatch_request(self) -> Response:
        try:
            with request_deadline(self.request_timeout):
                return super().full_dispatch_request()
        except RequestTimeout:
            log.warning("Request %s took longer than %g s.", request_id(), self.request_timeout)
            error = AppError(
                ErrorCode.REQUEST_TIMEOUT, "The request took too long and was given up. Try again."
            )
            return self.finalize_request(answer_problem(error), from_error_handler=True)


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application. Raises ConfigError when a setting is missing or wrong."""
    settings = (settings or load_settings()).check_complete()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = Counterfoil(__name__, static_folder=None)
    app.request_timeout = settings.request_timeout
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    _add_extensions(app, settings)
    register_hooks(app)
    register_request_counts(app)
    allow_origins(app, settings.allowed_origins)
    if settings.legacy_jwt_sunset:
        announce_sunset(app, settings.legacy_jwt_sunset)
    register_site(app, settings)
    register_routes(app)
    register_commands(app)
    return app


def _add_extensions(app: Flask, settings: Settings) -> None:
    reads = app.extensions["reads"] = add_database(app, settings.database_url.get_secret_value())
    clerk = app.extensions["clerk"] = ClerkService.from_settings(settings)
    sync = app.extensions["sync"] = UserSync(link_by_email=settings.legacy_link_by_email)
    keys = app.extensions["api_keys"] = KeyForm(settings.api_key_prefix, settings.pepper)
    app.extensions["seal"] = Seal(settings.pepper)
    app.extensions["authenticator"] = Authenticator(settings, clerk, reads, sync, keys)
    app.extensions["live_sessions"] = LiveSessions(clerk.api)
    secrets = settings.clerk_webhook_secret
    app.extensions["webhook_verifier"] = WebhookVerifier(secrets) if secrets else None
    if settings.trusted_proxies:
        # Not X-Forwarded-Host: a client may send it, and nothing here needs it.
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
