"""What a browser sees of the user's organizations, and how it goes into one."""

from http import HTTPStatus

import pytest

from .browser import Browser, Json, claims
from .harness import EmulatorProcess


@pytest.fixture
def session(browser: Browser, email: str) -> Json:
    return browser.sign_up(email)


@pytest.fixture
def organization(emulator: EmulatorProcess, session: Json) -> Json:
    body = {
        "name": "Analytical Engines",
        "created_by": session["user"]["id"],
        "private_metadata": {"secret": 1},
    }
    made: Json = emulator.call("POST", "/v1/organizations", json=body)
    return made


def test_memberships_are_listed(browser: Browser, organization: Json) -> None:
    listed = browser.call("GET", "/me/organization_memberships", paginated="true", limit="10", offset="0")
    [membership] = listed["response"]["data"]
    assert listed["response"]["total_count"] == 1
    assert (membership["role"], membership["organization"]["id"]) == ("org:admin", organization["id"])
    assert membership["organization"]["members_count"] == 1
    assert "secret" not in str(listed)
    assert browser.call("GET", "/me")["response"]["organization_memberships"] == [membership]
    for path in ("organization_invitations", "organization_suggestions"):
        assert browser.call("GET", f"/me/{path}")["response"] == {"data": [], "total_count": 0}


def test_session_goes_in_and_out(
    emulator: EmulatorProcess, browser: Browser, session: Json, organization: Json
) -> None:
    path = f"/client/sessions/{session['id']}"
    touched = browser.call("POST", f"{path}/touch", {"active_organization_id": organization["id"]})
    assert touched["response"]["last_active_organization_id"] == organization["id"]
    expected = {"id": organization["id"], "slg": organization["slug"], "rol": "admin"}
    assert claims(emulator, browser.session_token(session["id"]))["o"] == expected
    browser.call("POST", f"{path}/touch", {"active_organization_id": ""})
    assert "o" not in claims(emulator, browser.session_token(session["id"]))


def test_tabs_may_be_in_two(
    emulator: EmulatorProcess, browser: Browser, session: Json, organization: Json
) -> None:
    body = {"name": "Difference Engines", "created_by": session["user"]["id"]}
    second = emulator.call("POST", "/v1/organizations", json=body)
    path = f"/client/sessions/{session['id']}"
    browser.call("POST", f"{path}/touch", {"active_organization_id": organization["id"]})

    def of(form: Json | None) -> str | None:
        token = claims(emulator, browser.call("POST", f"{path}/tokens", form)["jwt"])
        named: str | None = token.get("o", {}).get("id")
        return named

    assert of(None) == organization["id"]
    assert of({"organization_id": second["id"]}) == second["id"]
    assert of({"organization_id": ""}) is None
    assert (
        browser.refusal("POST", f"{path}/tokens", {"organization_id": "org_none"})[0] == HTTPStatus.NOT_FOUND
    )


def test_others_organizations_do_not_exist(emulator: EmulatorProcess, email: str, organization: Json) -> None:
    with Browser(emulator) as stranger:
        session = stranger.sign_up(f"stranger-{email}")
        form = {"active_organization_id": organization["id"]}
        refusal = stranger.refusal("POST", f"/client/sessions/{session['id']}/touch", form)
        assert refusal == (HTTPStatus.NOT_FOUND, "organization_not_found_or_unauthorized")
        assert stranger.call("GET", "/me")["response"]["organization_memberships"] == []
