"""Several demands on one route: every one must be met, wherever it is made."""

import itertools
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend.access.caller import get_auth, require_auth
from backend.access.policy import Policy
from backend.errors import AppError, ErrorCode
from backend.models.choices import Plan, Role
from backend.services.api_keys.scopes import Scope
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.own_routes import Person, demand, make_own_app, outcome, serve


@pytest.fixture
def app(settings: dict[str, str]) -> Flask:
    return make_own_app(settings)


@pytest.fixture
def person(clerk: Instance, sql: Sql) -> Person:
    return Person(clerk, sql)


def proper_subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [subset for size in range(len(names)) for subset in itertools.combinations(names, size)]


class TestCombined:
    """A-06, CVE-2026-42349: one demand that is met stands for no other."""

    FOR_KEYS = ("role", "plan", "scope")
    FOR_SESSIONS = ("role", "plan", "permission", "feature")

    def client(self, app: Flask, place: str) -> FlaskClient:
        return demand(app, place, role=Role.DEVELOPER, plan=Plan.PRO, scope=Scope.TOKENS_SPEND)

    def key(self, person: Person, held: tuple[str, ...]) -> dict[str, str]:
        person.exists(
            role="developer" if "role" in held else "user", plan="pro" if "plan" in held else "free"
        )
        return person.key(Scope.TOKENS_SPEND if "scope" in held else Scope.PROFILE_READ)

    @pytest.mark.parametrize("place", ["table", "require_auth"])
    @pytest.mark.parametrize("held", proper_subsets(FOR_KEYS), ids=str)
    def test_key_without(self, app: Flask, person: Person, held: tuple[str, ...], place: str) -> None:
        answer = self.client(app, place).post("/here", headers=self.key(person, held))
        assert answer.status_code == 403

    @pytest.mark.parametrize("place", ["table", "require_auth"])
    def test_key_with_all(self, app: Flask, person: Person, place: str) -> None:
        assert outcome(self.client(app, place), self.key(person, self.FOR_KEYS), "POST") == "ok"

    def has_client(self, app: Flask) -> FlaskClient:
        """Role by the table, plan by require_auth, the rest by has() inside."""

        def guard(view: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
            @require_auth(plan=Plan.PRO)
            def guarded() -> ResponseReturnValue:
                if not get_auth().has(permission="org:reports:read", feature="reports"):
                    raise AppError(ErrorCode.FORBIDDEN, "Not granted.")
                return view()

            return guarded

        return serve(app, Policy(role=Role.DEVELOPER), guard)

    def session(self, person: Person, held: tuple[str, ...]) -> dict[str, str]:
        person.exists(
            role="developer" if "role" in held else "user", plan="pro" if "plan" in held else "free"
        )
        claims = {
            "v": 1,
            "org_id": "org_1",
            "org_role": "org:admin",
            "org_permissions": ["org:reports:read" if "permission" in held else "org:reports:write"],
            "fea": "o:reports" if "feature" in held else "o:invoices",
        }
        return person.session(**claims)

    @pytest.mark.parametrize("held", proper_subsets(FOR_SESSIONS), ids=str)
    def test_session_without(self, app: Flask, person: Person, held: tuple[str, ...]) -> None:
        assert outcome(self.has_client(app), self.session(person, held)) == "forbidden"

    def test_session_with_all(self, app: Flask, person: Person) -> None:
        assert outcome(self.has_client(app), self.session(person, self.FOR_SESSIONS)) == "ok"

    def test_neither_place_weakens_the_other(self, app: Flask, person: Person) -> None:
        """require_auth alone, inside a strict blueprint, opens nothing; nor does a strict one inside a loose one."""
        person.exists()
        client = serve(app, Policy(role=Role.ADMIN, read=Scope.PROFILE_READ), require_auth)
        assert outcome(client, person.session()) == "forbidden"
