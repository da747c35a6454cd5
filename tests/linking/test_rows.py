"""A legacy row becomes a Clerk user's, with all that belongs to it; a row made before has to make room for it."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from flask import Flask

from backend.resources import OWNED
from tests.emulator.harness import EmulatorProcess
from tests.support.caller import is_problem
from tests.support.clerk import Instance, session_data, user_data
from tests.support.commands import run
from tests.support.database import BLOCKED, Sql
from tests.support.fixtures import Post
from tests.support.legacy_users import (
    ADDRESS,
    ALL_THERE,
    INSERT_KEY,
    NOTHING,
    ada,
    add_belongings,
    add_user,
    belongings,
    refusals,
    trail,
)
from tests.support.server import Server, running_server
from tests.support.waiting import wait_for


class TestWhatStays:
    def test_everything_of_ours(self, post: Post, linking: Server, clerk: Instance, sql: Sql) -> None:
        ours = {
            "bio": "Hello",
            "website": "https://example.com",
            "created_at": "2019-01-01Z",
            "last_login_at": "2019-02-01Z",
        }
        user_id = add_user(sql, "Ada@Example.com", first_name="A.", **ours)
        add_belongings(sql, user_id)
        before = sql.row("SELECT * FROM users")
        post("user.created", ada(username="ada", external_id="of-old", updated_at=1_700_000_000_000))
        after = sql.row("SELECT * FROM users")
        changed = {name: after[name] for name in after if after[name] != before[name]}
        assert changed.pop("updated_at") > before["updated_at"]
        assert changed.pop("clerk_updated_at").timestamp() == 1_700_000_000
        assert changed == {
            "clerk_user_id": "user_1",
            "email": ADDRESS,
            "username": "ada",
            "first_name": "Ada",
            "image_url": "https://img.clerk.com/x",
            "external_id": "of-old",
        }
        assert belongings(sql, user_id) == ALL_THERE
        me = linking.get("/auth/me", clerk.token(sub="user_1")).json()
        assert (me["user"]["user_id"], me["subscription"]["plan"]) == (user_id, "pro")

    @pytest.mark.parametrize("role", ["developer", "admin"])
    @pytest.mark.parametrize("by", ["email", "external_id"])
    def test_no_power_over_others(
        self, app: Flask, post: Post, linking: Server, clerk: Instance, sql: Sql, by: str, role: str
    ) -> None:
        """A mailbox may have a new owner and an external_id a wrong number: an operator gives the role back."""
        user_id = add_user(sql, role=role)
        post("user.created", ada() if by == "email" else user_data("user_1", external_id=str(user_id)))
        token = clerk.token(sub="user_1")
        assert linking.get("/auth/me", token).json()["user"]["role"] == "user"
        is_problem(linking.get("/api/users", token), 403, "forbidden")
        (changed, told, details), (linked, _, _) = trail(sql)
        assert (changed, linked, told) == ("user.role_changed", "user.linked", user_id)
        assert (details["from"], details["to"]) == (role, "user")
        # What the entry says, as an operator would type it.
        program, *options, group, command, named, given = details["restore"].split()
        assert (program, options, group) == ("flask", ["--app", "wsgi"], "users")
        assert run(app, command, named, given).exit_code == 0
        assert linking.get("/auth/me", token).json()["user"]["role"] == role
        restored = sql.row("SELECT source, action, details FROM audit_events ORDER BY audit_id DESC LIMIT 1")
        moved = {"from": "user", "to": role}
        assert restored == {"source": "cli", "action": "user.role_changed", "details": moved}
        # Nothing that Clerk says later takes it away again.
        post("user.updated", ada(updated_at=2_000_000_000_000))
        assert sql.user("user_1")["role"] == role

    def test_row_without_subscription_gets_one(self, post: Post, sql: Sql) -> None:
        user_id = add_user(sql)
        post("user.created", ada())
        assert belongings(sql, user_id) == NOTHING

    @pytest.mark.parametrize("out", [{"is_active": False}, {"banned": True}], ids=["switched off", "banned"])
    def test_whoever_was_kept_out_stays_out(
        self, post: Post, linking: Server, clerk: Instance, sql: Sql, out: dict[str, Any]
    ) -> None:
        """Clerk knows nothing of a ban that was noted in the old row."""
        add_user(sql, **out)
        assert post("user.created", ada()) == "applied"
        is_problem(linking.get("/auth/me", clerk.token(sub="user_1")), 403, "forbidden")
        linked = {"clerk_user_id": "user_1", "is_active": False}
        assert sql.row("SELECT clerk_user_id, is_active FROM users") == linked

    def test_another_verified_holder_gives_the_address_up(self, post: Post, sql: Sql) -> None:
        """By external_id the user gets one legacy row; the one that has the address keeps it, unverified."""
        named, holder = add_user(sql, "old@example.com"), add_user(sql)
        post("user.created", ada(external_id=str(named)))
        rows = sql.rows("SELECT user_id, clerk_user_id, email, email_verified FROM users ORDER BY user_id")
        assert [tuple(row.values()) for row in rows] == [
            (named, "user_1", ADDRESS, True),
            (holder, None, ADDRESS, False),
        ]


USES = {
    "key": INSERT_KEY,
    "tokens": "UPDATE usage_metrics SET tokens_used = 1 WHERE user_id = %s",
    "campaign": "UPDATE usage_metrics SET campaigns_created = 1 WHERE user_id = %s",
    "plan": "UPDATE subscriptions SET plan = 'pro' WHERE user_id = %s",
    "customer": "UPDATE subscriptions SET stripe_customer_id = 'cus_1' WHERE user_id = %s",
    "billing": "UPDATE subscriptions SET clerk_subscription_id = 'csub_1' WHERE user_id = %s",
    "role": "UPDATE users SET role = 'developer' WHERE user_id = %s",
    "off": "UPDATE users SET is_active = false WHERE user_id = %s",
    "bio": "UPDATE users SET bio = 'Hello' WHERE user_id = %s",
    "website": "UPDATE users SET website = 'https://example.com' WHERE user_id = %s",
    "links": 'UPDATE users SET social_links = \'{"x": "y"}\' WHERE user_id = %s',
}


STORED = """
INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at)
VALUES (%s, 'POST', '/x', 'k', '', 201, '', now() + interval '1 d')
"""


class TestOwnRow:
    """A request or a session made a row before any profile came."""

    @pytest.fixture
    def own(self, linking: Server, clerk: Instance, sql: Sql) -> int:
        add_user(sql)
        own: int = linking.get("/auth/me", clerk.token(sub="user_1")).json()["user"]["user_id"]
        assert own != 1
        return own

    def test_empty_one_makes_room(self, post: Post, linking: Server, clerk: Instance, sql: Sql, own: int) -> None:
        post("user.created", ada())
        me = linking.get("/auth/me", clerk.token(sub="user_1")).json()
        assert me["user"]["user_id"] == 1
        assert sql.value("SELECT count(*) FROM users") == 1
        details = {"by": "email", "clerk_user_id": "user_1", "replaced_user_id": own}
        assert trail(sql) == [("user.linked", 1, details)]

    def test_one_that_is_empty_again_makes_room(self, post: Post, linking: Server, clerk: Instance, sql: Sql) -> None:
        """Something was made and deleted: the stored answer of that is nothing to keep."""
        add_user(sql)
        token = clerk.token(sub="user_1")
        linking.get("/auth/me", token)
        sql.rows(STORED, sql.user("user_1")["user_id"])
        post("user.created", ada())
        assert linking.get("/auth/me", token).json()["user"]["user_id"] == 1
        assert sql.value("SELECT count(*) FROM idempotency_keys") == 0

    @pytest.mark.parametrize("by", ["email", "external_id"])
    @pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
    def test_used_one_stays(self, post: Post, sql: Sql, own: int, use: str, by: str) -> None:
        sql.rows(use, own)
        held = belongings(sql, own)
        post("user.created", ada(external_id="1" if by == "external_id" else None))
        assert sql.user("user_1")["user_id"] == own
        assert belongings(sql, own) == held
        assert sql.value("SELECT clerk_user_id FROM users WHERE user_id = 1") is None
        assert refusals(sql) == [f"{by} own-row-in-use [1]"]

    @pytest.mark.parametrize("use", ["key", "tokens", "plan", "role"])
    def test_use_at_the_same_moment(self, post: Post, database_url: str, sql: Sql, own: int, use: str) -> None:
        """The use is not committed yet when the event comes: it is waited for, and nothing of it is lost."""
        connection = psycopg2.connect(database_url)
        connection.cursor().execute(USES[use], (own,))
        thread = threading.Thread(target=post, args=("user.created", ada()))
        thread.start()
        wait_for(lambda: sql.rows(BLOCKED))
        connection.commit()
        connection.close()
        thread.join(10)
        assert refusals(sql) == ["email own-row-in-use [1]"]
        assert sql.user("user_1")["user_id"] == own

    def test_newest_times_stay(self, post: Post, sql: Sql) -> None:
        add_user(sql, last_login_at="2030-01-01Z", last_logout_at="2001-01-01Z")
        post("session.created", session_data("user_1", "sess_1"))
        post("session.ended", session_data("user_1", "sess_1", updated_at=1_600_000_000_000))
        post("user.created", ada())
        user = sql.user("user_1")
        assert user["last_login_at"].year == 2030
        assert user["last_logout_at"].timestamp() == 1_600_000_000

    def test_own_row_with_the_address(self, post: Post, sql: Sql) -> None:
        """A row from before profiles had a time: it is no second candidate."""
        add_user(sql)
        add_user(sql, email_verified=False, clerk_user_id="user_1")
        post("user.created", ada())
        assert sql.row("SELECT user_id, clerk_user_id FROM users") == {"user_id": 1, "clerk_user_id": "user_1"}

    def test_external_id_names_the_own_row(self, post: Post, sql: Sql, own: int) -> None:
        """Who notes our user_id at Clerk after the first request has said which row it is."""
        post("user.created", ada(external_id=str(own)))
        assert sql.user("user_1")["user_id"] == own
        assert trail(sql) == []

    def test_every_table_that_refers_to_users_is_looked_at(self, sql: Sql) -> None:
        """With the row that makes room goes what refers to it: delete_placeholder() must know each such table."""
        tables = sql.rows(
            "SELECT conrelid::regclass::text AS name FROM pg_constraint WHERE confrelid = 'users'::regclass"
        )
        assert {table["name"] for table in tables} - {"specimens"} == {owned.table for owned in OWNED}


@pytest.fixture(scope="module")
def asking(database_url: str, emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = {**emulator.keys, "DATABASE_URL": database_url, "LEGACY_LINK_BY_EXTERNAL_ID": "true"}
    with running_server(tmp_path_factory.mktemp("asking"), own) as running:
        yield running


@pytest.mark.parametrize("by", ["email", "external_id"])
def test_first_request_finds_the_legacy_row(asking: Server, emulator: EmulatorProcess, sql: Sql, by: str) -> None:
    """The first request comes before any webhook, and Clerk's Backend API (the local instance) is asked who it is."""
    address = f"{by.replace('_', '-')}@example.com"
    user_id = add_user(sql, address if by == "email" else "old@example.com")
    add_belongings(sql, user_id)
    fields = {"external_id": str(user_id)} if by == "external_id" else {}
    user = emulator.create_user(address, **fields)
    token = emulator.create_token(emulator.create_session(user["id"])["id"])
    answer = asking.get("/auth/me", token)
    assert (answer.status_code, answer.json()["user"]["user_id"]) == (200, user_id)
    assert answer.json()["subscription"]["plan"] == "pro"
    assert belongings(sql, user_id) == ALL_THERE
    assert sql.value("SELECT count(*) FROM users") == 1
    assert [details["by"] for _, _, details in trail(sql)] == [by]
