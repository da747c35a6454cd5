"""HTTP: parse, call a service, commit once, answer. The table below is the security policy of the application."""

from typing import NamedTuple

from flask import Blueprint, Flask

from backend.access.policies import Policy
from backend.api.auth.auth import blueprint as auth
from backend.api.health import blueprint as health
from backend.api.webhooks import blueprint as webhooks


class Route(NamedTuple):
    """A blueprint, where it is mounted, and who may call it."""

    blueprint: Blueprint
    prefix: str
    policy: Policy


ROUTES = (
    Route(health, "", Policy.PUBLIC),
    Route(auth, "", Policy.SIGNED_IN),
    # The signature is the credential of a webhook.
    Route(webhooks, "/api/webhooks", Policy.PUBLIC),
)


def register_routes(app: Flask) -> None:
    """Mount every blueprint with its policy. A path has one spelling: no redirect leads to another."""
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    for route in ROUTES:
        app.register_blueprint(route.blueprint, url_prefix=route.prefix or None)
    app.extensions["policies"] = {route.blueprint.name: route.policy for route in ROUTES}
