import re
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL

from backend.models import ADMIN_VIEWS, SCHEMA_REVISION, Base
from tests.migrations.databases import HEAD, HISTORY, REVISIONS, Database, Rows, new_database

# Columns whose name says everything.
OBVIOUS = {
    *("created_at", "updated_at", "received_at", "revoked_at", "occurred_at", "first_name", "last_name"),
    *("username", "bio", "website", "social_links", "plan", "period_start", "tokens_used"),
    *("campaigns_created", "api_requests", "source", "attempts"),
}
# Indexes of expressions or of a part of the rows.
NOT_BY_COLUMN = {
    *("uq_users_verified_email", "ix_users_email", "ix_users_username", "ix_users_first_name"),
    *("ix_users_last_name", "ix_users_phone", "ix_users_role", "ix_users_switched_off", "ix_webhook_events_unresolved"),
    *("ix_subscriptions_paid", "uq_audit_events_impersonated_session", "ix_campaigns_status"),
    *("ix_campaigns_name", "ix_api_keys_usable", "ix_api_keys_ended", "ix_api_keys_ended_of_user"),
    *("ix_webhook_events_kept", "ix_outbox_pending", "ix_outbox_unsent"),
}


@pytest.fixture(scope="module")
def walk(postgres: URL) -> Iterator[list[tuple[str, Rows]]]:
    """Each revision and the schema that it left, upwards; then, downwards, each revision and what its undoing left."""
    seen = []
    with new_database(postgres) as database:
        for revision in REVISIONS:
            database.upgrade(revision)
            seen.append((revision, database.schema()))
        for revision in reversed(REVISIONS):
            database.downgrade("-1")
            seen.append((revision, database.schema()))
        yield seen


def test_history_is_one_line_of_numbers() -> None:
    assert HISTORY.get_bases() == ["001"]
    assert HISTORY.get_heads() == [HEAD] == [SCHEMA_REVISION]
    assert [f"{number:03}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


def test_head_is_what_the_models_make_to_the_last_catalog_entry(database: Database, migrated: Database) -> None:
    """Alembic does not compare CHECK constraints, identities, and conditions or expressions of indexes."""
    options = {"compare_type": True, "compare_server_default": True, "include_schemas": True}
    with migrated.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []

    Base.metadata.create_all(database.engine)
    assert migrated.tables() == database.schema()
    assert {name for kind, name, *_ in migrated.schema() if kind == "view"} == set(ADMIN_VIEWS)


def test_each_downgrade_restores_the_schema_before(walk: list[tuple[str, Rows]]) -> None:
    up, down = dict(walk[: len(REVISIONS)]), dict(walk[len(REVISIONS) :])
    for revision, before in zip(REVISIONS, [None, *REVISIONS], strict=False):
        assert down[revision] == (up[before] if before else [])


def test_names_follow_the_convention(walk: list[tuple[str, Rows]]) -> None:
    named = {
        (table, name, what)
        for _, schema in walk
        for kind, table, name, what in schema
        if kind in {"constraint", "index"}
    }
    for table, name, definition in named:
        columns = "_".join(re.findall(r"\w+", re.search(r"\(([^()]*)\)", definition)[1]))  # type: ignore[index]
        referred = re.search(r"REFERENCES (\w+)", definition)
        # A schema is none of their names.
        table, name = table.removeprefix("clerk."), name.removeprefix("clerk.")  # noqa: PLW2901
        if name in NOT_BY_COLUMN:
            continue
        if name.startswith("ck_"):
            assert re.fullmatch(rf"ck_{table}_\w+", name)
            assert "CHECK" in definition
        else:
            assert name in {
                f"pk_{table}",
                f"uq_{table}_{columns}",
                f"ix_{table}_{columns}",
                f"fk_{table}_{columns}_{referred and referred[1]}",
            }


def test_everything_that_is_not_obvious_has_a_comment(walk: list[tuple[str, Rows]]) -> None:
    rows = {tuple(row) for _, schema in walk for row in schema}
    assert [table for kind, table, _, comment in rows if kind == "table" and not comment] == []
    silent = {(table, name) for kind, table, name, what in rows if kind == "column" and "COMMENT" not in what}
    foreign = {(table, "user_id") for table in ("jwt_blacklist", "subscriptions", "usage_metrics", "api_keys")}
    status = {("subscriptions", "status")}
    keys = {
        (table, name)
        for _, table, _, what in rows
        if str(what).startswith("PRIMARY KEY (")
        for name in re.findall(r"\w+", what.partition("(")[2])
    }
    assert {(table, name) for table, name in silent if name not in OBVIOUS} <= foreign | status | keys
