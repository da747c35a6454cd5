"""Users who get phone numbers, are merged, and are switched off by a directory."""

import pytest
from clerk_backend_api import Clerk

from tests.support.waiting import wait_for

from .browser import Json
from .harness import EmulatorProcess, Receiver

# The SDK reads its own deprecated fields while it builds a request.
pytestmark = pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED:DeprecationWarning")


def _read(emulator: EmulatorProcess, user: Json) -> Json:
    read: Json = emulator.call("GET", f"/v1/users/{user['id']}")
    return read


class TestPhoneNumbers:
    def test_first_proved_one_is_the_primary_one(self, emulator: EmulatorProcess) -> None:
        user = emulator.create_user("phones@example.com")
        first, second = (
            emulator.call("POST", "/v1/phone_numbers", json={"user_id": user["id"], "phone_number": number} | fields)
            for number, fields in (("+15550110001", {}), ("+15550110002", {"verified": True}))
        )
        assert [first["verification"], second["verification"]["status"]] == [None, "verified"]
        assert _read(emulator, user)["primary_phone_number_id"] == second["id"]
        path = f"/v1/phone_numbers/{first['id']}"
        assert emulator.refusal("PATCH", path, {"primary": True}) == (422, "form_param_value_invalid")
        emulator.call("PATCH", path, json={"primary": True, "verified": True})
        read = _read(emulator, user)
        assert read["primary_phone_number_id"] == first["id"]
        assert [phone["id"] for phone in read["phone_numbers"]] == [first["id"], second["id"]]
        assert emulator.call("GET", "/v1/users", params={"phone_number": "+15550110002"}) == [read]
        emulator.call("DELETE", path)
        assert _read(emulator, user)["primary_phone_number_id"] == second["id"]

    def test_number_is_one_users_and_of_the_form_that_clerk_asks_for(self, emulator: EmulatorProcess) -> None:
        emulator.call("POST", "/v1/users", json={"phone_number": ["+15550110003"]})
        user = emulator.create_user("phoneless@example.com")
        for number, code in (("+15550110003", "form_identifier_exists"), ("555", "form_param_format_invalid")):
            body = {"user_id": user["id"], "phone_number": number}
            assert emulator.refusal("POST", "/v1/phone_numbers", body) == (422, code)


class TestMerge:
    @pytest.fixture
    def two(self, emulator: EmulatorProcess, email: str) -> tuple[Json, Json]:
        """Who is kept, and the duplicate: with a phone number, in an organization, signed in."""
        kept = emulator.create_user(f"kept.{email}", first_name="Ada", public_metadata={"a": 1, "b": 1})
        duplicate = emulator.create_user(
            f"duplicate.{email}",
            first_name="A.",
            last_name="Byron",
            username=email[:12],
            external_id=email,
            public_metadata={"b": 2, "c": 2},
        )
        emulator.call("POST", "/v1/organizations", json={"name": email, "created_by": duplicate["id"]})
        emulator.create_session(duplicate["id"])
        return kept, _read(emulator, duplicate)

    def test_kept_user_gets_what_the_duplicate_has(
        self, emulator: EmulatorProcess, heard: Receiver, two: tuple[Json, Json]
    ) -> None:
        kept, duplicate = two
        answer = emulator.call("POST", f"/v1/users/{kept['id']}/merge", json={"from_user_id": duplicate["id"]})
        merged = _read(emulator, kept)
        assert (answer["user"], answer["deleted_user"]) == (merged, duplicate)
        assert (merged["first_name"], merged["last_name"], merged["username"]) == (
            "Ada",
            "Byron",
            duplicate["username"],
        )
        assert merged["external_id"] == duplicate["external_id"]
        assert merged["public_metadata"] == {"a": 1, "b": 1, "c": 2}
        assert merged["primary_email_address_id"] == kept["primary_email_address_id"]
        assert len(merged["email_addresses"]) == 2
        assert emulator.refusal("GET", f"/v1/users/{duplicate['id']}") == (404, "resource_not_found")
        memberships = emulator.call("GET", f"/v1/users/{kept['id']}/organization_memberships")
        assert memberships["total_count"] == 1
        wait_for(lambda: "user.merged" in heard.types and "user.deleted" in heard.types)
        told = {delivery.event["type"]: delivery.event["data"] for delivery in heard.deliveries}
        assert told["user.updated"] == told["user.merged"]["user"] == merged
        assert told["user.merged"]["from_user_id"] == told["user.deleted"]["id"] == duplicate["id"]
        assert told["session.ended"]["user_id"] == duplicate["id"]

    def test_dry_run_says_the_same_and_does_nothing(
        self, emulator: EmulatorProcess, heard: Receiver, two: tuple[Json, Json]
    ) -> None:
        kept, duplicate = two
        heard.wait_for(6)
        heard.deliveries.clear()
        body = {"from_user_id": duplicate["id"], "dry_run": True}
        answer = emulator.call("POST", f"/v1/users/{kept['id']}/merge", json=body)
        assert answer["user"]["last_name"] == "Byron"
        assert [_read(emulator, user) for user in two] == [kept, duplicate]
        emulator.wait_until_all_is_told()
        assert heard.types == []

    def test_nobody_is_merged_with_themselves_or_with_nobody(
        self, emulator: EmulatorProcess, two: tuple[Json, Json]
    ) -> None:
        path = f"/v1/users/{two[0]['id']}/merge"
        assert emulator.refusal("POST", path, {"from_user_id": two[0]["id"]}) == (422, "form_param_value_invalid")
        assert emulator.refusal("POST", path, {"from_user_id": "user_nobody"}) == (404, "resource_not_found")


def test_a_deprovisioned_user_is_signed_out_and_kept_out(
    emulator: EmulatorProcess, heard: Receiver, clerk: Clerk
) -> None:
    user = emulator.create_user("deprovisioned@example.com")
    session = emulator.create_session(user["id"])
    wait_for(lambda: {"user.created", "session.created"} <= {each.event["type"] for each in heard.deliveries})
    heard.deliveries.clear()
    assert emulator.cli("deprovision", "deprovisioned@example.com").stdout == f"deprovisioned {user['id']}\n"
    assert clerk.sessions.get(session_id=session["id"]).status == "revoked"
    assert emulator.refusal("POST", "/v1/sessions", {"user_id": user["id"]}) == (403, "user_deprovisioned")
    heard.wait_for(2)
    told = {delivery.event["type"]: delivery.event["data"] for delivery in heard.deliveries}
    assert told["user.updated"]["deprovisioned"]
    assert set(told) == {"user.updated", "session.revoked"}
