"""Rows of the password era, and what the audit trail says became of them."""

from typing import Any

from tests.support.clerk import user_data
from tests.support.database import Sql

ADDRESS = "ada@example.com"


def add_user(sql: Sql, email: str | None = ADDRESS, **columns: Any) -> int:
    """A row as migration 003 leaves it: its address verified, of no Clerk user. Its user_id."""
    values = {"email": email, "email_verified": email is not None, "provisioned_by": "legacy"} | columns
    places = ", ".join(["%s"] * len(values))
    statement = f"INSERT INTO users ({', '.join(values)}) VALUES ({places}) RETURNING user_id"
    user_id: int = sql.value(statement, *values.values())
    return user_id


def add_belongings(sql: Sql, user_id: int) -> None:
    """A plan, the usage of a month and an API key."""
    sql.rows("INSERT INTO subscriptions (user_id, plan, stripe_customer_id) VALUES (%s, 'pro', 'cus_1')", user_id)
    sql.rows("INSERT INTO usage_metrics (user_id, tokens_used, tokens_limit) VALUES (%s, 70, 500000)", user_id)
    sql.rows(INSERT_KEY, user_id)


INSERT_KEY = """
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
VALUES (%s, 'of old', 'sk_app', 'abcd', 'hash', '{profile:read}')
"""


def belongings(sql: Sql, user_id: int) -> tuple[Any, ...]:
    """Plan, customer, tokens used, limit and number of API keys of a user."""
    statement = """
    SELECT plan, stripe_customer_id, tokens_used, tokens_limit,
           (SELECT count(*) FROM api_keys WHERE user_id = users.user_id)
    FROM users JOIN subscriptions USING (user_id) JOIN usage_metrics USING (user_id) WHERE user_id = %s
    """
    return tuple(sql.row(statement, user_id).values())


ALL_THERE = ("pro", "cus_1", 70, 500_000, 1)
NOTHING = ("free", None, 0, 10_000, 0)


def trail(sql: Sql) -> list[tuple[str, int, dict[str, Any]]]:
    """The audit trail: action, subject, details. Whatever links, it is Clerk that said so."""
    rows = sql.rows("SELECT * FROM audit_events ORDER BY audit_id")
    assert {row["source"] for row in rows} <= {"sync"}
    return [(row["action"], row["subject_user_id"], row["details"]) for row in rows]


def refusals(sql: Sql) -> list[str]:
    """Why users were not linked, as `way reason candidates`."""
    return [
        f"{details['by']} {details['reason']} {details['candidates']}"
        for action, _, details in trail(sql)
        if action == "user.link_refused"
    ]


def unverified(data: dict[str, Any]) -> dict[str, Any]:
    """The user data with an address that Clerk has not verified."""
    data["email_addresses"][0]["verification"] = {"status": "unverified", "strategy": "email_code"}
    return data


def ada(clerk_user_id: str = "user_1", **changes: Any) -> dict[str, Any]:
    """A Clerk user whose primary, verified address is ADDRESS."""
    return user_data(clerk_user_id, **{"email": ADDRESS, "first_name": "Ada"} | changes)
