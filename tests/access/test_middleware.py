"""The pieces of Clerk's middleware on a public blueprint: get_auth, require_auth, get_current_user_id."""

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend.access.policy import PUBLIC, get_auth, get_current_user_id, policies_of, require_auth
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
    def test_anonymous(self, client: FlaskClient, path: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "session-token-missing")

    def test_bad_token(self, client: FlaskClient, clerk: Instance, path: str) -> None:
        answer = client.get(path, headers=bearer(clerk.token(exp=1)))
        assert (answer.status_code, answer.get_json()["code"]) == (401, "token-expired")

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
