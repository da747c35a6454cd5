import re

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL

from backend.models import SCHEMA_REVISION, Base
from tests.migrations.databases import HEAD, HISTORY, REVISIONS, Database, empty_database

# Columns whose name says everything.
OBVIOUS = {
    "created_at",
    "updated_at",
    "received_at",
    "revoked_at",
    "first_name",
    "last_name",
    "username",
    "bio",
    "website",
    "social_links",
    "plan",
    "period_start",
    "tokens_used",
    "campaigns_created",
    "api_requests",
    "source",
    "attempts",
    "occurred_at",
    "key_id",
    "audit_id",
    "campaign_id",
    "template_id",
}
NOT_BY_COLUMN = {
    "uq_users_verified_email",  # an expression
    "ix_webhook_events_unresolved",  # a part of the rows
    "ix_users_email",  # expressions
    "ix_users_username",
    "ix_users_first_name",
    "ix_users_last_name",
    "ix_users_role",  # parts of the rows
    "ix_users_switched_off",
    "ix_subscriptions_paid",
    "uq_audit_events_impersonated_session",
    "ix_campaigns_status",
    "ix_campaigns_name",
}


def test_history_is_one_line_of_numbers() -> None:
    assert HISTORY.get_bases() == ["001"]
    assert HISTORY.get_heads() == [HEAD] == [SCHEMA_REVISION]
    assert [f"{number:03}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


def test_head_is_what_the_models_say(database: Database) -> None:
    database.upgrade()

    options = {"compare_type": True, "compare_server_default": True}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_head_is_what_the_models_make_to_the_last_catalog_entry(database: Database, postgres: URL) -> None:
    """Alembic does not compare CHECK constraints, identities, and conditions or expressions of indexes."""
    database.upgrade()

    with empty_database(postgres) as made_from_models:
        Base.metadata.create_all(made_from_models.engine)
        assert database.schema() == made_from_models.schema()


def test_each_downgrade_restores_the_schema_before(database: Database) -> None:
    before = [database.schema()]
    for revision in REVISIONS:
        database.upgrade(revision)
        before.append(database.schema())
    assert before[0] == []

    for _ in REVISIONS:
        assert database.schema() == before.pop()
        database.downgrade("-1")
    assert database.schema() == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_names_follow_the_convention(database: Database, revision: str) -> None:
    database.upgrade(revision)

    named = [
        (table, name, what)
        for kind, table, name, what in database.schema()
        if kind in {"constraint", "index"}
    ]
    for table, name, definition in named:
        columns = "_".join(re.findall(r"\w+", re.search(r"\(([^()]*)\)", definition)[1]))  # type: ignore[index]
        referred = re.search(r"REFERENCES (\w+)", definition)
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


@pytest.mark.parametrize("revision", REVISIONS)
def test_everything_that_is_not_obvious_has_a_comment(database: Database, revision: str) -> None:
    database.upgrade(revision)

    schema = database.schema()
    assert [table for kind, table, _, comment in schema if kind == "table" and not comment] == []
    silent = {
        (table, name) for kind, table, name, what in schema if kind == "column" and "COMMENT" not in what
    }
    foreign = {
        (table, "user_id") for table in ("jwt_blacklist", "subscriptions", "usage_metrics", "api_keys")
    }
    status = {("subscriptions", "status")}
    assert {(table, name) for table, name in silent if name not in OBVIOUS} <= foreign | status
