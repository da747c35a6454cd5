import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from backend.services.clerk.billing import read_state
from backend.services.clerk.billing_payloads import Item, State
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


def test_users_of_the_password_era_keep_everything(password_era: Database) -> None:
    before = password_era.what_users_keep()
    assert len(before) == 600

    for _ in range(2):
        password_era.upgrade()
        assert password_era.what_users_keep() == before
        password_era.downgrade("002")
        assert password_era.what_users_keep() == before
    assert password_era.rows("SELECT DISTINCT password_hash FROM users") == [("!",)]


def test_each_downgrade_works_with_rows_in_place(password_era: Database) -> None:
    users = "SELECT user_id, email, role FROM users ORDER BY user_id"
    ids = password_era.rows(users)
    for revision in REVISIONS[1:]:
        password_era.upgrade(revision)
        kept = password_era.rows(users)
        password_era.downgrade("-1")
        assert password_era.rows(users) == ids
        password_era.upgrade(revision)
        assert password_era.rows(users) == kept

    password_era.downgrade("base")
    password_era.upgrade()
    assert password_era.what_users_keep() == []


def test_users_from_before_subscriptions_get_the_free_plan(database: Database) -> None:
    database.upgrade("001")
    database.rows(PASSWORD_USERS)
    database.upgrade("002")

    assert database.rows("SELECT plan, status, count(*) FROM subscriptions GROUP BY 1, 2") == [("free", "active", 300)]


LOGGED_OUT = """
    INSERT INTO jwt_blacklist (jti, user_id, expires_at)
    SELECT name, 1, now() + age::interval
    FROM (VALUES ('alive', '29 days'), ('just', '-1 hour'), ('past', '-25 hours')) AS old (name, age)
"""


def test_tokens_that_were_logged_out_stay_so_while_they_live(password_era: Database) -> None:
    password_era.rows(LOGGED_OUT)
    kept = "SELECT session_id FROM revoked_sessions ORDER BY session_id"
    password_era.upgrade()
    assert password_era.rows(kept) == [("jti:alive",), ("jti:just",)]
    password_era.downgrade("-1")
    password_era.upgrade()
    assert password_era.rows(kept) == [("jti:alive",), ("jti:just",)]


def test_what_an_older_release_dropped_is_lost(password_era: Database) -> None:
    """Revision 003 dropped the table once: such a database goes on without it, and back."""
    password_era.upgrade("011")
    password_era.rows("DROP TABLE jwt_blacklist")
    password_era.downgrade("002")
    password_era.rows(LOGGED_OUT)
    password_era.upgrade("011")
    password_era.rows("DROP TABLE jwt_blacklist")
    password_era.upgrade()
    assert password_era.rows("SELECT * FROM revoked_sessions") == []


def test_rows_from_before_are_legacy_and_later_ones_go_on_after_them(password_era: Database) -> None:
    password_era.upgrade()

    new = "INSERT INTO users (clerk_user_id) VALUES ('user_new') RETURNING user_id"
    assert password_era.rows(new) == [(301,)]
    assert password_era.rows("SELECT provisioned_by, count(*) FROM users GROUP BY 1 ORDER BY 1") == [
        ("legacy", 300),
        ("webhook", 1),
    ]


def test_the_newest_of_several_verified_holders_keeps_the_address(password_era: Database) -> None:
    verified = "SELECT user_id, lower(email), created_at FROM users WHERE email_verified"
    newest: dict[str, tuple[object, int]] = {}
    for user_id, email, created_at in password_era.rows(verified):
        newest[email] = max(newest.get(email, (created_at, 0)), (created_at, user_id))
    before = len(password_era.rows(verified))
    password_era.upgrade()

    holders = {email: user_id for user_id, email, _ in password_era.rows(verified)}
    assert holders == {email: user_id for email, (_, user_id) in newest.items()}
    assert len(holders) == before - 40


