"""Every route of the Backend API and every webhook, against Clerk's own OpenAPI files."""

import base64
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from clerk_emulator.backend_api import backend_api

from .browser import PASSWORD, Browser, Json
from .harness import EmulatorProcess, Receiver
from .openapi import Api, Webhooks

# Beyond the file, which is of 2025: merging came in October 2026.
NEWER_TYPES = {"user.merged"}
# What nothing here makes happen.
NOT_SENT = {
    *("session.pending", "sms.created", "paymentAttempt.created", "paymentAttempt.updated"),
    *("subscriptionItem.abandoned", "subscriptionItem.incomplete", "subscriptionItem.upcoming"),
    *("subscriptionItem.freeTrialEnding", "subscriptionItem.updated"),
}
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABc3UBGAAAAABJRU5ErkJggg==")


class Client:
    """Calls the Backend API and keeps what it answered."""

    def __init__(self, emulator: EmulatorProcess) -> None:
        self._emulator = emulator
        self.answers: list[tuple[str, str, int, Any]] = []

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        response = self._emulator.request(method, f"/v1{path}", json=body, **options)
        assert response.ok, (method, path, response.text)
        self.answers.append((method, path, response.status_code, response.json()))
        return self.answers[-1][-1]


@pytest.fixture(scope="module")
def answers(emulator: EmulatorProcess, shared_receiver: Receiver) -> list[tuple[str, str, int, Any]]:
    """A walk over all routes."""
    shared_receiver.deliveries.clear()
    call = Client(emulator)
    for walk in (_users, _addresses, _sessions, _organizations, _roles, _waitlist, _billing):
        walk(call, emulator)
    emulator.wait_until_all_is_told()
    return call.answers


def _user(call: Client, name: str, **fields: Any) -> str:
    body = {"email_address": [f"{name}@openapi.test"], "password": PASSWORD} | fields
    user_id: str = call("POST", "/users", body)["id"]
    return user_id


def _users(call: Client, emulator: EmulatorProcess) -> None:
    fields = {"username": "openapi", "external_id": "openapi-1", "phone_number": ["+15550100001"]}
    path = f"/users/{_user(call, 'walk', first_name='Ada', public_metadata={'a': 1}, **fields)}"
    call("GET", path)
    call("GET", "/users")
    call("GET", "/users/count")
    call("PATCH", path, {"last_name": "Lovelace"})
    call("PATCH", f"{path}/metadata", {"public_metadata": {"b": 2}})
    call("PUT", f"{path}/metadata", {"public_metadata": {"c": 3}})
    call("POST", f"{path}/verify_password", {"password": PASSWORD})
    call("POST", f"{path}/profile_image", files={"file": ("a.png", PIXEL)})
    call("DELETE", f"{path}/profile_image")
    call("POST", f"{path}/remove_password", {})
    for verb in ("ban", "unban", "lock", "unlock"):
        call("POST", f"{path}/{verb}")
    call("POST", f"{path}/merge", {"from_user_id": _user(call, "duplicate", username="duplicate")})
    emulator.call("POST", f"/emulator{path}/deprovision")
    call("DELETE", path)


def _addresses(call: Client, _: EmulatorProcess) -> None:
    user_id = _user(call, "addresses")
    for path, body in (
        ("/email_addresses", {"email_address": "second@openapi.test"}),
        ("/phone_numbers", {"phone_number": "+15550100002", "reserved_for_second_factor": True}),
    ):
        one = f"{path}/{call('POST', path, body | {'user_id': user_id})['id']}"
        call("GET", one)
        call("PATCH", one, {"verified": True, "primary": True})
        call("GET", f"/users/{user_id}")
        call("DELETE", one)


def _sessions(call: Client, emulator: EmulatorProcess) -> None:
    user_id = _user(call, "sessions")
    session = call("POST", "/sessions", {"user_id": user_id})
    path = f"/sessions/{session['id']}"
    call("GET", "/sessions", params={"user_id": user_id})
    call("GET", path)
    call("POST", f"{path}/tokens")
    call("POST", f"{path}/tokens/any")
    call("POST", f"{path}/revoke")
    for how in ("end", "remove"):
        emulator.call("POST", f"/emulator/sessions/{emulator.create_session(user_id)['id']}/{how}")
    for ticket, body in (("sign_in_tokens", {}), ("actor_tokens", {"actor": {"sub": "user_support"}})):
        created = call("POST", f"/{ticket}", body | {"user_id": user_id, "expires_in_seconds": 60})
        call("POST", f"/{ticket}/{created['id']}/revoke")
    call("GET", "/jwks")
    call("POST", "/testing_tokens")
    with Browser(emulator) as browser:
        browser.sign_up("browser@openapi.test")
        call("GET", f"/clients/{browser.client()['id']}")


