"""Sessions in an organization, and on behalf of somebody: what their tokens say, and what a real backend reads there."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from tests.support.server import Server, running_server

from .browser import Browser, claims
from .harness import EmulatorProcess


@pytest.fixture(scope="module")
def application(
    database_url: str, emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """This project's own backend, with the keys that the emulator wrote for it."""
    settings = {"DATABASE_URL": database_url, **emulator.keys}
    with running_server(tmp_path_factory.mktemp("application"), settings) as running:
        yield running


@pytest.fixture
def user_id(emulator: EmulatorProcess, email: str) -> str:
    user_id: str = emulator.create_user(email)["id"]
    return user_id


@pytest.fixture
def organization(emulator: EmulatorProcess, user_id: str) -> dict[str, Any]:
    body = {"name": f"Of {user_id}", "created_by": user_id}
    made: dict[str, Any] = emulator.call("POST", "/v1/organizations", json=body)
    return made


def _define(emulator: EmulatorProcess, role: str, *permissions: str) -> dict[str, Any]:
    answer: dict[str, Any] = emulator.call(
        "PUT", f"/emulator/roles/{role}", json={"permissions": list(permissions)}
    )
    return answer


def _sign_in(emulator: EmulatorProcess, user_id: str, organization: dict[str, Any]) -> tuple[str, str]:
    """A session in the organization and a token of it, without a browser."""
    body = {"user_id": user_id, "active_organization_id": organization["id"]}
    session = emulator.call("POST", "/v1/sessions", json=body)
    assert session["last_active_organization_id"] == organization["id"]
    return session["id"], emulator.create_token(session["id"])


def _session_seen(application: Server, token: str) -> dict[str, Any]:
    answer = application.get("/auth/me", token)
    assert answer.status_code == HTTPStatus.OK, answer.text
    seen: dict[str, Any] = answer.json()["session"]
    return seen


class TestOrganization:
    def test_is_named_by_tokens(
        self, emulator: EmulatorProcess, application: Server, user_id: str, organization: dict[str, Any]
    ) -> None:
        _, token = _sign_in(emulator, user_id, organization)
        read = claims(emulator, token)
        assert read["o"] == {"id": organization["id"], "rol": "admin", "slg": organization["slug"]}
        assert "fea" not in read
        assert _session_seen(application, token)["organization"] == {
            "org_id": organization["id"],
            "slug": organization["slug"],
            "role": "org:admin",
            "permissions": [],
        }

    def test_custom_permissions_are_read_by_a_backend(
        self, emulator: EmulatorProcess, application: Server, user_id: str, organization: dict[str, Any]
    ) -> None:
        granted = ("org:reports:read", "org:invoices:manage", "org:invoices:read", "org:sys_memberships:read")
        role = _define(emulator, "org:billing", *granted)
        assert (role["name"], role["permissions"]) == ("Billing", list(granted))
        path = f"/v1/organizations/{organization['id']}/memberships/{user_id}"
        member = emulator.call("PATCH", path, json={"role": "org:billing"})
        assert (member["role_name"], member["permissions"]) == ("Billing", list(granted))
        _, token = _sign_in(emulator, user_id, organization)
        read = claims(emulator, token)
        assert read["fea"] == "o:reports,o:invoices"
        assert (read["o"]["per"], read["o"]["fpm"]) == ("read,manage", "1,3")
        seen = _session_seen(application, token)["organization"]
        assert seen["role"] == "org:billing"
        assert seen["permissions"] == sorted(granted[:3])

    def test_browser_goes_in_and_out(
        self, emulator: EmulatorProcess, browser: Browser, user_id: str, organization: dict[str, Any]
    ) -> None:
        ticket = emulator.call("POST", "/v1/sign_in_tokens", json={"user_id": user_id})["token"]
        answer = browser.call("POST", "/client/sign_ins", {"strategy": "ticket", "ticket": ticket})
        path = f"/client/sessions/{answer['response']['created_session_id']}"

        def organization_in_token() -> Any:
            token = browser.call("POST", f"{path}/tokens")["jwt"]
            return claims(emulator, token).get("o", {}).get("id")

        assert organization_in_token() is None
        browser.call("POST", f"{path}/touch", {"active_organization_id": organization["id"]})
        assert organization_in_token() == organization["id"]
        refusal = browser.refusal("POST", f"{path}/touch", {"active_organization_id": "org_other"})
        assert refusal[0] == HTTPStatus.NOT_FOUND
        assert organization_in_token() == organization["id"]
        browser.call("POST", f"{path}/touch", {"active_organization_id": ""})
        assert organization_in_token() is None

    @pytest.mark.parametrize("ending", ["membership", "organization"])
    def test_ends_with_the_membership(
        self, emulator: EmulatorProcess, user_id: str, organization: dict[str, Any], ending: str
    ) -> None:
        session_id, _ = _sign_in(emulator, user_id, organization)
        path = f"/v1/organizations/{organization['id']}"
        emulator.call("DELETE", path if ending == "organization" else f"{path}/memberships/{user_id}")
        session = emulator.call("GET", f"/v1/sessions/{session_id}")
        assert (session["status"], session["last_active_organization_id"]) == ("active", None)
        assert "o" not in claims(emulator, emulator.create_token(session_id))

    def test_is_not_for_strangers(
        self, emulator: EmulatorProcess, user_id: str, organization: dict[str, Any]
    ) -> None:
        stranger = emulator.create_user(f"stranger-of-{user_id.lower()}@example.com")["id"]
        for somebody, somewhere in ((stranger, organization["id"]), (user_id, "org_none")):
            body = {"user_id": somebody, "active_organization_id": somewhere}
            answer = emulator.request("POST", "/v1/sessions", json=body)
            assert answer.status_code == HTTPStatus.NOT_FOUND
            assert answer.json()["errors"][0]["code"] == "organization_not_found_or_unauthorized"
        assert emulator.call("GET", f"/v1/sessions?user_id={stranger}") == []


