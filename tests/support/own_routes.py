"""Routes of the tests' own under a policy, and a person with every credential to call them."""

from collections.abc import Callable
from typing import Any

import jwt
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend import create_app
from backend.access.policy import PUBLIC, Policy, get_auth, policies_of, require_auth
from backend.models.choices import Scope
from backend.services.api_keys.form import KeyForm
from config import DEVELOPMENT_PEPPER, Settings
from tests.support.admins import add_user
from tests.support.clerk import Instance
from tests.support.clerk_api import SECRET_KEY
from tests.support.database import Sql
from tests.support.ports import free_port

USER = "user_1"
LEGACY_SECRET = "".join(f"{number:02x}" for number in range(0, 256, 7))
KEYS = KeyForm("sk_app", DEVELOPMENT_PEPPER)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ALIASED = ("CLERK_JWT_KEY", "CLERK_WEBHOOK_SECRET")


def make_app(settings: dict[str, str]) -> Flask:
    """Takes every credential; nobody listens where Clerk's API should be."""
    away = {"CLERK_API_URL": f"http://127.0.0.1:{free_port()}", "CLERK_SECRET_KEY": SECRET_KEY}
    named = settings | away | {"LEGACY_JWT_SECRET": LEGACY_SECRET}
    values = {name if name in ALIASED else name.lower(): value for name, value in named.items()}
    return create_app(Settings.model_validate(values))


Guard = Callable[[Callable[[], ResponseReturnValue]], Callable[[], ResponseReturnValue]]


def reached() -> ResponseReturnValue:
    return {"kind": get_auth().kind}


def serve(app: Flask, policy: Policy | None, guard: Guard = lambda view: view) -> FlaskClient:
    """A route at /here with this policy in the table (None: the table has forgotten it), its view behind a guard."""
    blueprint = Blueprint("here", __name__)
    blueprint.add_url_rule("/here", "reached", guard(reached), methods=METHODS)
    app.register_blueprint(blueprint)
    if policy is not None:
        policies_of(app)["here"] = policy
    return app.test_client()


def demand(app: Flask, place: str, **demands: Any) -> FlaskClient:
    """The same demands, made by the table or by require_auth."""
    if place == "table":
        scope = demands.pop("scope", None)
        return serve(app, Policy(read=scope, write=scope, **demands))
    return serve(app, PUBLIC, require_auth(**demands))


class Person:
    """USER, with the credentials to come by."""

    def __init__(self, clerk: Instance, sql: Sql) -> None:
        self._clerk, self._sql = clerk, sql

    def exists(self, **columns: Any) -> None:
        self.user_id = add_user(self._sql, clerk_user_id=USER, **columns)

    def session(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._clerk.token(sub=USER, **claims)}"}

    def key(self, *scopes: Scope) -> dict[str, str]:
        key = KEYS.generate()
        self._sql.rows(
            "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes) "
            "VALUES (%s, 'one', 'sk_app', %s, %s, %s)",
            *(self.user_id, key[-4:], KEYS.digest(key), [str(scope) for scope in scopes]),
        )
        return {"X-API-Key": key}

    def legacy(self) -> dict[str, str]:
        claims = {"sub": str(self.user_id), "exp": 4_000_000_000}
        return {"Authorization": f"Bearer {jwt.encode(claims, LEGACY_SECRET, 'HS256')}"}


def outcome(client: FlaskClient, headers: dict[str, str], method: str = "GET") -> str:
    """`ok`, or the code of the refusal."""
    answer = client.open("/here", method=method, headers=headers)
    if method == "HEAD":
        return "ok" if answer.status_code == 200 else str(answer.status_code)
    body: dict[str, str] = answer.get_json()
    return "ok" if answer.status_code == 200 else body["code"]