def _organizations(call: Client, emulator: EmulatorProcess) -> None:
    founder, member = _user(call, "founder"), _user(call, "member")
    organization = call("POST", "/organizations", {"name": "Walk", "created_by": founder})["id"]
    path = f"/organizations/{organization}"
    call("GET", path)
    call("GET", "/organizations", params={"include_members_count": "true"})
    call("PATCH", path, {"name": "Walked"})
    call("PATCH", f"{path}/metadata", {"public_metadata": {"a": 1}})
    call("PUT", f"{path}/metadata", {"public_metadata": {"b": 1}})
    call("POST", f"{path}/memberships", {"user_id": member, "role": "org:member"})
    call("PATCH", f"{path}/memberships/{member}", {"role": "org:admin"})
    call("PATCH", f"{path}/memberships/{member}/metadata", {"public_metadata": {"a": 1}})
    for listed in (f"{path}/memberships", f"/users/{member}/organization_memberships", "/organization_memberships"):
        call("GET", listed)
    call("DELETE", f"{path}/memberships/{member}")
    invited = {"email_address": "member@openapi.test", "role": "org:member", "inviter_user_id": founder}
    invitation = call("POST", f"{path}/invitations", invited)["id"]
    revoked = call("POST", f"{path}/invitations", {"email_address": "nobody@openapi.test", "role": "org:member"})["id"]
    call("GET", f"{path}/invitations/{invitation}")
    call("POST", f"{path}/invitations/{revoked}/revoke", {"requesting_user_id": founder})
    emulator.call("POST", f"/emulator/organization_invitations/{invitation}/accept")
    for listed in (f"{path}/invitations", "/organization_invitations", f"/users/{member}/organization_invitations"):
        assert call("GET", listed)["data"], listed
    domain = call("POST", f"{path}/domains", {"name": "openapi.test", "enrollment_mode": "manual_invitation"})["id"]
    call("PATCH", f"{path}/domains/{domain}", {"verified": False})
    for listed in (f"{path}/domains", "/organization_domains"):
        assert call("GET", listed)["data"], listed
    call("DELETE", f"{path}/domains/{domain}")
    call("DELETE", path)


def _roles(call: Client, _: EmulatorProcess) -> None:
    permission = call("POST", "/organization_permissions", {"name": "Read", "key": "org:openapi:read"})["id"]
    call("GET", f"/organization_permissions/{permission}")
    call("PATCH", f"/organization_permissions/{permission}", {"description": "Reads"})
    call("GET", "/organization_permissions")
    role = call("POST", "/organization_roles", {"name": "Walker", "key": "org:walker"})["id"]
    path = f"/organization_roles/{role}"
    call("GET", path)
    call("PATCH", path, {"name": "Stroller"})
    call("POST", f"{path}/permissions/{permission}")
    assert len(call("GET", "/organization_roles")["data"]) >= 3
    call("DELETE", f"{path}/permissions/{permission}")
    call("DELETE", path)
    call("DELETE", f"/organization_permissions/{permission}")


def _waitlist(call: Client, _: EmulatorProcess) -> None:
    ids = [call("POST", "/waitlist_entries", {"email_address": f"{one}@openapi.test"})["id"] for one in "abc"]
    call("POST", f"/waitlist_entries/{ids[0]}/invite", {})
    call("POST", f"/waitlist_entries/{ids[1]}/reject")
    assert len(call("GET", "/waitlist_entries")["data"]) >= 3
    call("DELETE", f"/waitlist_entries/{ids[2]}")


def _billing(call: Client, emulator: EmulatorProcess) -> None:
    user = _user(call, "payer")
    organization = call("POST", "/organizations", {"name": "Payers", "created_by": user})["id"]
    for payer, path in ((user, f"/users/{user}"), (organization, f"/organizations/{organization}")):
        for plan in ("pro", "team"):
            emulator.call("PUT", f"/emulator/subscriptions/{payer}", json={"plan": plan})
        call("GET", f"{path}/billing/subscription")
    for change in ("past_due", "cancel", "end"):
        emulator.call("POST", f"/emulator/subscriptions/{organization}/{change}")
    emulator.call("PUT", f"/emulator/subscriptions/{organization}", json={"plan": "team"})
    call("GET", "/billing/plans")
    [item] = call("GET", "/billing/subscription_items", params={"payer_type": "user", "status": "active"})["data"]
    call("DELETE", f"/billing/subscription_items/{item['id']}", params={"end_now": "true"})


def test_all_answers_are_as_clerk_describes_them(answers: list[tuple[str, str, int, Any]], shared_data: Path) -> None:
    api = Api(shared_data / "openapi")
    complaints: dict[str, set[str]] = defaultdict(set)
    unknown = set()
    for method, path, status, body in answers:
        operation = api.operation(method, path)
        if operation is None:
            unknown.add((method, path.rpartition("/")[2]))
        else:
            complaints[operation].update(api.complaints(operation, status, body))
    assert {operation: wrong for operation, wrong in complaints.items() if wrong} == {}
    assert unknown == {("POST", "merge")}


def test_all_routes_were_walked(answers: list[tuple[str, str, int, Any]]) -> None:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(backend_api())
    routes = app.url_map.bind("localhost")
    walked = {routes.match(path, method)[0] for method, path, _, _ in answers}
    assert {rule.endpoint for rule in app.url_map.iter_rules()} - walked == set()


@pytest.mark.usefixtures("answers")
def test_all_webhooks_are_as_clerk_describes_them(shared_receiver: Receiver, shared_data: Path) -> None:
    """What Clerk's own example of a type has against its description, is held against nobody."""
    webhooks = Webhooks(shared_data / "openapi")
    examples: dict[str, Json] = json.loads((shared_data / "clerk-webhook-examples.json").read_text())
    events = [delivery.event for delivery in shared_receiver.deliveries]
    assert {event["type"] for event in events} == (webhooks.types - NOT_SENT) | NEWER_TYPES
    complaints = {
        event["type"]: wrong
        for event in events
        if event["type"] in webhooks.types
        and (wrong := set(webhooks.complaints(event)) - set(webhooks.complaints(examples[event["type"]])))
    }
    assert complaints == {}
