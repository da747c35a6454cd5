"""Each kind of object is kept whole, in one shape, by one rule of what is newer."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.models.clerk_object import LOOKED_FOR
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.webhooks.events import EVENT_TYPES
from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.billing import alone, listing, payer
from tests.support.clerk import user_data
from tests.support.database import Sql
from tests.support.fixtures import Receive

USER, ORGANIZATION = "user_1", "org_1"
ADDRESS = "ada@example.com"
# Of each kind an object as Clerk has it, as far as people look for it.
TOLD: dict[str, dict[str, Any]] = {
    "users": user_data(USER, email=ADDRESS, first_name="Ada", external_id="7")
    | {"primary_phone_number_id": "idn_2", "phone_numbers": [{"id": "idn_1"}, {"id": "idn_2", "phone_number": "+1"}]},
    "organizations": {"id": ORGANIZATION, "name": "Engines", "slug": "engines"},
    "organization_memberships": {
        "id": "orgmem_1",
        "role": "org:admin",
        "organization": {"id": ORGANIZATION},
        "public_user_data": {"user_id": USER},
    },
    "organization_invitations": {
        "id": "orginv_1",
        "organization_id": ORGANIZATION,
        "email_address": ADDRESS,
        "role": "org:member",
        "status": "pending",
    },
    "organization_domains": {"id": "orgdmn_1", "organization_id": ORGANIZATION, "name": "example.com"},
    "roles": {"id": "role_1", "key": "org:admin", "name": "Admin"},
    "permissions": {"id": "perm_1", "key": "org:bill:read", "name": "Read bills"},
    "subscriptions": listing(payer=payer(USER)),
    "subscription_items": alone("pro", payer=payer(None, ORGANIZATION)),
    "waitlist_entries": {"id": "wait_1", "email_address": ADDRESS, "status": "pending"},
}
FOUND = {
    "users": (ADDRESS, "+1", None, "Ada", None, "7"),
    "organizations": ("Engines", "engines"),
    "organization_memberships": (ORGANIZATION, USER, "org:admin"),
    "organization_invitations": (ORGANIZATION, None, ADDRESS, "org:member", "pending"),
    "organization_domains": (ORGANIZATION, "example.com"),
    "roles": ("org:admin", "Admin"),
    "permissions": ("org:bill:read", "Read bills"),
    "subscriptions": (USER, None, "active"),
    "subscription_items": ("csub_1", None, ORGANIZATION, "pro", "active"),
    "waitlist_entries": (ADDRESS, "pending"),
}
# Those whose events say nothing but what the object is.
PLAIN = [name for name, kind in KINDS.items() if f"{kind.event}.deleted" in EVENT_TYPES and name != "users"]


def tell(name: str, at: int, **changes: Any) -> dict[str, Any]:
    return TOLD[name] | {"updated_at": at} | changes


def live(sql: Sql, name: str) -> int:
    return int(sql.value(f"SELECT count(*) FROM clerk.{name} WHERE deleted_at IS NULL"))


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_kept_whole(deliver: Deliver, sql: Sql, name: str) -> None:
    data = tell(name, 5_000, member_of_tomorrow={"a": [1, None]})
    assert deliver(f"{KINDS[name].event}.created", data).json() == {"status": "applied"}
    row = sql.row(f"SELECT *, (extract(epoch FROM updated_at) * 1000)::int AS at FROM clerk.{name}")
    assert row["data"] == data
    assert (row["id"], row["at"], row["source"], row["deleted_at"]) == (data["id"], 5_000, "webhook", None)
    assert tuple(row[column] for column in LOOKED_FOR[name]) == FOUND[name]


def test_each_type_that_clerk_documents_has_its_place(shared_data: Path) -> None:
    """A kind's events end in its table; what is left is noted in the ledger, and named here."""
    types = json.loads((shared_data / "clerk-webhook-examples.json").read_text()).keys()
    noted = {"email.created", "sms.created", "session.pending", "paymentAttempt.created", "paymentAttempt.updated"}
    assert types - EVENT_TYPES.keys() == noted


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([*range(4), 0, 3]), is_deleted=st.booleans())
def test_any_order_leads_to_one_state(
    sql: Sql, receive: Receive, name: str, *, order: list[int], is_deleted: bool
) -> None:
    sql.empty_all()
    events: list[tuple[str, dict[str, Any]]] = [
        ("created", tell(name, 1, note="first")),
        ("updated", tell(name, 2, note="second")),
        ("updated", tell(name, 3, note="third")),
        ("deleted", {"id": TOLD[name]["id"], "deleted": True})
        if is_deleted
        else ("created", tell(name, 3, note="old")),
    ]
    verbs = {"updated": "accepted" if name == "organization_invitations" else "updated"}
    for number, which in enumerate(order):
        verb, data = events[which]
        if f"{KINDS[name].event}.{verbs.get(verb, verb)}" in EVENT_TYPES:
            receive(number, f"{KINDS[name].event}.{verbs.get(verb, verb)}", data)
    row = sql.row(f"SELECT data ->> 'note' AS note, deleted_at IS NOT NULL AS is_deleted FROM clerk.{name}")
    assert row == ({"note": None, "is_deleted": True} if is_deleted else {"note": "third", "is_deleted": False})


