"""Rows that are due to go, and `flask --app wsgi purge` in this process."""

from collections.abc import Mapping
from datetime import timedelta

from flask import Flask

from backend.services.purge import find_purgeable
from config import Settings
from tests.support.database import Sql

# Rows of a table, as many and as old as is said, of the user who was there first.
OWNER = "(SELECT min(user_id) FROM users)"
ADD = {
    "api_keys": "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, revoked_at) "
    "SELECT {owner}, 'old', 'sk_app', 'abcd', gen_random_uuid(), '{{profile:read}}', {then}",
    "audit_events": "INSERT INTO audit_events (action, source, occurred_at) SELECT 'x', 'cli', {then}",
    "handled_events": "INSERT INTO handled_events (digest, source, handled_at) "
    "SELECT gen_random_uuid(), 'webhook', {then}",
    "idempotency_keys": "INSERT INTO idempotency_keys "
    "(user_id, method, path, key, body_hash, status, body, expires_at) "
    "SELECT {owner}, 'POST', '/x', gen_random_uuid(), 'x', 201, '', {then}",
    "outbox": "INSERT INTO outbox (event_id, destination, type, data, status, settled_at) "
    "SELECT gen_random_uuid(), 'url', 'app/user.updated', '{{}}', 'sent', {then}",
    "revoked_sessions": "INSERT INTO revoked_sessions (session_id, expires_at) SELECT gen_random_uuid(), {then}",
    "sync_runs": "INSERT INTO sync_runs (command, kinds, started_at) SELECT 'backfill', '{{users}}', {then}",
    "webhook_events": "INSERT INTO webhook_events (event_id, source, status, received_at) "
    "SELECT gen_random_uuid(), 'svix', 'applied', {then}",
}
# Of the tables that every product has; of its own the declaration says it.
LIMITS = {
    "api_keys": "90 days",
    "idempotency_keys": "0 days",
    "revoked_sessions": "1 day",
    "webhook_events": "90 days",
    "handled_events": "90 days",
    "sync_runs": "90 days",
    "outbox": "30 days",
    "audit_events": "365 days",
}
LONG_AGO = "2 years"
AUDIT_KEPT, RETENTION = (
    timedelta(days=Settings.model_fields[name].default)
    for name in ("audit_retention_days", "deleted_user_retention_days")
)
PURGEABLE = find_purgeable(AUDIT_KEPT, RETENTION)
AGED = [due for due in PURGEABLE if due.name in LIMITS]


def adding(table: str) -> str:
    """The statement; its values: age, number."""
    rows = ADD[table].format(owner=OWNER, then="now() - %s::interval")
    return f"{rows} FROM generate_series(1, %s)"


def put(sql: Sql, table: str, age: str = LONG_AGO, number: int = 1) -> None:
    sql.rows(adding(table), age, number)


class Purge:
    """The command; what it prints."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __call__(self, *options: str) -> str:
        result = self._app.test_cli_runner().invoke(args=["purge", *options])
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout


def report(numbers: Mapping[str, int], note: str = "deleted") -> str:
    return "".join(f"{due.name}: {numbers.get(due.name, 0):,} {note}\n" for due in PURGEABLE)
