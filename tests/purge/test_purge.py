"""`flask --app wsgi purge`: what is due goes, all else stays."""

import itertools
from typing import Any

import pytest
from flask import Flask

from backend.container import db
from backend.models import Base
from backend.resources import OWNED
from backend.services.clerk.mirror.erase import ERASED_AT_ONCE
from backend.services.purge import Purgeable, delete_batch
from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.api_keys import KeyOwner
from tests.support.billing import item, listing
from tests.support.caller import is_problem
from tests.support.clerk import Instance, now_ms, session_data, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.purging import AGED, LIMITS, OWNER, Purge, adding, put, report
from tests.support.rows import all_rows
from tests.support.server import Server

ADD_KEY = "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, created_at, expires_at)"
# Why rows stay for as long as their user is known, or go with rows of another table.
STAYING = {
    "users": "a tombstone keeps late events from bringing the user back",
    "subscriptions": "one a user",
    "usage_metrics": "one a user and month",
    "sync_seen": "of one reconcile at most: it forgets them kind by kind",
}
BOUNDED = STAYING.keys() | LIMITS.keys() | {owned.table for owned in OWNED if owned.quota or owned.ended}


def test_each_table_is_purged_or_bounded() -> None:
    """Or its rows go with those of such a table."""
    for table in Base.metadata.sorted_tables:
        if table.schema == "clerk":
            continue  # as long as Clerk has it
        above = {key.column.table.name for key in table.foreign_keys} - {"users"}
        assert {table.name, *above} & BOUNDED, f"{table.name} grows for ever: give it a quota in backend/resources.py"
    assert [due.name for due in AGED] == list(LIMITS)


class TestWhatGoes:
    def test_both_sides_of_each_limit(self, purge: Purge, sql: Sql) -> None:
        for table, limit in LIMITS.items():
            put(sql, table, f"{limit} -1 hour")
        for status in ("dead", "failed"):
            sql.rows(
                "INSERT INTO webhook_events (event_id, source, status, payload, received_at) "
                "VALUES (%s, 'svix', %s, '{}', '2020-01-01Z')",
                *(status, status),
            )
        # Made long ago, and never ended.
        sql.rows(f"{ADD_KEY} SELECT {OWNER}, 'a', 'sk_app', 'abcd', 'a', '{{x}}', '2020-01-01Z', NULL")
        kept = all_rows(sql)
        for table, limit in LIMITS.items():
            put(sql, table, f"{limit} 1 hour", 3)
        for status in ("stale", "ignored"):
            put(sql, "webhook_events")
            sql.rows(
                "UPDATE webhook_events SET status = %s "
                "WHERE received_at < now() - interval '300 d' AND status = 'applied'",
                status,
            )
        # The end of a key is the first of both.
        sql.rows(
            f"{ADD_KEY} SELECT {OWNER}, 'b', 'sk_app', 'abcd', 'b', '{{x}}', '2020-01-01Z', now() - interval '91 d'"
        )
        sql.rows("UPDATE api_keys SET revoked_at = now() WHERE key_hash = 'b'")
        assert purge() == report(dict.fromkeys(LIMITS, 3) | {"api_keys": 4, "webhook_events": 5})
        assert all_rows(sql) == kept
        assert purge() == report({})

    @pytest.mark.parametrize("due", AGED, ids=lambda due: due.name)
    def test_exact_limit(self, app: Flask, purge: Purge, due: Purgeable) -> None:  # noqa: ARG002 - for its user
        """In one transaction, where now() stands still."""
        limit = LIMITS[due.name]
        with app.app_context(), db.engine.connect() as connection:
            for age in (f"{limit} 1 microsecond", limit, f"{limit} -1 microsecond"):
                connection.exec_driver_sql(adding(due.name), (age, 1))
            assert delete_batch(connection, due) == 2
            assert delete_batch(connection, due) == 0

    def test_dry_run_only_counts(self, purge: Purge, sql: Sql) -> None:
        for number, (table, limit) in enumerate(LIMITS.items(), start=1_500):
            put(sql, table, limit, number)
            put(sql, table, f"{limit} -1 hour")
        before = all_rows(sql)
        numbers = dict(zip(LIMITS, itertools.count(1_500), strict=False))
        assert purge("--dry-run") == report(numbers, "to delete")
        assert all_rows(sql) == before
        assert purge() == report(numbers)


