"""The WSGI application of one running emulator."""

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from clerk_emulator import context, emulator_api, public_api
from clerk_emulator.backend_api import backend_api
from clerk_emulator.context import Emulator
from clerk_emulator.errors import register_error_handlers

_MAX_BODY = 1024 * 1024


class _JSONProvider(DefaultJSONProvider):
    sort_keys = False


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
    app.register_blueprint(backend_api(), url_prefix="/v1")
    app.register_blueprint(emulator_api.blueprint, url_prefix="/emulator")
    return app
