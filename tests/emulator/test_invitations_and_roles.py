"""Invitations, domains, roles, permissions and the waitlist: what they change, and what is refused."""

import pytest

from .browser import Json
from .harness import EmulatorProcess, Receiver


@pytest.fixture
def path(emulator: EmulatorProcess, email: str) -> str:
    """Of an organization whose first member is `email`."""
    founder = emulator.create_user(email)["id"]
    organization = emulator.call("POST", "/v1/organizations", json={"name": email, "created_by": founder})
    return f"/v1/organizations/{organization['id']}"


def _invite(emulator: EmulatorProcess, path: str, email: str, **fields: object) -> Json:
    body = {"email_address": email, "role": "org:member"} | fields
    invitation: Json = emulator.call("POST", f"{path}/invitations", json=body)
    return invitation


class TestInvitations:
    def test_accepted_one_makes_a_member_with_its_role_and_metadata(
        self, emulator: EmulatorProcess, path: str, email: str, heard: Receiver
    ) -> None:
        user = emulator.create_user(f"invited.{email}")
        invitation = _invite(emulator, path, f"invited.{email}", role="org:admin", public_metadata={"team": 7})
        assert emulator.call("GET", f"{path}?include_members_count=true")["pending_invitations_count"] == 1
        accept = f"/emulator/organization_invitations/{invitation['id']}/accept"
        assert emulator.call("POST", accept)["status"] == "accepted"
        [membership] = emulator.call("GET", f"{path}/memberships", params={"user_id": user["id"]})["data"]
        assert (membership["role"], membership["public_metadata"]) == ("org:admin", {"team": 7})
        assert emulator.refusal("POST", accept) == (400, "organization_invitation_not_pending")
        emulator.wait_until_all_is_told()
        told = {delivery.event["type"]: delivery.event["data"] for delivery in heard.deliveries}
        assert told["organizationInvitation.accepted"]["user_id"] == user["id"]
        assert "organizationMembership.created" in told

    def test_only_a_pending_one_can_be_revoked(self, emulator: EmulatorProcess, path: str) -> None:
        revoked, expired = (_invite(emulator, path, f"{name}@invited.test") for name in ("revoked", "expired"))
        emulator.call("POST", f"{path}/invitations/{revoked['id']}/revoke")
        emulator.execute("UPDATE organization_invitations SET expires_at = 1 WHERE id = ?", expired["id"])
        for invitation in (revoked, expired):
            answer = emulator.refusal("POST", f"{path}/invitations/{invitation['id']}/revoke")
            assert answer == (400, "organization_invitation_not_pending")
        for status, invitation in (("revoked", revoked), ("expired", expired)):
            [listed] = emulator.call("GET", f"{path}/invitations", params={"status": status})["data"]
            assert listed["id"] == invitation["id"]

    def test_nobody_accepts_for_an_address_that_nobody_has(self, emulator: EmulatorProcess, path: str) -> None:
        invitation = _invite(emulator, path, "nobody@invited.test")
        accept = f"/emulator/organization_invitations/{invitation['id']}/accept"
        assert emulator.refusal("POST", accept) == (404, "resource_not_found")
        body = {"email_address": "a@invited.test", "role": "org:king"}
        assert emulator.refusal("POST", f"{path}/invitations", body) == (404, "resource_not_found")


def test_domains_are_listed_by_mode_and_name(emulator: EmulatorProcess, path: str) -> None:
    modes = ("manual_invitation", "automatic_invitation", "automatic_suggestion")
    for mode in modes:
        body = {"name": f"{mode.replace('_', '-')}.test", "enrollment_mode": mode}
        emulator.call("POST", f"{path}/domains", json=body)
        assert emulator.refusal("POST", f"{path}/domains", body) == (422, "duplicate_record")

    def listed(**params: str) -> list[str]:
        page = emulator.call("GET", "/v1/organization_domains", params=params | {"order_by": "created_at"})
        return [domain["enrollment_mode"] for domain in page["data"]]

    organization = path.rpartition("/")[2]
    assert listed(organization_id=organization) == list(modes)
    assert listed(organization_id=organization, enrollment_mode="-automatic_invitation") == [modes[0], modes[2]]
    assert listed(organization_id=organization, enrollment_mode=modes[1]) == [modes[1]]
    assert listed(query="AUTOMATIC-S", organization_id=organization) == [modes[2]]


