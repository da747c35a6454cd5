"""Sessions in an organization, and on behalf of somebody: what browsers see of it, what their tokens say, what a real
backend reads there.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.server import Server, running_server

from .browser import Browser, Json, claims
from .harness import EmulatorProcess

NOT_THEIRS = (404, "organization_not_found_or_unauthorized")


@pytest.fixture(scope="module")
def application(
    database_url: str, emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """This project's own backend, with the keys that the emulator wrote for it."""
    settings = {"DATABASE_URL": database_url, **emulator.keys}
    with running_server(tmp_path_factory.mktemp("application"), settings) as running:
        yield running


def _found(emulator: EmulatorProcess, user_id: str) -> Json:
    body = {"name": f"Of {user_id}", "created_by": user_id, "private_metadata": {"secret": 1}}
    made: Json = emulator.call("POST", "/v1/organizations", json=body)
    return made


@pytest.fixture
def organization(emulator: EmulatorProcess, user_id: str) -> Json:
    return _found(emulator, user_id)


def _define(emulator: EmulatorProcess, role: str, *permissions: str) -> Json:
    body = {"permissions": permissions}
    answer: Json = emulator.call("PUT", f"/emulator/roles/{role}", json=body)
    return answer


def _sign_in(emulator: EmulatorProcess, user_id: str, organization: Json) -> tuple[str, str]:
    """A session in the organization and a token of it, without a browser."""
    body = {"user_id": user_id, "active_organization_id": organization["id"]}
    session = emulator.call("POST", "/v1/sessions", json=body)
    assert session["last_active_organization_id"] == organization["id"]
    return session["id"], emulator.create_token(session["id"])


def _session_seen(application: Server, token: str) -> Json:
    answer = application.get("/auth/me", token)
    assert answer.status_code == 200, answer.text
    seen: Json = answer.json()["session"]
    return seen


