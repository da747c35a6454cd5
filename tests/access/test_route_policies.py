"""Every route has a policy in the table, and one outside the table is closed."""

import pytest
from flask import Blueprint, Flask
from flask.typing import ResponseReturnValue

from backend.api import ROUTES
from tests.support.clerk import Instance
from tests.support.database import Sql

# Whoever adds a public route changes this list, and so thinks about it twice.
PUBLIC = {"/", "/config.json", "/healthz", "/readyz", "/api/webhooks", "/openapi.json", "/docs"}
PUBLIC_FILES = ("/docs/", "/assets/")


def leaf() -> ResponseReturnValue:
    return "reached"


class TestTable:
    def test_every_route_is_in_it(self, app: Flask) -> None:
        policies = {route.name: route.policy for route in ROUTES}
        rules = list(app.url_map.iter_rules())
        assert len(rules) >= 7
        for rule in rules:
            blueprint = rule.endpoint.rpartition(".")[0]
            assert blueprint in policies, f"{rule.rule} has no policy"
            is_public = policies[blueprint].is_public
            assert is_public == (rule.rule in PUBLIC or rule.rule.startswith(PUBLIC_FILES)), rule.rule

    def test_names_each_mount_once(self) -> None:
        names = [route.name for route in ROUTES]
        assert len(names) == len(set(names))

    def test_every_signed_in_route_refuses_an_anonymous_caller(self, app: Flask) -> None:
        client = app.test_client()
        for rule in app.url_map.iter_rules():
            for method in (rule.methods or set()) - {"OPTIONS"}:
                if rule.rule not in PUBLIC and not rule.arguments:
                    answer = client.open(rule.rule, method=method)
                    assert answer.status_code == 401, f"{method} {rule.rule}"


class TestOutsideTheTable:
    @pytest.fixture
    def forgetful(self, app: Flask) -> Flask:
        """Somebody forgot the table: a blueprint, one inside another, and a view of the application itself."""
        blueprint, inner = Blueprint("forgotten", __name__), Blueprint("inner", __name__)
        blueprint.add_url_rule("/forgotten", view_func=leaf, methods=["GET", "POST"])
        inner.add_url_rule("/inner", view_func=leaf, endpoint="leaf")
        blueprint.register_blueprint(inner)
        app.register_blueprint(blueprint)
        app.add_url_rule("/bare", view_func=leaf, endpoint="bare")
        return app

    @pytest.mark.parametrize("path", ["/forgotten", "/inner", "/bare"])
    def test_refused(self, forgetful: Flask, clerk: Instance, sql: Sql, path: str) -> None:
        """For a caller with a good token, a bad one or none; before anybody's credential is looked at."""
        client = forgetful.test_client()
        for token in (clerk.token(sub="user_1"), Instance().token(), None):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
            assert "backend/api/__init__.py" in answer.get_json()["detail"]
        assert sql.value("SELECT count(*) FROM users") == 0
