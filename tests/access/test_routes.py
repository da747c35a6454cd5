"""Every route has a policy in the table; on a public one, the pieces of Clerk's middleware tell who calls."""

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend.access.policy import PUBLIC, get_auth, get_current_user_id, policies_of, require_auth
from backend.api import ROUTES
from tests.support.clerk import Instance
from tests.support.database import Sql

SHOWN = ("kind", "user_id", "clerk_user_id", "session_id", "actor", "role", "plan", "org_id", "api_key_id")


@require_auth
def guarded() -> ResponseReturnValue:
    return {"reached": True}


def mine() -> ResponseReturnValue:
    return {"user_id": get_current_user_id()}


def whoever() -> ResponseReturnValue:
    auth = get_auth()
    return {name: getattr(auth, name) for name in SHOWN}


@pytest.fixture
def client(app: Flask, sql: Sql) -> FlaskClient:  # noqa: ARG001 - the tables are to be empty
    blueprint = Blueprint("notes", __name__)
    blueprint.add_url_rule("/guarded", view_func=guarded)
    blueprint.add_url_rule("/mine", view_func=mine)
    blueprint.add_url_rule("/whoever", view_func=whoever)
    app.register_blueprint(blueprint)
    policies_of(app)["notes"] = PUBLIC
    return app.test_client()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/guarded", "/mine"])
class TestRequireAuth:
    def test_refused(self, client: FlaskClient, clerk: Instance, path: str) -> None:
        for headers, code in (({}, "session-token-missing"), (bearer(clerk.token(exp=1)), "token-expired")):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.get_json()["code"]) == (401, code)

    def test_valid(self, client: FlaskClient, clerk: Instance, sql: Sql, path: str) -> None:
        answer = client.get(path, headers=bearer(clerk.token(sub="user_1")))
        expected = {"/guarded": {"reached": True}, "/mine": {"user_id": sql.user("user_1")["user_id"]}}
        assert answer.get_json() == expected[path]


class TestGetAuth:
    @pytest.mark.parametrize("headers", [{}, bearer("x"), {"Cookie": "__session=x"}])
    def test_signed_out(self, client: FlaskClient, headers: dict[str, str]) -> None:
        """A bad credential blocks nobody on a public route: everything is null, as in Clerk's auth object."""
        answer = client.get("/whoever", headers=headers)
        assert answer.status_code == 200
        auth = answer.get_json()
        assert auth.pop("kind") == "anonymous"
        assert set(auth.values()) == {None}

    def test_valid(self, client: FlaskClient, clerk: Instance, sql: Sql) -> None:
        token = clerk.token(sub="user_1", sid="sess_1", act={"sub": "user_admin"})
        assert client.get("/whoever", headers=bearer(token)).get_json() == {
            "kind": "clerk",
            "user_id": sql.user("user_1")["user_id"],
            "clerk_user_id": "user_1",
            "session_id": "sess_1",
            "actor": "user_admin",
            "role": "user",
            "plan": "free",
            "org_id": None,
            "api_key_id": None,
        }

    def test_our_own_trouble_is_no_anonymity(self, client: FlaskClient, clerk: Instance, sql: Sql) -> None:
        sql.rows("ALTER TABLE subscriptions RENAME TO away")
        try:
            answer = client.get("/whoever", headers=bearer(clerk.token(sub="user_1")))
        finally:
            sql.rows("ALTER TABLE away RENAME TO subscriptions")
        assert (answer.status_code, answer.get_json()["code"]) == (503, "database-unavailable")


# Whoever adds a public route changes this list, and so thinks about it twice.
PUBLIC_PATHS = {"/", "/config.json", "/healthz", "/readyz", "/api/webhooks", "/openapi.json", "/docs"}
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
            assert is_public == (rule.rule in PUBLIC_PATHS or rule.rule.startswith(PUBLIC_FILES)), rule.rule

    def test_names_each_mount_once(self) -> None:
        names = [route.name for route in ROUTES]
        assert len(names) == len(set(names))

    def test_every_signed_in_route_refuses_an_anonymous_caller(self, app: Flask) -> None:
        client = app.test_client()
        for rule in app.url_map.iter_rules():
            for method in (rule.methods or set()) - {"OPTIONS"}:
                if rule.rule not in PUBLIC_PATHS and not rule.arguments:
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
            answer = client.get(path, headers=bearer(token) if token else {})
            assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
            assert "backend/api/__init__.py" in answer.get_json()["detail"]
        assert sql.value("SELECT count(*) FROM users") == 0
