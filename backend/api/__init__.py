"""HTTP: parse, call a service, commit once, respond. The table below is the security policy of the application."""

from typing import NamedTuple

from flask import Blueprint, Flask

from backend.access.policy import PUBLIC, USUAL, Policy, limits_of, policies_of
from backend.api.api_keys import blueprint as api_keys
from backend.api.auth.auth import blueprint as auth
from backend.api.campaigns import blueprint as campaigns
from backend.api.health import blueprint as health
from backend.api.http.parsing import IdConverter
from backend.api.inngest import blueprint as inngest
from backend.api.metrics import blueprint as metrics
from backend.api.openapi import blueprint as openapi
from backend.api.sessions import blueprint as sessions
from backend.api.site import blueprint as site
from backend.api.subscription import blueprint as subscription
from backend.api.templates import blueprint as templates
from backend.api.usage import blueprint as usage
from backend.api.users import blueprint as users
from backend.api.webhooks import blueprint as webhooks
from backend.models.roles_plans_scopes import Role, Scope
from backend.services.rate_limits.table import Group, Limit


class Route(NamedTuple):
    """A blueprint, where it is mounted, who may call it, and how often: by backend/services/rate_limits/table.py; None
    for any number of times. `alias`: its name where it is mounted a second time.
    """

    blueprint: Blueprint
    prefix: str
    policy: Policy
    limit: Limit | None = USUAL
    alias: str | None = None

    @property
    def name(self) -> str:
        return self.alias or self.blueprint.name


CAMPAIGNS = Policy(read=Scope.CAMPAIGNS_READ, write=Scope.CAMPAIGNS_WRITE)
ROUTES = (
    Route(health, "", PUBLIC, limit=None),
    Route(site, "", PUBLIC),
    Route(openapi, "", PUBLIC),
    Route(auth, "", Policy(read=Scope.PROFILE_READ, write=Scope.PROFILE_WRITE)),
    Route(sessions, "/api/sessions", Policy(session_only=True), Limit(write=Group.SESSIONS)),
    Route(subscription, "/api/subscription", Policy(read=Scope.PROFILE_READ)),
    # Keys never manage keys, and whoever impersonates a user makes no credential that lasts.
    Route(api_keys, "/api/keys", Policy(session_only=True, impersonation=False), Limit(write=Group.KEYS)),
    Route(campaigns, "/api/campaigns", CAMPAIGNS),
    Route(campaigns, "/campaigns", CAMPAIGNS, alias="short_campaigns"),
    Route(templates, "/api/templates", CAMPAIGNS),
    Route(usage, "/api/tokens", Policy(read=Scope.TOKENS_READ, write=Scope.TOKENS_SPEND)),
    Route(users, "/api/users", Policy(role=Role.ADMIN, session_only=True, impersonation=False)),
    # The signature is the credential of a webhook, and of a call of Inngest; a burst of either is nobody's fault.
    Route(webhooks, "/api/webhooks", PUBLIC, limit=None),
    Route(inngest, "/api/inngest", PUBLIC, limit=None),
    # METRICS_TOKEN is the credential of Prometheus.
    Route(metrics, "/metrics", PUBLIC, limit=None),
)


def register_routes(app: Flask) -> None:
    """Mount every blueprint with its policy. A path has one spelling: no redirect leads to another."""
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdConverter
    for route in ROUTES:
        app.register_blueprint(route.blueprint, url_prefix=route.prefix or None, name=route.name)
    policies_of(app).update({route.name: route.policy for route in ROUTES})
    limits_of(app).update({route.name: route.limit for route in ROUTES})
