"""Routes of the tests' own under a policy, and a person with every credential to call them."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend.access.policy import PUBLIC, Policy, get_auth, policies_of, require_auth
from backend.models.roles_plans_scopes import Scope
from backend.services.api_keys.form import KeyForm
from settings.development import DEVELOPMENT_PEPPER
from tests.support.admins import add_user
from tests.support.clerk import Instance
from tests.support.clerk_api import SECRET_KEY
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.legacy_tokens import LEGACY_SECRET, sign
from tests.support.ports import free_port

USER = "user_1"
KEYS = KeyForm("sk_app", DEVELOPMENT_PEPPER)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def make_own_app(settings: dict[str, str]) -> Flask:
    """Takes every credential; nobody listens where Clerk's API should be."""
    away = {"CLERK_API_URL": f"http://127.0.0.1:{free_port()}", "CLERK_SECRET_KEY": SECRET_KEY}
    return make_app(settings | away | {"LEGACY_JWT_SECRET": LEGACY_SECRET})


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
        """With these columns, and nobody else."""
        self._sql.empty_all()
        self.user_id = add_user(self._sql, clerk_user_id=USER, provisioned_by="legacy", **columns)

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
        return {"Authorization": f"Bearer {sign(sub=self.user_id)}"}


def outcome(client: FlaskClient, headers: dict[str, str], method: str = "GET") -> str:
    """`ok`, or the code of the refusal."""
    answer = client.open("/here", method=method, headers=headers)
    if method == "HEAD":
        return "ok" if answer.status_code == 200 else str(answer.status_code)
    body: dict[str, str] = answer.get_json()
    return "ok" if answer.status_code == 200 else body["code"]