class TestOrganization:
    def test_is_named_by_tokens(
        self, emulator: EmulatorProcess, application: Server, user_id: str, organization: Json
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
        self, emulator: EmulatorProcess, application: Server, user_id: str, organization: Json
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

    @pytest.mark.parametrize("ending", ["membership", "organization"])
    def test_ends_with_the_membership(
        self, emulator: EmulatorProcess, user_id: str, organization: Json, ending: str
    ) -> None:
        session_id, _ = _sign_in(emulator, user_id, organization)
        path = f"/v1/organizations/{organization['id']}"
        emulator.call("DELETE", path if ending == "organization" else f"{path}/memberships/{user_id}")
        session = emulator.call("GET", f"/v1/sessions/{session_id}")
        assert (session["status"], session["last_active_organization_id"]) == ("active", None)
        assert "o" not in claims(emulator, emulator.create_token(session_id))

    def test_is_not_for_strangers(
        self, emulator: EmulatorProcess, browser: Browser, email: str, user_id: str, organization: Json
    ) -> None:
        session = browser.sign_up(f"stranger-{email}")
        stranger = session["user"]["id"]
        for somebody, somewhere in ((stranger, organization["id"]), (user_id, "org_none")):
            body = {"user_id": somebody, "active_organization_id": somewhere}
            assert emulator.refusal("POST", "/v1/sessions", body) == NOT_THEIRS
        assert len(emulator.call("GET", f"/v1/sessions?user_id={stranger}")) == 1
        form = {"active_organization_id": organization["id"]}
        assert browser.refusal("POST", f"/client/sessions/{session['id']}/touch", form) == NOT_THEIRS
        assert browser.call("GET", "/me")["response"]["organization_memberships"] == []


class TestBrowser:
    @pytest.fixture
    def organization(self, emulator: EmulatorProcess, user: Json) -> Json:
        return _found(emulator, user["id"])

    def test_lists_memberships(self, browser: Browser, organization: Json) -> None:
        listed = browser.call("GET", "/me/organization_memberships", paginated="true", limit="10", offset="0")
        [membership] = listed["response"]["data"]
        assert listed["response"]["total_count"] == 1
        assert (membership["role"], membership["organization"]["id"]) == ("org:admin", organization["id"])
        assert membership["organization"]["members_count"] == 1
        assert "secret" not in str(listed)
        assert browser.call("GET", "/me")["response"]["organization_memberships"] == [membership]
        for path in ("organization_invitations", "organization_suggestions"):
            assert browser.call("GET", f"/me/{path}")["response"] == {"data": [], "total_count": 0}

    def test_goes_in_and_out_and_each_tab_may_be_in_another(
        self, emulator: EmulatorProcess, browser: Browser, session: Json, organization: Json
    ) -> None:
        second = _found(emulator, session["user"]["id"])
        path = f"/client/sessions/{session['id']}"

        def named(form: Json | None = None) -> Any:
            return claims(emulator, browser.call("POST", f"{path}/tokens", form)["jwt"]).get("o")

        def touch(organization_id: str) -> Any:
            form = {"active_organization_id": organization_id}
            return browser.call("POST", f"{path}/touch", form)["response"]["last_active_organization_id"]

        assert named() is None
        assert touch(organization["id"]) == organization["id"]
        expected = {"id": organization["id"], "slg": organization["slug"], "rol": "admin"}
        assert named() == expected
        assert named({"organization_id": second["id"]})["id"] == second["id"]
        assert named({"organization_id": ""}) is None
        assert browser.refusal("POST", f"{path}/tokens", {"organization_id": "org_none"})[0] == 404
        assert browser.refusal("POST", f"{path}/touch", {"active_organization_id": "org_none"})[0] == 404
        assert named() == expected
        touch("")
        assert named() is None


class TestRoles:
    def test_clerks_own_can_be_given_more(self, emulator: EmulatorProcess) -> None:
        role = _define(emulator, "org:member", "org:docs:read")
        own = ["org:sys_memberships:read", "org:sys_billing:read"]
        assert (role["name"], role["permissions"]) == ("Member", [*own, "org:docs:read"])
        keys = [each["key"] for each in emulator.call("GET", "/emulator/roles")]
        assert keys[:2] == ["org:admin", "org:member"]
        assert _define(emulator, "org:member")["permissions"] == own

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
    def test_bad_one_is_refused(self, emulator: EmulatorProcess, key: str, body: Json) -> None:
        assert emulator.refusal("PUT", f"/emulator/roles/{key}", body)[0] == 422
        assert "org:x" not in [each["key"] for each in emulator.call("GET", "/emulator/roles")]


class TestActor:
    def test_is_read_by_a_backend(
        self, emulator: EmulatorProcess, application: Server, user_id: str, organization: Json
    ) -> None:
        body = {"user_id": user_id, "actor": {"sub": "user_support"}}
        in_it = {"active_organization_id": organization["id"]}
        session = emulator.call("POST", "/emulator/sessions", json=body | in_it)
        seen = _session_seen(application, emulator.create_token(session["id"]))
        assert (seen["actor"], seen["session_id"]) == ("user_support", session["id"])
        assert seen["organization"]["org_id"] == organization["id"]

    @pytest.mark.parametrize("action", ["ban", "lock"])
    def test_cannot_stand_in_for_whoever_is_kept_out(
        self, emulator: EmulatorProcess, user_id: str, action: str
    ) -> None:
        emulator.call("POST", f"/v1/users/{user_id}/{action}")
        body = {"user_id": user_id, "actor": {"sub": "user_support"}}
        assert emulator.refusal("POST", "/emulator/sessions", body)[0] == 403


def test_banned_user_is_refused_by_a_backend(emulator: EmulatorProcess, application: Server, user_id: str) -> None:
    """Their tokens are still good for a minute: the backend knows by the webhook, or asks at the first request."""
    token = emulator.create_token(emulator.create_session(user_id)["id"])
    emulator.call("POST", f"/v1/users/{user_id}/ban")
    answer = application.get("/auth/me", token)
    assert (answer.status_code, answer.json()["code"]) == (403, "user-banned")