def test_deleted_user_with_more_than_goes_at_once(
    purge: Purge, deliver: Deliver, server: Server, clerk: Instance, sql: Sql
) -> None:
    """The tombstone is there with the event; what was too much for it goes with the next purge."""
    owner = KeyOwner(server, clerk)
    owner.page()
    user_id, number = sql.user("user_1")["user_id"], ERASED_AT_ONCE + 2_000
    sql.rows(
        "INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at) "
        "SELECT %s, 'POST', '/x', n, 'x', 201, '', now() + interval '1 d' FROM generate_series(1, %s) n",
        *(user_id, number),
    )
    deleted = {"id": "user_1", "object": "user", "deleted": True}
    assert deliver("user.deleted", deleted).json() == {"status": "applied"}
    assert sql.user("user_1")["deleted_at"] is not None
    for answer in (owner.call("GET"), owner.post()):
        is_problem(answer, 401, "user-deleted")
    left = {"idempotency_keys of deleted users": 2_000}
    assert sql.value("SELECT count(*) FROM idempotency_keys WHERE user_id = %s", user_id) == 2_000
    assert deliver("user.deleted", deleted).json() == {"status": "stale"}

    assert purge("--dry-run") == report(left, "to delete")
    assert purge() == report(left)
    assert purge() == report({})


def test_age_of_audit_events_is_a_setting(settings: dict[str, str], sql: Sql) -> None:
    add_user(sql)
    for days in (9, 11):
        put(sql, "audit_events", f"{days} days")
    purge = Purge(make_app(settings | {"AUDIT_RETENTION_DAYS": "10"}))
    assert purge() == report({"audit_events": 1})
    assert sql.value("SELECT extract(day FROM now() - occurred_at) FROM audit_events") == 9


def test_purged_key_is_unknown(purge: Purge, server: Server, clerk: Instance, sql: Sql) -> None:
    owner = KeyOwner(server, clerk)
    key, usable = owner.create(), owner.create()
    owner.revoke(key)
    sql.rows("UPDATE api_keys SET revoked_at = now() - interval '90 d' WHERE revoked_at IS NOT NULL")
    is_problem(owner.use(key), 401, "api-key-revoked")
    assert purge() == report({"api_keys": 1})
    is_problem(owner.use(key), 401, "api-key-invalid")
    assert [one["key_id"] for one in owner.page()["keys"]] == [usable["key_id"]]


def test_expired_idempotency_key_is_a_new_one(purge: Purge, server: Server, clerk: Instance, sql: Sql) -> None:
    owner = KeyOwner(server, clerk)
    body, once = {"name": "k", "scopes": ["profile:read"]}, {"Idempotency-Key": "k"}
    first = owner.call("POST", json=body, headers=once).json()
    purge()
    assert owner.call("POST", json=body, headers=once).json() == first
    sql.rows("UPDATE idempotency_keys SET expires_at = now()")
    assert purge() == report({"idempotency_keys": 1})
    assert owner.call("POST", json=body, headers=once).json()["key_id"] != first["key_id"]


@pytest.mark.parametrize("ends_deleted", [False, True])
def test_event_resent_after_it_left_the_ledger(purge: Purge, deliver: Deliver, sql: Sql, *, ends_deleted: bool) -> None:
    """What the ledger no longer knows is known by the rows themselves: an old event changes nothing."""
    at = now_ms() - 10_000
    session = session_data("user_1", "sess_1", created_at=at, updated_at=at, expire_at=at)
    history: list[tuple[str, Any]] = [
        ("user.created", user_data("user_1", updated_at=at, email="old@example.com")),
        ("session.created", session),
        ("subscription.created", listing(item("pro"))),
        ("user.updated", user_data("user_1", updated_at=at + 1, email="new@example.com")),
        ("session.ended", session),
        ("subscription.updated", listing(item("pro", 2, "ended"), item("enterprise", 2), at=2)),
    ]
    if ends_deleted:
        history.append(("user.deleted", {"id": "user_1", "object": "user", "deleted": True}))
    for number, (kind, data) in enumerate(history):
        assert deliver(kind, data, event_id=f"msg_{number}").json() == {"status": "applied"}
    sql.rows("UPDATE webhook_events SET received_at = now() - interval '91 d'")
    sql.rows("UPDATE revoked_sessions SET expires_at = now() - interval '84 d'")
    assert purge() == report({"revoked_sessions": 1, "webhook_events": len(history)})
    before = everything_but_ledgers(sql)
    for number, (kind, data) in enumerate(history):
        assert deliver(kind, data, event_id=f"msg_{number}").status_code == 200
        assert everything_but_ledgers(sql) == before, kind


def everything_but_ledgers(sql: Sql) -> dict[str, Any]:
    rows = all_rows(sql)
    for user in rows["users"]:
        del user["updated_at"]
    return {name: rows[name] for name in rows.keys() - {"webhook_events", "revoked_sessions"}}


def test_help_has_an_example(app: Flask) -> None:
    text = app.test_cli_runner().invoke(args=["purge", "--help"]).stdout
    assert "\n  Example:\n    flask --app wsgi purge --dry-run" in text
