"""Clerk's Frontend API: what a browser does, with no key but the proof of which browser it is."""

from flask import Blueprint

from clerk_emulator.frontend_api import (
    clients,
    email_addresses,
    environment,
    me,
    my_organizations,
    my_sessions,
    sessions,
    sign_ins,
    sign_ups,
)
from clerk_emulator.frontend_api.identity import keep_client_cookie

_PARTS = (
    environment,
    clients,
    sign_ups,
    sign_ins,
    sessions,
    me,
    my_organizations,
    my_sessions,
    email_addresses,
)


def frontend_api() -> Blueprint:
    blueprint = Blueprint("frontend_api", __name__)
    blueprint.after_request(keep_client_cookie)
    for part in _PARTS:
        blueprint.register_blueprint(part.blueprint)
    return blueprint
