"""POST /api/webhooks: what the events of users do to our copy, also of two users with one e-mail address."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.admins import ADMIN, add_user
from tests.support.caller import is_problem
from tests.support.clerk import Instance, now_ms, session_data, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import in_parallel, post_event

DELETED = {"object": "user", "id": "user_1", "deleted": True}


def instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class TestUserCreated:
    def test_makes_one_complete_user(self, deliver: Deliver, sql: Sql) -> None:
        told: dict[str, Any] = {
            "email": "Ada@Example.com",
            "username": "ada",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "image_url": "https://img.clerk.com/ada",
            "external_id": "old-7",
        }
        data = user_data("user_1", updated_at=1_700_000_000_123, **told)
        answer = deliver("user.created", data, event_id="msg_1")
        assert (answer.status_code, answer.json()) == (200, {"status": "applied"})
        user = sql.row("SELECT * FROM users")
        expected: dict[str, Any] = told | {
            "clerk_user_id": "user_1",
            "email_verified": True,
            "clerk_updated_at": instant(1_700_000_000_123),
            "role": "user",
            "is_active": True,
            "banned": False,
            "locked": False,
            "provisioned_by": "webhook",
            **dict.fromkeys(("bio", "website", "last_login_at", "last_logout_at", "deleted_at")),
            "social_links": {},
        }
        assert {name: user[name] for name in expected} == expected
        subscription = sql.row("SELECT * FROM subscriptions")
        held = [subscription[name] for name in ("user_id", "plan", "status")]
        assert held == [user["user_id"], "free", "active"]
        assert (subscription["period_end"], subscription["stripe_customer_id"]) == (None, None)
        usage = sql.row("SELECT * FROM usage_metrics")
        counts = ("tokens_used", "tokens_limit", "campaigns_created", "api_requests")
        assert usage["user_id"] == user["user_id"]
        assert tuple(usage[name] for name in counts) == (0, 10_000, 0, 0)

    def test_usage_is_of_this_calendar_month(self, deliver: Deliver, sql: Sql) -> None:
        before = datetime.now(UTC)
        deliver("user.created", user_data("user_1"))
        usage = sql.row("SELECT * FROM usage_metrics")
        start = usage["period_start"].astimezone(UTC)
        assert (start.day, start.hour, start.minute, start.second) == (1, 0, 0, 0)
        assert start <= datetime.now(UTC)
        assert before < usage["period_end"]
        assert usage["period_end"].astimezone(UTC).day == 1
        assert 28 <= (usage["period_end"] - start).days <= 31

    def test_is_noted_in_the_ledger(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1"), event_id="msg_1")
        ledger = sql.row("SELECT * FROM webhook_events")
        noted: dict[str, Any] = {
            "event_id": "msg_1",
            "source": "svix",
            "type": "user.created",
            "subject_id": "user_1",
        } | {"status": "applied", "attempts": 1, "error": None, "payload": None}
        assert {name: ledger[name] for name in noted} == noted
        assert abs((ledger["occurred_at"] - datetime.now(UTC)).total_seconds()) < 60
        assert ledger["processed_at"] is not None

    def test_unverified_address(self, deliver: Deliver, sql: Sql) -> None:
        data = user_data("user_1", email="ada@example.com")
        data["email_addresses"][0]["verification"]["status"] = "unverified"
        deliver("user.created", data)
        user = sql.user("user_1")
        assert (user["email"], user["email_verified"]) == ("ada@example.com", False)

    def test_primary_address_among_several(self, deliver: Deliver, sql: Sql) -> None:
        data = user_data("user_1", email="primary@example.com")
        other = {**data["email_addresses"][0], "id": "idn_other", "email_address": "other@example.com"}
        unusable = [{**other, "email_address": address} for address in ("x" * 400, "nul\x00", "half \udc00")]
        data["email_addresses"] = [other, *data["email_addresses"], *unusable]
        deliver("user.created", data)
        assert sql.user("user_1")["email"] == "primary@example.com"


class TestUserUpdated:
    def test_newer_one_replaces_the_profile(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1", updated_at=1_000, first_name="Ada", username="ada"))
        before = sql.user("user_1")
        changed = user_data(
            "user_1", updated_at=2_000, first_name="Zoë", email="zoe@example.com", banned=True, locked=True
        )
        assert deliver("user.updated", changed).json() == {"status": "applied"}
        user = sql.user("user_1")
        names = ("first_name", "username", "email", "email_verified", "banned", "locked")
        assert [user[name] for name in names] == ["Zoë", None, "zoe@example.com", True, True, True]
        assert (user["user_id"], user["created_at"]) == (before["user_id"], before["created_at"])
        assert user["updated_at"] > before["updated_at"]

    def test_older_one_is_stale(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1", updated_at=2_000, first_name="New"))
        before = sql.user("user_1")
        older = user_data("user_1", updated_at=1_999, first_name="Old", banned=True)
        assert deliver("user.updated", older, event_id="msg_1").json() == {"status": "stale"}
        assert sql.user("user_1") == before
        assert sql.value("SELECT status FROM webhook_events WHERE event_id = 'msg_1'") == "stale"

    def test_what_is_ours_stays(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1", updated_at=1_000))
        ours = {"role": "admin", "is_active": False, "bio": "Mine", "website": "https://a.example"}
        sql.rows("UPDATE users SET (role, is_active, bio, website) = (%s, %s, %s, %s)", *ours.values())
        sql.rows("UPDATE subscriptions SET plan = 'pro'")
        sql.rows("UPDATE usage_metrics SET tokens_used = 7, tokens_limit = 99")
        claim = {"role": "user", "is_active": True, "bio": "Theirs", "plan": "free"}
        deliver("user.updated", user_data("user_1", updated_at=2_000, public_metadata=claim) | claim)
        user = sql.user("user_1")
        assert {name: user[name] for name in ours} == ours
        assert sql.value("SELECT plan FROM subscriptions") == "pro"
        used = {"tokens_used": 7, "tokens_limit": 99}
        assert sql.row("SELECT tokens_used, tokens_limit FROM usage_metrics") == used


class TestDirectory:
    """The identity provider of the user's company switches the user off: a hard stop, until it is undone there."""

    def test_deprovisioned(self, deliver: Deliver, server: Server, clerk: Instance, sql: Sql) -> None:
        at = now_ms() - 1_000
        deliver("user.created", user_data("user_1", updated_at=at))
        deliver("user.updated", user_data("user_1", updated_at=at + 1, deprovisioned=True))
        is_problem(server.get("/auth/me", clerk.token(sub="user_1")), 403, "user-deprovisioned")
        deliver("user.updated", user_data("user_1", updated_at=at + 2, deprovisioned=False))
        assert server.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert not sql.user("user_1")["deprovisioned"]


