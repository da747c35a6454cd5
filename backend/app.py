"""The application factory: settings, services, hooks, routes, commands, in that order."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from backend.api import register_routes
from backend.api.http.cors import origin_allower
from backend.api.http.hooks import Counterfoil, announce_sunset, register_hooks
from backend.api.http.measuring import measure_requests
from backend.api.http.security_headers import header_adder
from backend.api.inngest import SETTINGS as INNGEST
from backend.api.metrics import METRICS
from backend.cli import register_commands
from backend.container import make_services
from backend.server import logs
from backend.workflows import load_workflows
from config import Settings, load_settings

MAX_BODY_BYTES = 1_048_576


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application. Raises ConfigError when a setting is missing or wrong."""
    settings = (settings or load_settings()).check_complete()
    app = Counterfoil(__name__, static_folder=None)
    app.write_access_line = logs.configure(settings)
    app.request_timeout = settings.request_timeout
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    load_workflows()
    services = make_services(app, settings)
    if services.metrics:
        app.extensions[METRICS] = services.metrics
        measure_requests(app, services.metrics)
    if settings.otel_exporter_otlp_endpoint:
        from backend.api.http.tracing import trace_requests  # noqa: PLC0415 - not installed where it is not wanted

        trace_requests(app)
    add_headers = header_adder(is_production=settings.is_production)
    register_hooks(app, add_headers, origin_allower(app, settings.allowed_origins))
    if settings.legacy_jwt_sunset:
        announce_sunset(app, settings.legacy_jwt_sunset)
    if settings.uses_inngest:
        app.extensions[INNGEST] = settings
    register_routes(app)
    register_commands(app)
    if settings.trusted_proxies:
        # Not X-Forwarded-Host: a client may send it, and nothing here needs it.
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app
