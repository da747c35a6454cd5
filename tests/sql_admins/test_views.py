"""What the views say is what the API does."""

from itertools import product

from backend.models import ADMIN_VIEWS
from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.filled import ADA, ADDRESS, GRACE, ORGANIZATION, PHONE
from tests.support.server import Server

COMMENTS = """
SELECT relname, attname, col_description(attrelid, attnum) AS comment FROM pg_attribute
JOIN pg_class c ON c.oid = attrelid WHERE relname = ANY (%s) AND attnum > 0
"""


def test_every_column_has_a_comment(sql: Sql) -> None:
    columns = sql.rows(COMMENTS, list(ADMIN_VIEWS))
    assert {row["relname"] for row in columns} == set(ADMIN_VIEWS)
    assert [row for row in columns if not row["comment"]] == []


class TestUsers:
    def test_ada(self, filled: Sql) -> None:
        row = filled.row("SELECT * FROM admin_users WHERE phone = %s", PHONE)
        expected = {
            "user_id": 1,
            "clerk_user_id": ADA,
            "email": ADDRESS,
            "phone_verified": True,
            "refused_with": None,
            "plan": "pro",
            "plan_status": "past_due",
            "usable_api_keys": 1,
            "organizations": ["engines"],
        }
        assert {name: row[name] for name in expected} == expected
        assert row["tokens_used"] == row["tokens_limit"] * 95 // 100
        gone = filled.row("SELECT * FROM admin_users WHERE clerk_user_id = %s", GRACE)
        assert (gone["refused_with"], gone["organizations"], gone["email"]) == ("user-deleted", [], None)

    def test_refused_as_the_view_says(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Each state, alone and together with the others."""
        states = list(product((None, "2026-01-01Z"), *[(False, True)] * 3))
        for number, (deleted_at, banned, deprovisioned, is_active) in enumerate(states):
            columns = {"deleted_at": deleted_at, "banned": banned, "deprovisioned": deprovisioned}
            add_user(sql, clerk_user_id=f"user_{number}", is_active=is_active, locked=True, **columns)
        told = {row["clerk_user_id"]: row["refused_with"] for row in sql.rows("SELECT * FROM admin_users")}
        answers = {user: server.get("/auth/me", clerk.token(sub=user)).json().get("code") for user in told}
        assert answers == told
        assert set(told.values()) == {None, "forbidden", "user-deprovisioned", "user-banned", "user-deleted"}

    def test_plan_that_has_lapsed(self, server: Server, clerk: Instance, sql: Sql) -> None:
        add_user(sql, clerk_user_id="user_1", plan="pro")
        sql.rows("UPDATE subscriptions SET status = 'canceled', period_end = now() - interval '1 second'")
        assert sql.value("SELECT plan FROM admin_users") == "free"
        assert server.get("/api/subscription", clerk.token(sub="user_1")).json()["plan"] == "free"

    def test_keys_that_are_over_do_not_count(self, filled: Sql) -> None:
        for change in ("expires_at = now()", "expires_at = NULL, revoked_at = now()"):
            filled.rows(f"UPDATE api_keys SET {change}")
            assert filled.value("SELECT usable_api_keys FROM admin_users WHERE user_id = 1") == 0


class TestOrganizations:
    def test_engines(self, filled: Sql, deliver: Deliver) -> None:
        row = filled.row("SELECT * FROM admin_organizations")
        counts = {name: row[name] for name in ("members", "admins", "pending_invitations", "domains", "plans")}
        assert counts == {
            "members": 1,
            "admins": 1,
            "pending_invitations": 1,
            "domains": ["example.com"],
            "plans": ["team"],
        }
        assert (row["organization_id"], row["name"], row["deleted_at"]) == (ORGANIZATION, "Engines", None)
        deliver("organization.deleted", {"id": ORGANIZATION, "object": "organization", "deleted": True})
        row = filled.row("SELECT * FROM admin_organizations")
        assert row["deleted_at"] is not None
        assert filled.value("SELECT organizations FROM admin_users WHERE user_id = 1") == []


def test_usage(filled: Sql) -> None:
    filled.rows(
        "INSERT INTO usage_metrics (user_id, period_start, period_end) VALUES (1, '2026-01-01Z', '2026-02-01Z')"
    )
    now, before = filled.rows("SELECT * FROM admin_usage WHERE user_id = 1 ORDER BY period_start DESC")
    assert (now["is_current"], now["percent_used"], now["email"]) == (True, 95, ADDRESS)
    assert now["tokens_remaining"] == now["tokens_limit"] - now["tokens_used"]
    assert (before["is_current"], before["percent_used"]) == (False, 0)


def test_webhook_health(filled: Sql) -> None:
    filled.rows(
        """
        INSERT INTO webhook_events (event_id, source, type, status, error, received_at) VALUES
            ('old', 'svix', 'session.ended', 'applied', NULL, now() - interval '2 days'),
            ('worse', 'svix', 'session.ended', 'failed', 'of long ago', now() - interval '20 days'),
            ('odd', 'svix', NULL, 'dead', 'no JSON', now() - interval '2 days')
        """
    )
    rows = {row["type"]: row for row in filled.rows("SELECT * FROM admin_webhook_health")}
    row = rows["session.ended"]
    counts = {name: row[name] for name in ("received", "applied", "stale", "ignored", "dead", "failed")}
    assert counts == {"received": 2, "applied": 1, "stale": 0, "ignored": 0, "dead": 1, "failed": 1}
    assert row["last_error"] not in {None, "of long ago"}
    assert row["oldest_unresolved_at"] < row["last_received_at"]
    assert row["longest_delay"] is not None
    assert (rows[None]["received"], rows[None]["dead"], rows[None]["last_error"]) == (0, 1, "no JSON")


def test_sync_drift(filled: Sql) -> None:
    """The newest reconcile that finished, of each kind."""
    filled.rows(
        """
        INSERT INTO sync_runs (command, kinds, status, finished_at, counts) VALUES
            ('reconcile', '{roles}', 'finished', now(),
             '{"roles": {"checked": 3, "missing": 0, "stale": 0, "extra": 0, "diverged": 0, "repaired": 0}}'),
            ('reconcile', '{users}', 'stopped', now(), '{"users": {"checked": 0, "extra": 9}}'),
            ('backfill', '{users}', 'finished', now(), '{"users": {"read": 9}}')
        """
    )
    rows = filled.rows(
        "SELECT kind, checked, missing, drift, backfilled_at IS NOT NULL FROM admin_sync_drift ORDER BY kind"
    )
    assert [tuple(row.values()) for row in rows] == [("roles", 3, 0, 0, False), ("users", 9, 2, 1, True)]
