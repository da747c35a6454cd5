"""Nobody gets a legacy row that is not theirs: what Clerk has not proved, and what only looks alike, links nothing."""

from typing import Any

import pytest

from tests.support.caller import is_problem
from tests.support.clerk import Instance, clerk_id, session_data, user_data
from tests.support.database import Sql
from tests.support.fixtures import Post
from tests.support.legacy_users import ADDRESS, ada, add_belongings, add_user, refusals, trail, unverified
from tests.support.server import Server
from tests.support.traffic import post_event

VERIFIED = {"status": "verified", "strategy": "email_code"}
NOT_VERIFIED: list[Any] = [
    *(None, {}),
    *({"status": status} for status in ("unverified", "expired", "transferable", "failed", "Verified")),
    *({"status": status} for status in ("verified ", "", None)),
]
UNREADABLE: list[Any] = [[], "verified", {"status": True}, {"status": 1}, {"status": ["verified"]}]
LOOKALIKES = (
    *("mi\u212ae@example.com", "m\u0130ke@example.com", "m\u0131ke@example.com", "mi\uff4be@example.com"),
    *("mike@ex\u00adample.com", "mike@example.com\u200b", "mike@example.com ", " mike@example.com"),
    *("mike@example.com.", "mike+x@example.com", "m.ike@example.com", "mike%", "mik_@example.com"),
    *("\\mike@example.com", "STRA\u1e9eE@example.com", "\u017ftra\u00dfe@example.com"),
    *("\u03c3\u03c2@example.com", "\U0001f600@example.com"),
)
OTHER_FORMS = (
    *("01", " 1", "1 ", "1\n", "+1", "-1", "1.0", "1e0", "1e3", "0x1", "1_0", "0", "1,2", "\u0661", "\uff11"),
    *(str(2**63), str(2**64 + 1), "9" * 19, "9" * 400, "user_1", "1; DROP TABLE users", "null", "%s", ":1"),
)
NO_TEXTS: list[Any] = [1, 1.0, True, [1], ["1"], {"id": "1"}, "1\x00"]


@pytest.fixture
def victim(sql: Sql) -> int:
    """The user_id of a legacy row that is worth taking: an admin's, with a plan and a key."""
    user_id = add_user(sql, role="admin")
    add_belongings(sql, user_id)
    return user_id


def is_untouched(sql: Sql, user_id: int) -> bool:
    row = sql.row("SELECT clerk_user_id, role, first_name, deleted_at FROM users WHERE user_id = %s", user_id)
    return row == {"clerk_user_id": None, "role": "admin", "first_name": None, "deleted_at": None}


class TestAddress:
    def test_not_verified_at_clerk(self, post: Post, linking: Server, clerk: Instance, sql: Sql, victim: int) -> None:
        for number, verification in enumerate(NOT_VERIFIED, start=1):
            data = ada(f"user_m{number}")
            data["email_addresses"][0]["verification"] = verification
            post("user.created", data)
            assert is_untouched(sql, victim), verification
            assert refusals(sql) == [f"email unverified-at-clerk [{victim}]"] * number
            me = linking.get("/auth/me", clerk.token(sub=f"user_m{number}")).json()
            assert me["user"]["role"] == "user"

    def test_verification_of_another_type(self, post: Post, sql: Sql, victim: int) -> None:
        for verification in UNREADABLE:
            data = ada("user_mallory")
            data["email_addresses"][0]["verification"] = verification
            assert post("user.created", data) == "dead", verification
        errors = {row["error"] for row in sql.rows("SELECT error FROM webhook_events")}
        assert {error.partition(": ")[0] for error in errors} == {
            "data.email_addresses.0.verification",
            "data.email_addresses.0.verification.status",
        }
        assert is_untouched(sql, victim)
        assert refusals(sql) == []

    def test_verified_after_the_first_profile(self, post: Post, sql: Sql, victim: int) -> None:
        post("user.created", unverified(ada("user_mallory", updated_at=1_000)))
        post("user.updated", ada("user_mallory", updated_at=2_000))
        assert is_untouched(sql, victim)

    def test_verified_but_not_primary(self, post: Post, sql: Sql, victim: int) -> None:
        data = user_data("user_mallory", email="mallory@example.com")
        second = {"id": clerk_id("idn"), "email_address": ADDRESS, "verification": VERIFIED}
        data["email_addresses"].insert(0, second)
        post("user.created", data)
        post("user.updated", data | {"primary_email_address_id": None})
        assert is_untouched(sql, victim)
        assert trail(sql) == []

    def test_never_verified_here(self, post: Post, sql: Sql) -> None:
        """Pre-hijacking: whoever signed up with an address of somebody else waits here for its owner to come."""
        planted = add_user(sql, email_verified=False, role="admin")
        add_belongings(sql, planted)
        post("user.created", ada("user_owner"))
        assert is_untouched(sql, planted)
        assert refusals(sql) == [f"email unverified-here [{planted}]"]

    def test_lookalike(self, post: Post, sql: Sql) -> None:
        held = ("mike@example.com", "stra\u00dfe@example.com", "\u03a3\u03a3@example.com")
        victims = [add_user(sql, address, role="admin") for address in held]
        for number, address in enumerate(LOOKALIKES):
            assert post("user.created", user_data(f"user_m{number}", email=address)) == "applied"
            assert all(is_untouched(sql, user_id) for user_id in victims), ascii(address)
            assert sql.user(f"user_m{number}")["email"] == address

    def test_same_address_beyond_ascii(self, post: Post, sql: Sql) -> None:
        user_id = add_user(sql, "Stra\u00dfe@Example.com")
        post("user.created", user_data("user_1", email="stra\u00dfe@example.com"))
        assert sql.user("user_1")["user_id"] == user_id


