"""Its lines in the table of backend/api/__init__.py."""

from flask import Flask

from backend.access.policy import Policy, policies_of
from backend.models.roles_plans_scopes import Scope
from tests.support.specimen.api import blueprint

MOUNTS = {"specimens": "/api/specimens", "short_specimens": "/specimens"}


def add_routes(app: Flask) -> None:
    for name, prefix in MOUNTS.items():
        app.register_blueprint(blueprint, url_prefix=prefix, name=name)
        policies_of(app)[name] = Policy(read=Scope.PROFILE_READ, write=Scope.PROFILE_WRITE)