class TestPhone:
    def test_primary_one_is_shown_and_found(self, deliver: Deliver, server: Server, clerk: Instance, sql: Sql) -> None:
        """Also of a user who has nothing else."""
        numbers = [
            {"id": "idn_1", "phone_number": "+15550001", "verification": {"status": "verified"}},
            {"id": "idn_2", "phone_number": "+15550002", "verification": {"status": "verified"}},
            {"id": "idn_3", "phone_number": "+\x00", "verification": None},
        ]
        deliver("user.created", user_data("user_1", phone_numbers=numbers, primary_phone_number_id="idn_2"))
        user = server.get("/auth/me", clerk.token(sub="user_1")).json()["user"]
        assert (user["phone"], user["phone_verified"], user["email"]) == ("+15550002", True, None)
        add_user(sql, clerk_user_id=ADMIN, role="admin")
        found = server.get("/api/users?search=%2B1555", clerk.token(sub=ADMIN)).json()["users"]
        assert [one["phone"] for one in found] == ["+15550002"]


class TestUserDeleted:
    def test_erases_personal_data(self, deliver: Deliver, sql: Sql) -> None:
        told: dict[str, Any] = {
            "email": "ada@example.com",
            "username": "ada",
            "first_name": "Ada",
            "last_name": "Lovelace",
        }
        deliver("user.created", user_data("user_1", external_id="old-7", **told))
        links = '{"github": "ada"}'
        sql.rows("UPDATE users SET bio = 'b', website = 'w', social_links = %s", links)
        before = sql.user("user_1")
        assert deliver("user.deleted", DELETED).json() == {"status": "applied"}
        user = sql.user("user_1")
        personal = (*told, "image_url", "external_id", "bio", "website")
        assert dict.fromkeys(personal) == {name: user[name] for name in personal}
        assert (user["social_links"], user["email_verified"], user["is_active"]) == ({}, False, False)
        assert user["deleted_at"] is not None
        assert user["user_id"] == before["user_id"]

    def test_payload_of_dead_events_goes_too(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1", first_name="Ada\x00"), event_id="msg_1")
        deliver("user.created", user_data("user_2", first_name="Bob\x00"), event_id="msg_2")
        deliver("user.deleted", DELETED)
        kept = "SELECT event_id, payload IS NOT NULL AS kept FROM webhook_events WHERE status = 'dead' ORDER BY 1"
        assert sql.rows(kept) == [{"event_id": "msg_1", "kept": False}, {"event_id": "msg_2", "kept": True}]
        # A dead event that comes later leaves nothing of a deleted user either.
        assert deliver("user.updated", user_data("user_1", last_name="L\x00")).json() == {"status": "dead"}
        assert sql.value("SELECT count(payload) FROM webhook_events WHERE subject_id = 'user_1'") == 0

    def test_twice(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1"))
        deliver("user.deleted", DELETED)
        before = sql.user("user_1")
        assert deliver("user.deleted", DELETED).json() == {"status": "stale"}
        assert sql.user("user_1") == before

    def test_before_it_was_created(self, deliver: Deliver, sql: Sql) -> None:
        assert deliver("user.deleted", DELETED).json() == {"status": "applied"}
        late = (("user.created", user_data("user_1", email="a@example.com")),)
        for kind, data in (*late, ("session.created", session_data("user_1", "sess_1"))):
            assert deliver(kind, data).json() == {"status": "stale"}
        user = sql.user("user_1")
        assert user["deleted_at"] is not None
        assert (user["email"], user["last_login_at"], user["is_active"]) == (None, None, False)
        for table in ("subscriptions", "usage_metrics"):
            assert sql.value(f"SELECT count(*) FROM {table}") == 0

    def test_its_address_is_free_again(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1", email="ada@example.com"))
        deliver("user.deleted", DELETED)
        deliver("user.created", user_data("user_2", email="ada@example.com"))
        user = sql.user("user_2")
        assert (user["email"], user["email_verified"]) == ("ada@example.com", True)
        assert user["user_id"] != sql.user("user_1")["user_id"]


ADDRESS = "ada@example.com"


def holders(sql: Sql) -> list[str]:
    """Who holds a verified address, as `id address`."""
    rows = sql.rows("SELECT clerk_user_id, lower(email) AS email FROM users WHERE email_verified ORDER BY 1")
    return [f"{row['clerk_user_id']} {row['email']}" for row in rows]


class TestOneAddressTwoUsers:
    @pytest.mark.parametrize("order", [(1, 2), (2, 1)])
    @pytest.mark.parametrize("second", [ADDRESS, ADDRESS.upper()])
    def test_newest_wins(self, deliver: Deliver, sql: Sql, order: tuple[int, int], second: str) -> None:
        for number in order:
            email = ADDRESS if number == 1 else second
            data = user_data(f"user_{number}", updated_at=number * 1_000, email=email)
            assert deliver("user.created", data).json() == {"status": "applied"}
        assert holders(sql) == [f"user_2 {ADDRESS}"]
        assert sql.user("user_1")["email"] == ADDRESS  # kept, unverified

    @pytest.mark.parametrize("order", [(1, 2), (2, 1)])
    def test_same_time(self, deliver: Deliver, sql: Sql, order: tuple[int, int]) -> None:
        """Any rule will do that does not depend on the order: the later Clerk id wins."""
        for number in order:
            deliver("user.created", user_data(f"user_{number}", updated_at=1_000, email=ADDRESS))
        assert holders(sql) == [f"user_2 {ADDRESS}"]

    def test_unverified_ones_may_repeat(self, deliver: Deliver, sql: Sql) -> None:
        for number in range(3):
            data = user_data(f"user_{number}", email=ADDRESS)
            data["email_addresses"][0]["verification"] = None
            assert deliver("user.created", data).json() == {"status": "applied"}
        deliver("user.created", user_data("user_9", email=ADDRESS))
        assert holders(sql) == [f"user_9 {ADDRESS}"]
        assert sql.value("SELECT count(*) FROM users WHERE email = %s", ADDRESS) == 4

    def test_older_holder_is_not_asked(self, deliver: Deliver, sql: Sql) -> None:
        """A row of the password era has no time at Clerk: whoever proved the address there is newer."""
        sql.rows("INSERT INTO users (email, email_verified, provisioned_by) VALUES (%s, true, 'legacy')", ADDRESS)
        deliver("user.created", user_data("user_1", updated_at=1_000))
        assert deliver("user.updated", user_data("user_1", email=ADDRESS)).json() == {"status": "applied"}
        assert holders(sql) == [f"user_1 {ADDRESS}"]
        assert sql.value("SELECT count(*) FROM users") == 2


class TestAtOnce:
    def test_two_users_exchange_their_addresses(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Ten pairs, both events of each at once, six times over: no error, and each holds what it should."""

        def claim(pair: int, side: int, at: int) -> str:
            email = f"{pair}-{(side + at) % 2}@example.com"
            data = user_data(f"user_{pair}_{side}", updated_at=at, email=email)
            return str(post_event(server, clerk, "user.updated", data).json().get("status"))

        sides = [(pair, side) for pair in range(10) for side in (0, 1)]
        for at in range(1_000, 1_006):
            statuses = in_parallel([partial(claim, pair, side, at) for pair, side in sides])
            assert statuses == ["applied"] * 20
        rows = sql.rows("SELECT clerk_user_id, email FROM users WHERE email_verified")
        assert {row["clerk_user_id"]: row["email"] for row in rows} == {
            f"user_{pair}_{side}": f"{pair}-{(side + 1) % 2}@example.com" for pair, side in sides
        }

    def test_many_claim_one_address(self, server: Server, clerk: Instance, sql: Sql) -> None:
        def claim(at: int) -> str:
            data = user_data(f"user_{at}", updated_at=at, email=ADDRESS)
            return str(post_event(server, clerk, "user.created", data).json().get("status"))

        assert in_parallel([partial(claim, at) for at in range(1_000, 1_020)]) == ["applied"] * 20
        assert holders(sql) == [f"user_1019 {ADDRESS}"]
