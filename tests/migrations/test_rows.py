import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.migrations.databases import PASSWORD_USERS, REVISIONS, Database

CLERK_USERS = """
    INSERT INTO users (user_id, clerk_user_id, email, email_verified, banned, deleted_at, created_at) VALUES
        (1, 'user_none', NULL, false, false, NULL, '2025-01-01Z'),
        (2, 'user_holder', 'a@example.com', true, false, NULL, '2025-01-02Z'),
        (3, 'user_other', 'a@example.com', false, false, NULL, '2025-01-03Z'),
        (4, 'user_odd', 'user-1@invalid.invalid', false, false, NULL, '2025-01-04Z'),
        (5, 'user_gone', NULL, false, false, '2025-02-01Z', '2025-01-05Z'),
        (6, 'user_banned', 'b@example.com', true, true, NULL, '2025-01-06Z');
    INSERT INTO subscriptions (user_id) SELECT user_id FROM users;
    INSERT INTO usage_metrics (user_id) SELECT user_id FROM users;
    INSERT INTO webhook_events (event_id, source, status) VALUES ('msg_1', 'svix', 'applied');
    INSERT INTO revoked_sessions (session_id, expires_at) VALUES ('sess_1', now())
"""
USERS = "SELECT user_id, email FROM users ORDER BY user_id"


def test_users_of_the_password_era_keep_everything(database: Database) -> None:
    database.upgrade("002")
    database.fill_password_era()
    before = database.what_users_keep()
    assert len(before) == 600

    for _ in range(2):
        database.upgrade()
        assert database.what_users_keep() == before
        database.downgrade("002")
        assert database.what_users_keep() == before
    assert database.rows("SELECT DISTINCT password_hash FROM users") == [("!",)]

    database.downgrade("base")
    database.upgrade()
    assert database.what_users_keep() == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_downgrade_works_with_rows_in_place(database: Database, revision: str) -> None:
    database.upgrade("002")
    database.fill_password_era()
    database.upgrade(revision)
    ids = database.rows("SELECT user_id, email, role FROM users ORDER BY user_id")

    database.downgrade("001")
    assert database.rows("SELECT user_id, email, role FROM users ORDER BY user_id") == ids
    database.upgrade()
    assert database.rows("SELECT user_id, email, role FROM users ORDER BY user_id") == ids
    database.downgrade("base")


def test_users_from_before_subscriptions_get_the_free_plan(database: Database) -> None:
    database.upgrade("001")
    database.rows(PASSWORD_USERS)
    database.upgrade("002")

    assert database.rows("SELECT plan, status, count(*) FROM subscriptions GROUP BY 1, 2") == [
        ("free", "active", 300)
    ]


def test_new_ids_go_on_after_the_old_ones(database: Database) -> None:
    database.upgrade("002")
    database.fill_password_era()
    database.upgrade()

    ((new_id,),) = database.rows("INSERT INTO users (clerk_user_id) VALUES ('user_new') RETURNING user_id")
    assert new_id == 301


def test_rows_from_before_are_legacy_and_later_ones_are_not(database: Database) -> None:
    database.upgrade("002")
    database.fill_password_era()
    database.upgrade()
    database.rows("INSERT INTO users (clerk_user_id) VALUES ('user_new')")

    assert database.rows("SELECT provisioned_by, count(*) FROM users GROUP BY 1 ORDER BY 1") == [
        ("legacy", 300),
        ("webhook", 1),
    ]


def test_the_newest_of_several_verified_holders_keeps_the_address(database: Database) -> None:
    database.upgrade("002")
    database.fill_password_era()
    verified = "SELECT user_id, lower(email), created_at FROM users WHERE email_verified"
    newest: dict[str, tuple[object, int]] = {}
    for user_id, email, created_at in database.rows(verified):
        newest[email] = max(newest.get(email, (created_at, 0)), (created_at, user_id))
    before = len(database.rows(verified))
    database.upgrade()

    holders = {email: user_id for user_id, email, _ in database.rows(verified)}
    assert holders == {email: user_id for email, (_, user_id) in newest.items()}
    assert len(holders) == before - 40


def test_downgrade_finds_an_address_for_everybody(database: Database) -> None:
    database.upgrade()
    database.rows(CLERK_USERS)
    database.downgrade("002")

    assert database.rows(USERS) == [
        (1, "user-1@invalid.invalid"),
        (2, "a@example.com"),
        (3, "user-3@invalid.invalid"),
        (4, "user-4@invalid.invalid"),
        (5, "user-5@invalid.invalid"),
        (6, "b@example.com"),
    ]
    assert database.rows("SELECT * FROM jwt_blacklist") == []
    with pytest.raises(IntegrityError, match="password_hash"):
        database.rows("INSERT INTO users (email) VALUES ('new@example.com')")

    database.upgrade()
    kept = [(1, None), (2, "a@example.com"), (3, None), (4, None), (5, None), (6, "b@example.com")]
    assert database.rows(USERS) == kept


def test_downgrade_lets_no_deleted_or_banned_user_back_in(database: Database) -> None:
    database.upgrade()
    database.rows(CLERK_USERS)
    active = "SELECT user_id FROM users WHERE is_active ORDER BY user_id"
    database.downgrade("003")
    assert database.rows(active) == [(1,), (2,), (3,), (4,)]

    database.upgrade()
    assert database.rows(active) == [(1,), (2,), (3,), (4,)]


@pytest.mark.parametrize("revision", ["002", "004"])
def test_a_revision_that_was_done_but_not_noted_is_repeated(database: Database, revision: str) -> None:
    """Where a lost connection leaves a revision that ends with `without_blocking()`."""
    database.upgrade("002")
    database.fill_password_era()
    before = database.what_users_keep()
    database.upgrade(revision)
    schema = database.schema()
    database.rows("UPDATE alembic_version SET version_num = :before", before=f"{int(revision) - 1:03}")

    database.upgrade(revision)

    assert database.schema() == schema
    assert database.what_users_keep() == before


def test_a_revision_that_broke_off_halfway_is_repeated(database: Database) -> None:
    database.upgrade("002")
    database.fill_password_era()
    before = database.what_users_keep()
    database.rows("CREATE VIEW in_the_way AS SELECT password_hash FROM users")
    with pytest.raises(DBAPIError, match="password_hash"):
        database.upgrade()
    assert database.rows("SELECT count(clerk_user_id), count(password_hash) FROM users") == [(0, 300)]

    database.rows("DROP VIEW in_the_way")
    database.upgrade()

    assert database.what_users_keep() == before
