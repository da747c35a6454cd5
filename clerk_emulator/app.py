"""The WSGI application of one running emulator."""

import re
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from flask_cors import CORS

from clerk_emulator import bundles, context, dashboard_api, emulator_api, origins, public_api
from clerk_emulator.backend_api import backend_api
from clerk_emulator.context import Emulator
from clerk_emulator.errors import register_error_handlers
from clerk_emulator.frontend_api import frontend_api

_MAX_BODY = 1024 * 1024
_OVERRIDE = re.compile(r"(?:^|&)_method=(PATCH|PUT|DELETE)(?:&|$)")
_FRONTEND_API = r"/v1/(environment|dev_browser|client|me)(/.*)?"


class _JSONProvider(DefaultJSONProvider):
    sort_keys = False


class _MethodOverride:
    """Clerk's SDK sends every change as a POST, which needs no preflight, and the method it means as `_method`."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and (override := _OVERRIDE.search(environ["QUERY_STRING"])):
            environ["REQUEST_METHOD"] = override[1]
        return self._app(environ, start_response)


def http_app(emulator: Emulator) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.json = _JSONProvider(app)
    # A redirect to a tidier path would lose the body of a POST; such a path is simply unknown.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    context.bind(app, emulator)
    register_error_handlers(app)
    app.register_blueprint(public_api.blueprint)
    app.register_blueprint(bundles.blueprint)
    app.register_blueprint(backend_api(), url_prefix="/v1")
    app.register_blueprint(frontend_api(), url_prefix="/v1")
    app.register_blueprint(emulator_api.blueprint, url_prefix="/emulator")
    app.register_blueprint(dashboard_api.blueprint, url_prefix="/emulator")
    app.before_request(origins.refuse_strangers)
    allowed = [f"^({origins.LOOPBACK})$", *emulator.allowed_origins]
    CORS(app, resources={_FRONTEND_API: {}}, origins=allowed, supports_credentials=True)
    app.wsgi_app = _MethodOverride(app.wsgi_app)  # type: ignore[method-assign]
    return app