class TestRoles:
    def test_renamed_permission_and_role_stay_with_who_has_them(
        self, emulator: EmulatorProcess, path: str, email: str
    ) -> None:
        permission = emulator.call(
            "POST", "/v1/organization_permissions", json={"name": "Read", "key": "org:reports:read"}
        )
        body = {"name": "Reader", "key": "org:reader", "permissions": [permission["id"]]}
        role = emulator.call("POST", "/v1/organization_roles", json=body)
        reader = emulator.create_user(f"reader.{email}")["id"]
        emulator.call("POST", f"{path}/memberships", json={"user_id": reader, "role": "org:reader"})
        of_permission, of_role = (
            f"/v1/organization_permissions/{permission['id']}",
            f"/v1/organization_roles/{role['id']}",
        )
        emulator.call("PATCH", of_permission, json={"key": "org:reports:see"})
        emulator.call("PATCH", of_role, json={"key": "org:viewer"})
        [membership] = emulator.call("GET", f"{path}/memberships", params={"user_id": reader})["data"]
        assert (membership["role"], membership["permissions"]) == ("org:viewer", ["org:reports:see"])
        assert emulator.refusal("DELETE", of_role) == (422, "organization_role_used")
        emulator.call("DELETE", of_permission)
        assert emulator.call("GET", of_role)["permissions"] == []

    def test_clerks_own_stay(self, emulator: EmulatorProcess) -> None:
        [admin] = emulator.call("GET", "/v1/organization_roles", params={"query": "org:admin"})["data"]
        path = f"/v1/organization_roles/{admin['id']}"
        assert admin["is_creator_eligible"]
        assert emulator.refusal("DELETE", path) == (422, "form_param_value_invalid")
        system = f"/v1/organization_permissions/{admin['permissions'][0]['id']}"
        assert emulator.refusal("DELETE", system) == (403, "organization_system_permission")
        taken = {"name": "Mine", "key": "org:sys_mine:read"}
        assert emulator.refusal("POST", "/v1/organization_permissions", taken) == (422, "form_param_format_invalid")


def test_the_waitlist_has_each_address_once(emulator: EmulatorProcess, email: str) -> None:
    entry = emulator.call("POST", "/v1/waitlist_entries", json={"email_address": email})
    assert emulator.call("POST", "/v1/waitlist_entries", json={"email_address": email}) == entry
    path = f"/v1/waitlist_entries/{entry['id']}"
    assert emulator.call("POST", f"{path}/invite")["invitation"]["email_address"] == email
    for method, suffix in (("DELETE", ""), ("POST", "/reject"), ("POST", "/invite")):
        assert emulator.refusal(method, path + suffix) == (409, "waitlist_entry_already_decided")


def test_a_plan_is_given_changed_canceled_and_ended(emulator: EmulatorProcess, email: str, heard: Receiver) -> None:
    user = emulator.create_user(email)["id"]
    path = f"/v1/users/{user}/billing/subscription"
    assert emulator.refusal("GET", path) == (404, "resource_not_found")

    def run(*arguments: str) -> tuple[list[str], list[tuple[str, str]]]:
        """The events that a command sends, and the items that the subscription has then."""
        emulator.wait_until_all_is_told()
        heard.deliveries.clear()
        result = emulator.cli("plan", email, *arguments)
        assert result.exit_code == 0, result.stderr
        emulator.wait_until_all_is_told()
        items = emulator.call("GET", path)["subscription_items"]
        return sorted(heard.types), [(item["plan"]["slug"], item["status"]) for item in items]

    given = ["subscription.created", "subscriptionItem.active"]
    assert run("pro") == (given, [("pro", "active")])
    changed = ["subscription.updated", "subscriptionItem.active", "subscriptionItem.ended"]
    assert run("team", "--annual") == (changed, [("team", "active")])
    due = ["subscription.pastDue", "subscriptionItem.pastDue"]
    assert run("--change", "past_due") == (due, [("team", "past_due")])
    assert run("--change", "cancel") == (["subscription.updated", "subscriptionItem.canceled"], [("team", "canceled")])
    assert run("--change", "end") == (["subscription.updated", "subscriptionItem.ended"], [])
    again = ["subscription.active", "subscriptionItem.active"]
    assert run("pro") == (again, [("pro", "active")])
    assert emulator.cli("plan", email).exit_code == 2
