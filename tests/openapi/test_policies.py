"""/openapi.json tells who may call: read from routes of the tests' own, under every kind of policy."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from flask import Blueprint, Flask
from pydantic import BaseModel

from backend.access.policy import PUBLIC, Policy, policies_of, require_auth
from backend.api.http.openapi_document import api_document
from backend.api.http.operation import operation
from backend.api.http.parsing import IdConverter
from backend.errors import ErrorCode
from backend.models.base import LARGEST
from backend.models.roles_plans_scopes import Plan, Role, Scope
from backend.schemas.base import Input

Operations = dict[str, Any]
Guard = Callable[[Callable[..., Any]], Callable[..., Any]]

SIGNED_IN = Policy()
SCOPED = Policy(read=Scope.TOKENS_READ, write=Scope.TOKENS_SPEND)
READS, WRITES = ("get",), ("post", "put", "patch", "delete")
SESSIONS_ONLY = re.compile("not for api keys|clerk session", re.IGNORECASE)


class Found(BaseModel):
    one_id: int


class Name(Input):
    name: str


class Size(Input):
    size: int = 1


def nothing(view: Callable[..., Any]) -> Callable[..., Any]:
    return view


# Nobody calls these views: what is said of them comes from their annotations.
def read() -> None: ...
def add(body: Name) -> None: ...
def take() -> None: ...
def change(one_id: int, body: Size) -> None: ...
def delete(one_id: int) -> None: ...


def mount(app: Flask, name: str, guard: Guard = nothing) -> None:
    """Under /`name`: GET and PUT of all, POST to all, PATCH and DELETE of one."""
    blueprint = Blueprint(name, __name__)
    blueprint.get("")(operation(Found)(guard(read)))
    blueprint.post("")(operation(Found)(guard(add)))
    blueprint.put("")(operation(raw_body=Name)(guard(take)))
    blueprint.patch("/<id:one_id>")(operation(Found)(guard(change)))
    blueprint.delete("/<id:one_id>")(operation()(guard(delete)))
    app.register_blueprint(blueprint, url_prefix=f"/{name}")


def make_app(**policies: Policy) -> Flask:
    app = Flask(__name__)
    app.url_map.converters["id"] = IdConverter
    policies_of(app).update(policies)
    return app


def operations(policy: Policy, guard: Guard = nothing) -> Operations:
    """What is said of these routes under this policy, by method."""
    app = make_app(here=policy)
    mount(app, "here", guard)
    return methods_under(app, "here")


def methods_under(app: Flask, name: str) -> Operations:
    paths = api_document(app)["paths"]
    return {**paths[f"/{name}"], **paths[f"/{name}/{{one_id}}"]}


def schemes(one: dict[str, Any]) -> list[str]:
    return [name for scheme in one["security"] for name in scheme]


def key_scopes(one: dict[str, Any]) -> list[str] | None:
    """What a key needs; None where no key will do."""
    taken: list[list[str]] = [scheme["apiKey"] for scheme in one["security"] if "apiKey" in scheme]
    assert len(taken) <= 1
    return taken[0] if taken else None


def forbidden(one: dict[str, Any]) -> set[str]:
    """The codes of a 403."""
    return set(re.findall("`([a-z-]+)`", one["responses"].get("403", {"description": ""})["description"]))


def said(one: dict[str, Any]) -> str:
    return str(one.get("description", "")).lower()


def each(described: Operations, methods: Iterable[str] = READS + WRITES) -> list[dict[str, Any]]:
    return [described[method] for method in methods]


def test_public() -> None:
    for one in each(operations(PUBLIC)):
        assert (one["security"], said(one)) == ([], "")
        assert not {"401", "403", "503"} & one["responses"].keys()


class TestKeys:
    def test_scopes_by_method(self) -> None:
        described = operations(SCOPED)
        for methods, scope in ((READS, "tokens:read"), (WRITES, "tokens:spend")):
            for one in each(described, methods):
                assert schemes(one) == ["bearer", "apiKey", "sessionCookie"]
                assert key_scopes(one) == [scope]
                assert scope in said(one)
                assert not SESSIONS_ONLY.search(said(one))
        # Who looks for the scope to ask for also reads which other one includes it.
        assert "scope tokens:read or tokens:spend." in said(described["get"])
        assert "scope tokens:spend." in said(described["post"])

    def test_sessions_only(self) -> None:
        """Where no scope is named, and where scopes are named and none is taken."""
        scoped = Policy(read=Scope.TOKENS_READ, write=Scope.TOKENS_SPEND, session_only=True)
        for policy in (SIGNED_IN, Policy(session_only=True), scoped):
            for one in each(operations(policy)):
                assert schemes(one) == ["bearer", "sessionCookie"]
                assert SESSIONS_ONLY.search(said(one))
                assert "scope" not in said(one)

    def test_scope_of_some_methods(self) -> None:
        for policy, methods in ((Policy(read=Scope.TOKENS_READ), READS), (Policy(write=Scope.TOKENS_SPEND), WRITES)):
            described = operations(policy)
            assert {method for method, one in described.items() if key_scopes(one)} == set(methods)


class TestForbidden:
    def test_csrf_is_of_unsafe_methods(self) -> None:
        for policy in (SIGNED_IN, SCOPED, Policy(session_only=True)):
            described = operations(policy)
            assert not any("csrf" in forbidden(one) for one in each(described, READS))
            assert all("csrf" in forbidden(one) for one in each(described, WRITES))

    def test_insufficient_scope_is_of_keys(self) -> None:
        assert all("insufficient-scope" in forbidden(one) for one in each(operations(SCOPED)))
        for policy in (SIGNED_IN, Policy(session_only=True, read=Scope.PROFILE_READ)):
            assert not any("insufficient-scope" in forbidden(one) for one in each(operations(policy)))

    def test_every_caller(self) -> None:
        for one in each(operations(SIGNED_IN)):
            assert {"forbidden", "user-banned"} <= forbidden(one)
            assert {"401", "503"} <= one["responses"].keys()


DEMANDS: dict[str, dict[str, Any]] = {
    "role admin": {"role": Role.ADMIN},
    "role developer": {"role": Role.DEVELOPER},
    "plan pro": {"plan": Plan.PRO},
    "organization role org:admin": {"org_role": "org:admin"},
    "permission org:invoices:read": {"org_permission": "org:invoices:read"},
    "member of the organization": {"stored": True},
    "impersonating": {"impersonation": False},
}


class TestDemands:
    @pytest.mark.parametrize("words", DEMANDS)
    def test_said_where_they_are_made(self, words: str) -> None:
        """By the table or by the view, and once."""
        by_table = operations(Policy(**DEMANDS[words]))
        by_view = operations(SIGNED_IN, require_auth(**DEMANDS[words]))
        for one in [*each(by_table), *each(by_view)]:
            assert said(one).count(words) == 1
            others = ("the role", "plan", "organization", "permission", "impersonating")
            assert [word for word in others if word in said(one)] == [word for word in others if word in f"the {words}"]

    def test_organization_takes_a_session(self) -> None:
        scoped = Policy(read=Scope.TOKENS_READ, write=Scope.TOKENS_SPEND)
        for demanded in (
            replace(scoped, org_role="org:admin"),
            replace(scoped, org_permission="org:invoices:read"),
            replace(scoped, stored=True),
        ):
            for one in each(operations(demanded)):
                assert schemes(one) == ["bearer", "sessionCookie"]
                assert SESSIONS_ONLY.search(said(one))

    def test_none(self) -> None:
        for one in each(operations(SCOPED)):
            assert not re.search("role|plan|organization|impersonat", said(one))

    def test_all_of_both(self) -> None:
        described = operations(
            Policy(role=Role.DEVELOPER, read=Scope.TOKENS_READ, write=Scope.TOKENS_SPEND),
            require_auth(scope=Scope.PROFILE_READ, plan=Plan.PRO, impersonation=False),
        )
        for method, scope in (("get", "tokens:read"), ("post", "tokens:spend")):
            text = said(described[method])
            for words in ("role developer", "plan pro", "impersonating", "profile:read", scope):
                assert words in text


class TestViews:
    """`require_auth` demands something beyond the table."""

    def test_two_scopes(self) -> None:
        described = operations(SCOPED, require_auth(scope=Scope.PROFILE_READ))
        assert key_scopes(described["get"]) == ["profile:read", "tokens:read"]
        assert key_scopes(described["post"]) == ["profile:read", "tokens:spend"]

    def test_same_scope(self) -> None:
        described = operations(SCOPED, require_auth(scope=Scope.TOKENS_READ))
        assert key_scopes(described["get"]) == ["tokens:read"]

    def test_closed_to_keys(self) -> None:
        guards: tuple[Guard, ...] = (require_auth, require_auth(scope=Scope.PROFILE_READ, session_only=True))
        for guard in guards:
            for one in each(operations(SCOPED, guard)):
                assert schemes(one) == ["bearer", "sessionCookie"]
                assert SESSIONS_ONLY.search(said(one))
                assert "insufficient-scope" not in forbidden(one)

    def test_does_not_open_to_keys(self) -> None:
        for one in each(operations(SIGNED_IN, require_auth(scope=Scope.PROFILE_READ))):
            assert key_scopes(one) is None

    def test_under_a_public_route(self) -> None:
        described = operations(PUBLIC, require_auth)
        for one in each(described):
            assert schemes(one) == ["bearer", "sessionCookie"]
            assert {"401", "403", "503"} <= one["responses"].keys()
        assert "csrf" in forbidden(described["post"])

    def test_each_mount_has_its_policy(self) -> None:
        app = make_app(first=PUBLIC, second=SCOPED)
        mount(app, "first")
        mount(app, "second")
        assert all(one["security"] == [] for one in each(methods_under(app, "first")))
        assert all(key_scopes(one) for one in each(methods_under(app, "second")))


class TestInput:
    """What follows from the path and the body, whoever calls."""

    @pytest.fixture(params=[PUBLIC, SCOPED], ids=["public", "scopes"])
    def described(self, request: pytest.FixtureRequest) -> Operations:
        return operations(request.param)

    def test_ids(self, described: Operations) -> None:
        schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": LARGEST}
        parameter = {"name": "one_id", "in": "path", "required": True, "schema": schema}
        for method, one in described.items():
            has_id = method in {"patch", "delete"}
            assert one["parameters"] == ([parameter] if has_id else [])
            assert ("404" in one["responses"]) == has_id
        assert f"`{ErrorCode.NOT_FOUND}`" in described["delete"]["responses"]["404"]["description"]

    def test_bodies(self, described: Operations) -> None:
        """Required unless an empty object, which is what none counts as, would do."""
        bodies = {method: one["requestBody"] for method, one in described.items() if "requestBody" in one}
        schema = "#/components/schemas/"
        assert {
            method: (body["required"], body["content"]["application/json"]["schema"]["$ref"])
            for method, body in bodies.items()
        } == {"post": (True, f"{schema}Name"), "put": (True, f"{schema}Name"), "patch": (False, f"{schema}Size")}

    def test_refusals_of_a_body(self, described: Operations) -> None:
        """But for a body that the view reads itself: it says what it refuses."""
        of_a_body = {"400", "413", "415", "422"}
        for method, one in described.items():
            expected = of_a_body if method in {"post", "patch"} else set()
            assert of_a_body & one["responses"].keys() == expected, method
