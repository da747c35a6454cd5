"""What a route may demand, on routes of the test's own: by the table and by require_auth."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend.access.policy import PUBLIC, Policy, get_auth, policies_of, require_auth
from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import Plan, Role, Scope
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.outcomes import MEMBERS, ORG_DEMANDS, YES, org_outcomes
from tests.support.own_routes import METHODS, Guard, Person, demand, make_own_app, outcome, reached, serve


@pytest.fixture
def app(settings: dict[str, str]) -> Flask:
    return make_own_app(settings)


@pytest.fixture
def person(clerk: Instance, sql: Sql) -> Person:
    return Person(clerk, sql)


@pytest.mark.parametrize("place", ["table", "require_auth"])
class TestOneDemand:
    @pytest.mark.parametrize("wanted", Role)
    def test_role(self, app: Flask, person: Person, place: str, wanted: Role) -> None:
        client, order = demand(app, place, role=wanted), ["user", "developer", "admin"]
        for held in order:
            person.exists(role=held)
            expected = "ok" if order.index(held) >= order.index(wanted) else "forbidden"
            for headers in (person.session(), person.legacy()):
                assert outcome(client, headers) == expected, held

    @pytest.mark.parametrize("wanted", Plan)
    def test_plan(self, app: Flask, person: Person, place: str, wanted: Plan) -> None:
        client, order = demand(app, place, plan=wanted), ["free", "pro", "enterprise"]
        for held in order:
            person.exists(plan=held)
            expected = "ok" if order.index(held) >= order.index(wanted) else "forbidden"
            assert outcome(client, person.session()) == expected, held

    @pytest.mark.parametrize("wanted", list(Scope))
    def test_scope(self, app: Flask, person: Person, place: str, wanted: Scope) -> None:
        """Only keys have scopes; a session may do all that its user may."""
        person.exists()
        client = demand(app, place, scope=wanted)
        # Whoever may change a thing may read it.
        thing, _, action = wanted.partition(":")
        enough = {scope for scope in Scope if scope.startswith(thing)} if action == "read" else {wanted}
        others = [scope for scope in Scope if scope not in enough]
        assert outcome(client, person.key(wanted)) == "ok"
        assert outcome(client, person.key(*others)) == "insufficient-scope"
        assert outcome(client, person.session()) == outcome(client, person.legacy()) == "ok"

    def test_no_scope(self, app: Flask, person: Person, place: str) -> None:
        person.exists(role="admin", plan="enterprise")
        assert outcome(demand(app, place), person.key(*Scope)) == "forbidden"

    def test_session_only(self, app: Flask, person: Person, place: str) -> None:
        person.exists()
        client = demand(app, place, session_only=True, scope=Scope.PROFILE_READ)
        assert outcome(client, person.session()) == "ok"
        assert outcome(client, person.key(*Scope)) == outcome(client, person.legacy()) == "forbidden"

    def test_impersonation(self, app: Flask, person: Person, place: str) -> None:
        person.exists()
        client = demand(app, place, impersonation=False)
        assert outcome(client, person.session(act={"sub": "user_support"})) == "forbidden"
        assert outcome(client, person.session()) == outcome(client, person.legacy()) == "ok"

    @pytest.mark.parametrize("wanted", ORG_DEMANDS)
    def test_organization(self, app: Flask, person: Person, place: str, wanted: str) -> None:
        """By Clerk's own rules. An API key has all scopes and no organization."""
        person.exists(role="admin")
        client = demand(app, place, scope=Scope.PROFILE_READ, **ORG_DEMANDS[wanted][0])
        held = {who: person.session(**claims) for who, claims in MEMBERS.items()}
        held |= {"API key": person.key(*Scope), "legacy token": person.legacy()}
        outcomes = {who: outcome(client, headers).replace("ok", YES) for who, headers in held.items()}
        assert outcomes == org_outcomes(wanted)

    def test_live(self, app: Flask, person: Person, place: str) -> None:
        """Clerk cannot be asked: never a silent pass. A key is looked up each time; a legacy token has no session."""
        person.exists()
        client = demand(app, place, live=True, scope=Scope.PROFILE_READ)
        for claims in ({"sid": "sess_1"}, {"sid": "sess_1", "act": {"sub": "user_support"}}):
            answer = client.get("/here", headers=person.session(**claims))
            assert (answer.status_code, answer.get_json()["code"]) == (503, "clerk-unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert outcome(client, person.session(sid=...)) == "session-revoked"
        assert outcome(client, person.key(Scope.PROFILE_READ)) == "ok"
        assert outcome(client, person.legacy()) == "forbidden"

    def test_live_comes_last(self, app: Flask, person: Person, place: str) -> None:
        """Whoever may not anyway costs no call to Clerk."""
        person.exists()
        client = demand(app, place, live=True, role=Role.ADMIN)
        assert outcome(client, person.session(sid="sess_1")) == "forbidden"


@pytest.mark.parametrize(
    "demands",
    [
        {"role": "org:admin"},
        {"role": "boss"},
        {"plan": "gold"},
        {"scope": "tokens:eat"},
        {"org_role": ""},
        {"org_permission": "org:"},
        {"org_permission": "org:sys_memberships:manage", "stored": True},
    ],
    ids=str,
)
class TestNeverMet:
    """What nobody can meet is refused when the application starts, and not with a 500 at a request."""

    def test_policy(self, demands: dict[str, Any]) -> None:
        words = {("read" if word == "scope" else word): wanted for word, wanted in demands.items()}
        with pytest.raises(ValueError, match="A policy demands"):
            Policy(**words)

    def test_require_auth(self, demands: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="A policy demands"):
            require_auth(**demands)


@pytest.mark.parametrize("demands", [{"role": Role.ADMIN}, {"stored": True}, {"live": True}], ids=str)
def test_public_with_a_demand(demands: dict[str, Any]) -> None:
    """Whoever wrote it believes that somebody is kept out."""
    with pytest.raises(ValueError, match="and is public"):
        Policy(is_public=True, **demands)


class TestScopeByMethod:
    def test_table(self, app: Flask, person: Person) -> None:
        person.exists()
        client = serve(app, Policy(read=Scope.TOKENS_READ, write=Scope.TOKENS_SPEND))
        read, write = person.key(Scope.TOKENS_READ), person.key(Scope.TOKENS_SPEND)
        for method in METHODS:
            told = [outcome(client, one, method) for one in (read, write, person.session())]
            assert told == ["ok" if method in {"GET", "HEAD"} else "insufficient-scope", "ok", "ok"], method

    def test_read_only(self, app: Flask, person: Person) -> None:
        """No scope for writing: no key writes."""
        person.exists()
        client = serve(app, Policy(read=Scope.TOKENS_READ))
        assert outcome(client, person.key(*Scope)) == "ok"
        assert outcome(client, person.key(*Scope), "DELETE") == "forbidden"


class TestRequireAuth:
    @pytest.mark.parametrize("guard", [require_auth, require_auth(), require_auth(scope=Scope.PROFILE_READ, live=True)])
    def test_keeps_the_name(self, guard: Guard) -> None:
        """Flask names endpoints after views."""
        guarded = guard(reached)
        assert (guarded.__name__, guarded.__module__) == ("reached", reached.__module__)

    def test_two_views_of_one_blueprint(self, app: Flask, person: Person) -> None:
        person.exists()
        blueprint = Blueprint("here", __name__)

        @blueprint.get("/bare")
        @require_auth
        def bare() -> ResponseReturnValue:
            return "bare"

        @blueprint.get("/strict")
        @require_auth(role=Role.ADMIN)
        def strict() -> ResponseReturnValue:
            return "strict"

        app.register_blueprint(blueprint)
        policies_of(app)["here"] = PUBLIC
        client, headers = app.test_client(), person.session()
        assert client.get("/bare", headers=headers).text == "bare"
        assert client.get("/strict", headers=headers).status_code == 403
        assert {client.get(path).status_code for path in ("/bare", "/strict")} == {401}


class TestOutsideTheTable:
    """Refused for everybody: nobody has said who may call it."""

    @pytest.mark.parametrize("method", METHODS)
    def test_nobody(self, app: Flask, person: Person, method: str) -> None:
        person.exists(role="admin", plan="enterprise")
        client = serve(app, None)
        for headers in (person.key(*Scope), person.session(), person.legacy(), {}):
            assert outcome(client, headers, method) == ("403" if method == "HEAD" else "forbidden")
        assert client.options("/here").status_code == 200

    def test_not_by_require_auth(self, app: Flask, person: Person) -> None:
        """What require_auth allows, the table has refused before."""
        person.exists()
        client = serve(app, None, require_auth(scope=Scope.PROFILE_READ))
        assert outcome(client, person.session()) == outcome(client, person.key(*Scope)) == "forbidden"


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [subset for size in range(len(names) + 1) for subset in itertools.combinations(names, size)]


def columns(held: tuple[str, ...]) -> dict[str, str]:
    return {"role": "developer" if "role" in held else "user", "plan": "pro" if "plan" in held else "free"}


class TestCombined:
    """A-06, CVE-2026-42349: one demand that is met stands for no other."""

    FOR_KEYS = ("role", "plan", "scope")
    FOR_SESSIONS = ("role", "plan", "permission", "feature")

    @pytest.mark.parametrize("place", ["table", "require_auth"])
    def test_key(self, app: Flask, person: Person, place: str) -> None:
        demands = {"role": Role.DEVELOPER, "plan": Plan.PRO, "scope": Scope.TOKENS_SPEND}
        client = demand(app, place, **demands)
        for held in subsets(self.FOR_KEYS):
            person.exists(**columns(held))
            key = person.key(Scope.TOKENS_SPEND if "scope" in held else Scope.PROFILE_READ)
            expected = {"ok"} if held == self.FOR_KEYS else {"forbidden", "insufficient-scope"}
            assert outcome(client, key, "POST") in expected, held

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
        person.exists(**columns(held))
        claims = {
            "v": 1,
            "org_id": "org_1",
            "org_role": "org:admin",
            "org_permissions": ["org:reports:read" if "permission" in held else "org:reports:write"],
            "fea": "o:reports" if "feature" in held else "o:invoices",
        }
        return person.session(**claims)

    def test_session(self, app: Flask, person: Person) -> None:
        client = self.has_client(app)
        for held in subsets(self.FOR_SESSIONS):
            expected = "ok" if held == self.FOR_SESSIONS else "forbidden"
            assert outcome(client, self.session(person, held)) == expected, held

    def test_neither_place_weakens_the_other(self, app: Flask, person: Person) -> None:
        """require_auth alone, inside a strict blueprint, opens nothing; nor does a strict one inside a loose one."""
        person.exists()
        client = serve(app, Policy(role=Role.ADMIN, read=Scope.PROFILE_READ), require_auth)
        assert outcome(client, person.session()) == "forbidden"