def test_downgrade_finds_an_address_for_everybody(migrated: Database) -> None:
    migrated.rows(CLERK_USERS)
    migrated.downgrade("002")

    assert migrated.rows(USERS) == [
        (1, "user-1@invalid.invalid"),
        (2, "a@example.com"),
        (3, "user-3@invalid.invalid"),
        (4, "user-4@invalid.invalid"),
        (5, "user-5@invalid.invalid"),
        (6, "b@example.com"),
    ]
    assert migrated.rows("SELECT * FROM jwt_blacklist") == []
    with pytest.raises(IntegrityError, match="password_hash"):
        migrated.rows("INSERT INTO users (email) VALUES ('new@example.com')")

    migrated.upgrade()
    kept = [(1, None), (2, "a@example.com"), (3, None), (4, None), (5, None), (6, "b@example.com")]
    assert migrated.rows(USERS) == kept


def test_downgrade_lets_no_deleted_or_banned_user_back_in(migrated: Database) -> None:
    migrated.rows(CLERK_USERS)
    active = "SELECT user_id FROM users WHERE is_active ORDER BY user_id"
    migrated.downgrade("003")
    assert migrated.rows(active) == [(1,), (2,), (3,), (4,)]

    migrated.upgrade()
    assert migrated.rows(active) == [(1,), (2,), (3,), (4,)]


@pytest.mark.parametrize("revision", ["002", "004"])
def test_a_revision_that_was_done_but_not_noted_is_repeated(password_era: Database, revision: str) -> None:
    """Where a lost connection leaves a revision that ends with `without_blocking()`."""
    before = password_era.what_users_keep()
    password_era.upgrade(revision)
    schema = password_era.schema()
    password_era.rows("UPDATE alembic_version SET version_num = :before", before=f"{int(revision) - 1:03}")

    password_era.upgrade(revision)

    assert password_era.schema() == schema
    assert password_era.what_users_keep() == before


def test_a_revision_that_broke_off_halfway_is_repeated(password_era: Database) -> None:
    before = password_era.what_users_keep()
    password_era.rows("CREATE VIEW in_the_way AS SELECT password_hash FROM users")
    with pytest.raises(DBAPIError, match="password_hash"):
        password_era.upgrade()
    assert password_era.rows("SELECT count(clerk_user_id), count(password_hash) FROM users") == [(0, 300)]

    password_era.rows("DROP VIEW in_the_way")
    password_era.upgrade()

    assert password_era.what_users_keep() == before


BILLING = """
    INSERT INTO users (clerk_user_id) VALUES ('user_1'), ('user_2'), ('user_3');
    INSERT INTO clerk_billing (clerk_user_id, subscription_id, listed_at, items) VALUES
        ('user_1', 'csub_1', 5000, '{
            "csub_item_1": {"plan": "pro", "status": "active", "updated_at": 4000, "seen_at": 5000,
                            "period_start": 1000, "period_end": null},
            "csub_item_2": {"plan": "", "status": "ended", "updated_at": 3000, "seen_at": 3000,
                            "period_start": null, "period_end": 2000}}'),
        ('user_2', 'csub_2', 0, '{
            "csub_item_3": {"plan": "enterprise", "status": "canceled", "updated_at": 253402300799999,
                            "seen_at": 7000, "period_start": 1000, "period_end": 9000}}'),
        ('user_3', 'csub_3', 0, '{}')
"""


def test_what_clerk_billing_said_moves_into_the_copy(database: Database) -> None:
    database.upgrade("012")
    database.rows(BILLING)
    database.upgrade("013")
    with database.engine.connect() as connection:
        one, two = (read_state(connection, payer) for payer in ("user_1", "user_2"))
    assert one == State("csub_1", 5_000, {"csub_item_1": Item("pro", "active", 4_000, 1_000, None)})
    assert two is not None
    assert two.items["csub_item_3"]._replace(updated_at=0) == Item("enterprise", "canceled", 0, 1_000, 9_000)
    # A time of the year 9999 counts as the time of the move: what comes next is newer.
    assert database.rows("SELECT max(updated_at) <= now() FROM clerk.subscription_items") == [(True,)]
