"""`/v1/organizations`, their members, and what the application hears of both."""

import re
from typing import Any

import pytest

from tests.support.waiting import wait_for

from .harness import EmulatorProcess, Receiver

NOT_FOUND = (404, "resource_not_found")


def _organization(emulator: EmulatorProcess, name: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = emulator.call("POST", "/v1/organizations", json={"name": name, **fields})
    return made


def _join(emulator: EmulatorProcess, organization: dict[str, Any], user_id: str, role: str) -> dict[str, Any]:
    path = f"/v1/organizations/{organization['id']}/memberships"
    made: dict[str, Any] = emulator.call("POST", path, json={"user_id": user_id, "role": role})
    return made


def _ids(page: dict[str, Any]) -> list[str]:
    assert set(page) == {"data", "total_count"}
    return [each["id"] for each in page["data"]]


def _told(heard: Receiver, organization_id: str, count: int) -> list[dict[str, Any]]:
    """Wait for `count` events of an organization and its members; other tests' may still come in between."""

    def about() -> list[dict[str, Any]]:
        events = [delivery.event for delivery in list(heard.deliveries)]
        return [
            event
            for event in events
            if organization_id in {event["data"]["id"], event["data"].get("organization", {}).get("id")}
        ]

    wait_for(lambda: len(about()) >= count)
    return about()


class TestOrganization:
    def test_lives_and_is_told_of(self, emulator: EmulatorProcess, user_id: str, heard: Receiver) -> None:
        made = _organization(emulator, "Acme Corp", created_by=user_id, public_metadata={"tier": 1})
        path = f"/v1/organizations/{made['id']}"
        assert re.fullmatch(r"org_[0-9A-Za-z]{27}", made["id"])
        assert (made["slug"], made["created_by"]) == ("acme-corp", user_id)
        assert made["public_metadata"] == {"tier": 1}
        assert "members_count" not in made
        assert emulator.call("GET", "/v1/organizations/acme-corp?include_members_count=true") == made | {
            "members_count": 1,
            "missing_member_with_elevated_permissions": False,
            "pending_invitations_count": 0,
        }
        emulator.call("PATCH", path, json={"name": "Acme", "slug": "acme"})
        emulator.call("PATCH", f"{path}/metadata", json={"public_metadata": {"tier": None, "seats": 3}})
        replaced = emulator.call("PUT", f"{path}/metadata", json={"private_metadata": {"a": 1}})
        assert (replaced["public_metadata"], replaced["private_metadata"]) == ({"seats": 3}, {"a": 1})
        gone = {"object": "organization", "id": made["id"], "slug": "acme", "deleted": True}
        assert emulator.call("DELETE", path) == gone
        assert emulator.refusal("GET", path) == NOT_FOUND
        told = _told(heard, made["id"], 6)
        assert [event["type"] for event in told] == [
            "organization.created",
            "organizationMembership.created",
            *["organization.updated"] * 3,
            "organization.deleted",
        ]
        assert told[0]["data"] | {"name": "Acme Corp"} == made | told[0]["data"]
        assert told[0]["data"]["members_count"] == 1
        assert told[1]["data"]["role"] == "org:admin"
        assert told[-1]["data"] == gone
        versions = [event["data"]["updated_at"] for event in told[2:5]]
        assert versions == sorted(set(versions))

    def test_slug_is_made_of_the_name_and_unique(self, emulator: EmulatorProcess) -> None:
        slugs = [_organization(emulator, name)["slug"] for name in ("Twice & Co.", "Twice Co", "twice-co")]
        assert slugs == ["twice-co", "twice-co-2", "twice-co-3"]
        assert _organization(emulator, "Ωμέγα")["slug"] == "organization"
        taken = (422, "form_identifier_exists")
        assert emulator.refusal("POST", "/v1/organizations", {"name": "x", "slug": "twice-co"}) == taken
        assert emulator.refusal("PATCH", "/v1/organizations/twice-co-2", {"slug": "twice-co"}) == taken
        assert emulator.call("PATCH", "/v1/organizations/twice-co", json={"slug": "twice-co"})["name"]

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({}, 422, "form_param_missing"),
            ({"name": " "}, 422, "form_param_format_invalid"),
            ({"name": "x" * 257}, 422, "form_param_max_length_exceeded"),
            ({"name": "x", "slug": "No Slug"}, 422, "form_param_format_invalid"),
            ({"name": "x", "max_allowed_memberships": -1}, 422, "form_param_value_invalid"),
            ({"name": "x", "max_allowed_memberships": 2**70}, 422, "form_param_value_too_large"),
            ({"name": "x", "role_set_key": "y"}, 422, "form_param_unknown"),
            ({"name": "x", "created_by": "user_nobody"}, 400, "organization_creator_not_found"),
        ],
    )
    def test_bad_one_is_refused(self, emulator: EmulatorProcess, body: dict[str, Any], status: int, code: str) -> None:
        before = emulator.call("GET", "/v1/organizations")["total_count"]
        assert emulator.refusal("POST", "/v1/organizations", body) == (status, code)
        assert emulator.call("GET", "/v1/organizations")["total_count"] == before

    def test_are_listed(self, emulator: EmulatorProcess, user_id: str) -> None:
        made = [_organization(emulator, f"Listed {number}") for number in range(3)]
        first, second, third = (each["id"] for each in made)
        _join(emulator, made[1], user_id, "org:member")

        def listed(query: str) -> list[str]:
            return _ids(emulator.call("GET", f"/v1/organizations?{query}"))

        assert listed("query=listed") == [third, second, first]
        assert listed("query=LISTED&order_by=name&limit=1&offset=1") == [second]
        assert listed("query=listed&order_by=-members_count&limit=1") == [second]
        assert listed(f"query={first}") == [first]
        assert listed(f"organization_id={first}&organization_id=%2B{third}") == [third, first]
        assert listed(f"query=listed&organization_id=-{first}") == [third, second]
        assert listed(f"user_id={user_id}") == [second]
        assert emulator.call("GET", "/v1/organizations?query=listed&limit=1")["total_count"] == 3
        users = emulator.call("GET", f"/v1/users?organization_id={second}")
        assert [user["id"] for user in users] == [user_id]
        assert emulator.call("GET", f"/v1/users?user_id={user_id}&organization_id=-{second}") == []
        assert emulator.refusal("GET", "/v1/organizations?order_by=slug")[1] == "form_param_value_invalid"
        assert emulator.refusal("GET", "/v1/organizations?color=red")[1] == "form_param_unknown"