class TestWhoIsGone:
    """What belongs to a user or an organization goes with it, and does not come back."""

    @pytest.mark.parametrize("order", list(permutations(("user.deleted", "organizationMembership.created"))))
    def test_user(self, deliver: Deliver, sql: Sql, order: tuple[str, ...]) -> None:
        events = {"user.deleted": {"id": USER}, "organizationMembership.created": tell("organization_memberships", 1)}
        for kind in order:
            assert deliver(kind, events[kind]).status_code == 200
        assert sql.value("SELECT count(data) FROM clerk.organization_memberships") == 0
        assert live(sql, "organization_memberships") == 0

    @pytest.mark.parametrize("order", list(permutations(("organization.deleted", "organizationMembership.created"))))
    def test_organization(self, deliver: Deliver, sql: Sql, order: tuple[str, ...]) -> None:
        events = {"organization.deleted": {"id": ORGANIZATION, "deleted": True, "slug": "engines"}}
        events["organizationMembership.created"] = tell("organization_memberships", 1)
        for kind in order:
            assert deliver(kind, events[kind]).status_code == 200
        assert live(sql, "organization_memberships") == 0
        assert live(sql, "organizations") == 0

    def test_what_was_sent_to_the_address(self, deliver: Deliver, sql: Sql) -> None:
        for kind, name in (("user", "users"), ("organizationInvitation", "organization_invitations")):
            deliver(f"{kind}.created", tell(name, 1))
        deliver("waitlistEntry.created", tell("waitlist_entries", 1))
        deliver("waitlistEntry.created", tell("waitlist_entries", 1, id="wait_2", email_address="bob@example.com"))
        deliver("user.deleted", {"id": USER})
        assert (live(sql, "organization_invitations"), live(sql, "waitlist_entries")) == (0, 1)

    def test_what_an_organization_pays_for_stays(self, deliver: Deliver, sql: Sql) -> None:
        deliver("subscriptionItem.active", tell("subscription_items", 1, payer=payer(USER, ORGANIZATION)))
        deliver("user.deleted", {"id": USER})
        assert live(sql, "subscription_items") == 1


def test_what_no_text_can_hold_is_replaced(deliver: Deliver, sql: Sql) -> None:
    """Where the profile does not need it: it must not keep the rest from us."""
    data = user_data(USER, email=ADDRESS) | {"unsafe_metadata": {"a\x00": ["\ud800", "\N{GRINNING FACE}"]}}
    assert deliver("user.created", data).json() == {"status": "applied"}
    kept = sql.value("SELECT data -> 'unsafe_metadata' FROM clerk.users")
    assert kept == {"a\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}", "\N{GRINNING FACE}"]}


@pytest.mark.parametrize(("column", "member"), [("username", "username"), ("external_id", "external_id")])
def test_long_text_fits_into_the_index(deliver: Deliver, sql: Sql, column: str, member: str) -> None:
    deliver("user.created", user_data(USER) | {member: "\N{GRINNING FACE}" * 10_000})
    assert sql.value(f"SELECT length({column}) FROM clerk.users") == 320


class TestRowOfAnOlderRelease:
    """It wrote `users` only: what is there counts, too."""

    @pytest.mark.parametrize(("at", "status"), [(4_000, "stale"), (5_000, "applied"), (6_000, "applied")])
    def test_profile(self, deliver: Deliver, sql: Sql, at: int, status: str) -> None:
        sql.rows(
            "INSERT INTO users (clerk_user_id, first_name, clerk_updated_at) VALUES (%s, 'Ada', to_timestamp(5))", USER
        )
        assert deliver("user.updated", user_data(USER, updated_at=at, first_name="Bob")).json() == {"status": status}
        assert sql.user(USER)["first_name"] == ("Ada" if status == "stale" else "Bob")
        assert sql.value("SELECT count(*) FROM clerk.users") == (status != "stale")

    def test_tombstone(self, deliver: Deliver, sql: Sql) -> None:
        add_user(sql, clerk_user_id=USER, deleted_at="2026-01-01Z")
        assert deliver("user.created", user_data(USER)).json() == {"status": "stale"}
        membership = tell("organization_memberships", 1)
        assert deliver("organizationMembership.created", membership).json() == {"status": "stale"}
        assert live(sql, "users") == live(sql, "organization_memberships") == 0
