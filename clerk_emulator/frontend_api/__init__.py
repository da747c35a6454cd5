"""Clerk's Frontend API: what a browser does, with no key but the proof of which browser it is."""

from flask import Blueprint

from clerk_emulator.frontend_api import (
    clients,
    email_addresses,
    environment,
    me,
    my_organizations,
    my_sessions,
    profile_image,
    sessions,
    sign_ins,
    sign_ups,
)
from clerk_emulator.frontend_api.identity import add_headers

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
    profile_image,
)


def frontend_api() -> Blueprint:
    blueprint = Blueprint("frontend_api", __name__)
    blueprint.after_request(add_headers)
    for part in _PARTS:
        blueprint.register_blueprint(part.blueprint)
    return blueprint
