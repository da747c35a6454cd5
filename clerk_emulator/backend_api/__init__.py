"""Clerk's Backend API: what a server does with the secret key."""

from flask import Blueprint

from clerk_emulator.backend_api import (
    billing,
    clients,
    domains,
    email_addresses,
    instance,
    invitations,
    memberships,
    organizations,
    phone_numbers,
    roles,
    sessions,
    tickets,
    user_images,
    user_passwords,
    users,
    waitlist,
)
from clerk_emulator.backend_api.authorization import require_secret_key
from clerk_emulator.backend_api.faults import refuse_at_random

_PARTS = (
    *(instance, users, user_passwords, user_images, email_addresses, phone_numbers),
    *(sessions, clients, tickets),
    *(organizations, memberships, invitations, domains, roles),
    *(waitlist, billing),
)


def backend_api() -> Blueprint:
    blueprint = Blueprint("backend_api", __name__)
    blueprint.before_request(require_secret_key)
    blueprint.before_request(refuse_at_random)
    for part in _PARTS:
        blueprint.register_blueprint(part.blueprint)
    return blueprint
