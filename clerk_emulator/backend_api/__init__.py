"""Clerk's Backend API: what a server does with the secret key."""

from flask import Blueprint

from clerk_emulator.backend_api import instance, sessions, users
from clerk_emulator.backend_api.authorization import require_secret_key


def backend_api() -> Blueprint:
    blueprint = Blueprint("backend_api", __name__)
    blueprint.before_request(require_secret_key)
    for part in (instance.blueprint, users.blueprint, sessions.blueprint):
        blueprint.register_blueprint(part)
    return blueprint