class TestExternalId:
    def test_other_form(self, post: Post, sql: Sql, victim: int) -> None:
        for number, form in enumerate(OTHER_FORMS):
            assert post("user.created", user_data(f"user_m{number}", external_id=form)) == "applied"
            assert is_untouched(sql, victim), form
            assert sql.user(f"user_m{number}")["external_id"] == form
        for wrong in NO_TEXTS:
            assert post("user.created", user_data("user_mallory", external_id=wrong)) == "dead"
            assert is_untouched(sql, victim), wrong
        assert trail(sql) == []

    def test_what_a_user_may_write(self, post: Post, sql: Sql, victim: int) -> None:
        said = {"external_id": str(victim), "email": ADDRESS, "email_verified": True, "user_id": victim}
        for place in ("public_metadata", "unsafe_metadata", "private_metadata"):
            data = user_data(f"user_{place}", username=ADDRESS, first_name=str(victim)) | {place: said}
            post("user.created", data)
        assert is_untouched(sql, victim)
        assert trail(sql) == []

    def test_row_of_somebody_else(self, post: Post, linking: Server, clerk: Instance, sql: Sql, victim: int) -> None:
        """Linked, made by a webhook, made by a request: a row with an owner is never given away."""
        post("user.created", ada("user_1"))
        post("user.created", user_data("user_2"))
        linking.get("/auth/me", clerk.token(sub="user_3")).raise_for_status()
        owners = {row["user_id"]: row["clerk_user_id"] for row in sql.rows("SELECT * FROM users")}
        for user_id in owners:
            post("user.created", user_data(f"user_m{user_id}", external_id=str(user_id)))
        after = {row["user_id"]: row["clerk_user_id"] for row in sql.rows("SELECT * FROM users")}
        assert {user_id: after[user_id] for user_id in owners} == owners
        assert owners[victim] == "user_1"
        assert refusals(sql) == [f"external_id already-linked [{user_id}]" for user_id in owners]

    def test_two_users_with_one(self, post: Post, sql: Sql, victim: int) -> None:
        for name in ("user_1", "user_2"):
            post("user.created", user_data(name, external_id=str(victim)))
        assert sql.user("user_1")["user_id"] == victim
        assert sql.user("user_2")["user_id"] != victim
        assert sql.user("user_2")["role"] == "user"


class TestTokensAndSessions:
    def test_claims(self, linking: Server, clerk: Instance, sql: Sql, victim: int) -> None:
        """Cases P-04 and P-06: a session token may carry anything an instance was told to put into it."""
        claims: dict[str, Any] = {
            "email": ADDRESS,
            "email_verified": True,
            "primary_email": ADDRESS,
            "external_id": str(victim),
            "user_id": victim,
            "role": "admin",
        }
        foreign = clerk.token(sub="user_mallory", iss="https://mallory.clerk.accounts.dev", **claims)
        assert linking.get("/auth/me", foreign).status_code == 401
        assert sql.value("SELECT count(*) FROM users") == 1
        user = linking.get("/auth/me", clerk.token(sub="user_mallory", **claims)).json()["user"]
        assert (user["email"], user["role"], user["user_id"] == victim) == (None, "user", False)
        assert is_untouched(sql, victim)
        assert trail(sql) == []

    def test_session_with_the_copy_of_somebody_else(self, post: Post, sql: Sql, victim: int) -> None:
        copy = ada("user_1", external_id=str(victim))
        post("session.created", session_data("user_mallory", "sess_1", user=copy))
        assert is_untouched(sql, victim)
        assert sql.user("user_mallory")["email"] is None

    def test_session_of_an_impersonator(self, post: Post, sql: Sql, victim: int) -> None:
        actor = {"sub": "user_mallory"}
        post("session.created", session_data("user_1", "sess_1", actor=actor, user=ada("user_1")))
        assert is_untouched(sql, victim)

    def test_signature_of_somebody_else(self, linking: Server, sql: Sql, victim: int) -> None:
        data = ada("user_mallory", external_id=str(victim))
        is_problem(post_event(linking, Instance(), "user.created", data), 400, "webhook-signature-invalid")
        assert is_untouched(sql, victim)