class TestRoles:
    def test_clerks_own_can_be_given_more(self, emulator: EmulatorProcess) -> None:
        role = _define(emulator, "org:member", "org:docs:read")
        assert role["name"] == "Member"
        assert role["permissions"] == [
            "org:sys_memberships:read",
            "org:sys_billing:read",
            "org:docs:read",
        ]
        keys = [each["key"] for each in emulator.call("GET", "/emulator/roles")]
        assert keys[:2] == ["org:admin", "org:member"]
        assert _define(emulator, "org:member")["permissions"][-1] == "org:sys_billing:read"

    @pytest.mark.parametrize(
        ("key", "body"),
        [
            ("admin", {"permissions": []}),
            ("org:A B", {"permissions": []}),
            ("org:x", {}),
            ("org:x", {"permissions": "org:a:b"}),
            ("org:x", {"permissions": ["org:a"]}),
            ("org:x", {"permissions": ["org:a:b,c"]}),
            ("org:x", {"permissions": ["org:a:b:c"]}),
            ("org:x", {"permissions": ["org:a:b"] * 101}),
        ],
    )
    def test_bad_one_is_refused(self, emulator: EmulatorProcess, key: str, body: dict[str, Any]) -> None:
        answer = emulator.request("PUT", f"/emulator/roles/{key}", json=body)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "org:x" not in [each["key"] for each in emulator.call("GET", "/emulator/roles")]


class TestActor:
    def test_is_read_by_a_backend(
        self, emulator: EmulatorProcess, application: Server, user_id: str, organization: dict[str, Any]
    ) -> None:
        body = {"user_id": user_id, "actor": {"sub": "user_support"}}
        in_it = {"active_organization_id": organization["id"]}
        session = emulator.call("POST", "/emulator/sessions", json=body | in_it)
        seen = _session_seen(application, emulator.create_token(session["id"]))
        assert (seen["actor"], seen["session_id"]) == ("user_support", session["id"])
        assert seen["organization"]["org_id"] == organization["id"]

    @pytest.mark.parametrize(("action", "status"), [("ban", 403), ("lock", 403)])
    def test_cannot_stand_in_for_whoever_is_kept_out(
        self, emulator: EmulatorProcess, user_id: str, action: str, status: int
    ) -> None:
        emulator.call("POST", f"/v1/users/{user_id}/{action}")
        body = {"user_id": user_id, "actor": {"sub": "user_support"}}
        assert emulator.request("POST", "/emulator/sessions", json=body).status_code == status


def test_banned_user_is_refused_by_a_backend(
    emulator: EmulatorProcess, application: Server, user_id: str
) -> None:
    """Their tokens are still good for a minute: the backend knows by the webhook, or asks at the first request."""
    token = emulator.create_token(emulator.create_session(user_id)["id"])
    emulator.call("POST", f"/v1/users/{user_id}/ban")
    answer = application.get("/auth/me", token)
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.FORBIDDEN, "user-banned")