class TestMembership:
    def test_lives_and_is_told_of(self, emulator: EmulatorProcess, email: str, user_id: str, heard: Receiver) -> None:
        organization = _organization(emulator, "Members")
        made = _join(emulator, organization, user_id, "org:member")
        path = f"/v1/organizations/{organization['id']}/memberships/{user_id}"
        assert made["organization"] == organization
        assert (made["role"], made["role_name"]) == ("org:member", "Member")
        assert made["permissions"] == ["org:sys_memberships:read", "org:sys_billing:read"]
        shown = made["public_user_data"]
        assert (shown["user_id"], shown["identifier"], shown["first_name"]) == (user_id, email, "Ada")
        promoted = emulator.call("PATCH", path, json={"role": "org:admin"})
        assert len(promoted["permissions"]) == 8
        assert promoted["updated_at"] > made["updated_at"]
        assert emulator.call("PATCH", path, json={"role": "org:admin"}) == promoted
        marked = emulator.call("PATCH", f"{path}/metadata", json={"public_metadata": {"desk": 4}})
        assert marked["public_metadata"] == {"desk": 4}
        assert emulator.call("DELETE", path) == marked
        assert emulator.refusal("DELETE", path) == NOT_FOUND
        told = _told(heard, organization["id"], 5)
        types = [event["type"].partition(".")[2] for event in told]
        assert types == ["created", "created", "updated", "updated", "deleted"]
        roles = [event["data"].get("role") for event in told]
        assert roles == [None, "org:member", *["org:admin"] * 3]
        counts = [event["data"].get("organization", event["data"])["members_count"] for event in told]
        assert counts == [0, 1, 1, 1, 0]

    def test_are_listed(self, emulator: EmulatorProcess) -> None:
        here, there = _organization(emulator, "Here"), _organization(emulator, "There")
        users = [
            emulator.create_user(f"member{number}@list.test", first_name=name)["id"]
            for number, name in enumerate(("Ada", "Grace"))
        ]
        made = [
            _join(emulator, here, user, role)["id"]
            for user, role in zip(users, ("org:admin", "org:member"), strict=True)
        ]
        elsewhere = _join(emulator, there, users[0], "org:member")["id"]
        path = f"/v1/organizations/{here['id']}/memberships"

        def listed(query: str) -> list[str]:
            return _ids(emulator.call("GET", f"{path}?{query}"))

        assert listed("") == made[::-1]
        assert listed("order_by=first_name&limit=1") == made[:1]
        assert listed("role=org:member") == made[1:]
        assert listed(f"user_id={users[0]}") == made[:1]
        assert listed(f"user_id=-{users[0]}") == made[1:]
        assert listed("email_address=MEMBER1@list.test") == made[1:]
        assert listed("query=grace") == made[1:]
        assert emulator.call("GET", f"{path}?limit=1")["total_count"] == 2
        of_user = emulator.call("GET", f"/v1/users/{users[0]}/organization_memberships")
        assert _ids(of_user) == [elsewhere, made[0]]
        everywhere = emulator.call("GET", "/v1/organization_memberships?limit=3")
        assert _ids(everywhere) == [elsewhere, *made[::-1]]

    def test_number_of_members_is_limited(self, emulator: EmulatorProcess) -> None:
        organization = _organization(emulator, "Small", max_allowed_memberships=1)
        path = f"/v1/organizations/{organization['id']}"
        users = [emulator.create_user(f"small{number}@limit.test")["id"] for number in range(2)]
        _join(emulator, organization, users[0], "org:member")
        again = {"user_id": users[0], "role": "org:admin"}
        too_many = {"user_id": users[1], "role": "org:member"}
        member = (400, "already_a_member_in_organization")
        full = (403, "organization_membership_quota_exceeded")
        assert emulator.refusal("POST", f"{path}/memberships", again) == member
        assert emulator.refusal("POST", f"{path}/memberships", too_many) == full
        emulator.call("PATCH", path, json={"max_allowed_memberships": 0})
        _join(emulator, organization, users[1], "org:member")

    def test_names_must_exist(self, emulator: EmulatorProcess, user_id: str) -> None:
        organization = _organization(emulator, "Strict")
        path = f"/v1/organizations/{organization['id']}/memberships"
        for body in ({"user_id": user_id, "role": "org:king"}, {"user_id": "user_nobody", "role": "org:admin"}):
            assert emulator.refusal("POST", path, body) == NOT_FOUND
        nowhere = "/v1/organizations/org_none/memberships"
        assert emulator.refusal("POST", nowhere, {"user_id": user_id, "role": "org:admin"}) == NOT_FOUND
        assert emulator.refusal("GET", nowhere) == NOT_FOUND
        assert emulator.refusal("PATCH", f"{path}/{user_id}", {"role": "org:admin"}) == NOT_FOUND
        assert emulator.refusal("GET", "/v1/users/user_nobody/organization_memberships") == NOT_FOUND
        _join(emulator, organization, user_id, "org:member")
        assert emulator.refusal("PATCH", f"{path}/{user_id}", {"role": "org:king"}) == NOT_FOUND

    def test_goes_with_its_user(self, emulator: EmulatorProcess, user_id: str) -> None:
        organization = _organization(emulator, "Left behind", created_by=user_id)
        emulator.call("DELETE", f"/v1/users/{user_id}")
        left = emulator.call("GET", f"/v1/organizations/{organization['id']}?include_members_count=true")
        assert left["members_count"] == 0
        assert left["missing_member_with_elevated_permissions"] is True
