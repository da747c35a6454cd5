"""A legacy row and a Clerk user: whatever comes first, in any order, at once, and for good."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, permutations
from typing import Any

import psycopg2
import pytest

from tests.support.caller import is_problem
from tests.support.clerk import Instance, clerk_id, session_data, user_data
from tests.support.database import BLOCKED, Sql
from tests.support.fixtures import Post, Receive
from tests.support.legacy_users import (
    ADDRESS,
    ALL_THERE,
    NOTHING,
    ada,
    add_belongings,
    add_user,
    belongings,
    refusals,
    trail,
)
from tests.support.server import Server
from tests.support.traffic import get_me, in_parallel
from tests.support.waiting import wait_for


class TestOrder:
    """Which of a user's signs of life comes first does not matter."""

    def test_every_order(self, post: Post, linking: Server, clerk: Instance, sql: Sql) -> None:
        session = session_data("user_1", "sess_1", created_at=9_000)
        created = partial(post, "user.created", ada(updated_at=5_000, first_name="A."))
        updated = partial(post, "user.updated", ada(updated_at=6_000))
        login = partial(post, "session.created", session)
        # A session that brings its user along is as good as the user's own event.
        login_with_copy = partial(post, "session.created", session | {"user": ada(updated_at=5_000)})
        logout = partial(post, "session.ended", session_data("user_1", "sess_2", updated_at=8_000))

        def request() -> str:
            return str(linking.get("/auth/me", clerk.token(sub="user_1")).status_code)

        groups: list[list[Callable[[], str]]] = [
            [created, updated, login, request],
            [created, logout, request],
            [updated, login_with_copy, request],
        ]
        for order in chain.from_iterable(permutations(signs) for signs in groups):
            sql.empty_all()
            user_id = add_user(sql)
            add_belongings(sql, user_id)
            assert {act() for act in order} <= {"applied", "stale", "200"}
            user = sql.row("SELECT * FROM users")
            assert (user["user_id"], user["clerk_user_id"]) == (user_id, "user_1")
            assert user["first_name"] == ("Ada" if updated in order else "A.")
            at = [user[name] and user[name].timestamp() for name in ("last_login_at", "last_logout_at")]
            assert at == ([None, 8] if logout in order else [9, None])
            assert belongings(sql, user_id) == ALL_THERE
            assert [(action, subject) for action, subject, _ in trail(sql)] == [("user.linked", user_id)]

    def test_replay(self, post: Post, sql: Sql) -> None:
        add_user(sql)
        assert post("user.created", ada(updated_at=5_000), event_id="msg_1") == "applied"
        assert post("user.created", ada(updated_at=5_000), event_id="msg_1") == "duplicate"
        assert post("user.created", ada(updated_at=5_000)) == "stale"
        assert post("user.updated", ada(updated_at=5_000)) == "applied"
        assert len(trail(sql)) == 1
        assert sql.user("user_1")["email_verified"]

    def test_refusal_is_noted_once(self, post: Post, sql: Sql) -> None:
        add_user(sql, email_verified=False)
        post("session.created", session_data("user_1", "sess_1"))
        for at in (5_000, 5_000, 6_000, 7_000):
            post("user.updated", ada(updated_at=at))
        assert refusals(sql) == ["email unverified-here [1]"]

    def test_proof_that_comes_after_the_first_profile(self, post: Post, sql: Sql) -> None:
        """A user who has a life of its own here is not moved to another row."""
        add_user(sql)
        for external_id in (None, "1"):
            post("user.updated", user_data("user_1", email="new@example.com", external_id=external_id))
            post("user.updated", ada(external_id=external_id))
        assert sql.user("user_1")["user_id"] != 1
        assert trail(sql) == []


class TestLater:
    def test_deleted_user_leaves_nothing_to_link(self, post: Post, linking: Server, clerk: Instance, sql: Sql) -> None:
        """Case P-07: the address, registered again, brings no plan and no key along."""
        user_id = add_user(sql)
        add_belongings(sql, user_id)
        post("user.created", ada())
        post("user.deleted", {"id": "user_1", "deleted": True})
        post("user.created", ada("user_2"))
        post("user.created", ada("user_3", email="3@example.com", external_id=str(user_id)))
        is_problem(linking.get("/auth/me", clerk.token(sub="user_1")), 401, "user-deleted")
        assert sql.user("user_1")["user_id"] == user_id
        for clerk_user_id in ("user_2", "user_3"):
            assert belongings(sql, sql.user(clerk_user_id)["user_id"]) == NOTHING
        assert refusals(sql) == [f"external_id deleted [{user_id}]"]

    def test_delete_that_comes_first_is_final(self, post: Post, sql: Sql) -> None:
        add_user(sql)
        post("user.deleted", {"id": "user_1", "deleted": True})
        assert post("user.created", ada(external_id="1")) == "stale"
        assert sql.value("SELECT clerk_user_id FROM users WHERE user_id = 1") is None

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_address_moves_to_another_user(self, post: Post, sql: Sql, order: tuple[int, int]) -> None:
        """Case P-07: what was linked stays with its Clerk user, in both orders of the events of the move."""
        user_id = add_user(sql)
        add_belongings(sql, user_id)
        post("user.created", ada(updated_at=1_000))
        moves = [ada(updated_at=2_000, email="new@example.com"), ada("user_2", updated_at=3_000)]
        for number in order:
            post("user.updated", moves[number])
        assert (sql.user("user_1")["user_id"], sql.user("user_1")["email"]) == (user_id, "new@example.com")
        assert belongings(sql, user_id) == ALL_THERE
        assert belongings(sql, sql.user("user_2")["user_id"]) == NOTHING
        assert sql.user("user_2")["email_verified"]

    def test_external_id_that_changes_moves_nothing(self, post: Post, sql: Sql) -> None:
        for email in ("a@example.com", "b@example.com"):
            add_user(sql, email)
        post("user.created", ada(external_id="1", updated_at=1_000))
        post("user.updated", ada(external_id="2", updated_at=2_000))
        post("user.updated", ada(external_id=None, updated_at=3_000))
        assert sql.user("user_1")["user_id"] == 1
        assert len(trail(sql)) == 1


NOTED = {"session.created": "last_login_at", "session.ended": "last_logout_at"}


@pytest.mark.parametrize("kind", NOTED)
def test_link_waits_for_a_session_event(
    post: Post, receive: Receive, linking: Server, clerk: Instance, sql: Sql, database_url: str, kind: str
) -> None:
    """The user's own row makes room for the legacy one, but not under an event that is just about to write to it.

    In another process: in one, events about one user wait in line and not for locks.
    """
    user_id = add_user(sql)
    assert linking.get("/auth/me", clerk.token(sub="user_1")).json()["user"]["user_id"] != user_id

    def link_in_the_middle() -> str:
        wait_for(lambda: len(sql.rows(BLOCKED)) == 1)
        with ThreadPoolExecutor(1) as pool:
            linked = pool.submit(post, "user.created", ada())
            wait_for(lambda: len(sql.rows(BLOCKED)) == 2)
            blocker.close()
            return str(linked.result())

    blocker = psycopg2.connect(database_url)
    blocker.cursor().execute("LOCK TABLE usage_metrics IN SHARE MODE")
    send: Callable[[], str] = partial(receive, 1, kind, session_data("user_1", "sess_1"))
    assert in_parallel([send, link_in_the_middle]) == ["applied", "applied"]
    user = sql.row("SELECT * FROM users")
    assert user["user_id"] == user_id
    assert user[NOTED[kind]] is not None


class TestAtOnce:
    @pytest.mark.parametrize("by", ["email", "external_id"])
    def test_many_users_want_one_row(self, post: Post, sql: Sql, by: str) -> None:
        user_id = add_user(sql)
        add_belongings(sql, user_id)

        def want(number: int) -> str:
            named = {"external_id": str(user_id), "email": f"{number}@example.com"}
            mine = named if by == "external_id" else {}
            return str(post("user.created", ada(f"user_{number}", updated_at=1_000 + number, **mine)))

        assert in_parallel([partial(want, number) for number in range(20)]) == ["applied"] * 20
        assert sql.value("SELECT count(*) FROM users WHERE clerk_user_id IS NOT NULL") == 20
        linked = [subject for action, subject, _ in trail(sql) if action == "user.linked"]
        assert linked == [user_id]
        refused = [f"external_id already-linked [{user_id}]"] * 19 if by == "external_id" else []
        assert refusals(sql) == refused
        assert sql.value("SELECT count(*) FROM users WHERE email_verified AND email = %s", ADDRESS) == (by == "email")

    def test_one_user_comes_from_everywhere(self, post: Post, linking: Server, clerk: Instance, sql: Sql) -> None:
        """Fifteen users, each with its first request, events and a session at once: no error, all on their old rows.

        Five users at a time: of sixty transactions at once the last ones are rightly refused on a busy machine, since
        five writers do not get to them within the two seconds that a request waits.
        """
        ids = {f"user_{number}": add_user(sql, f"{number}@example.com") for number in range(15)}

        def request(clerk_user_id: str) -> int:
            return get_me(linking, clerk.token(sub=clerk_user_id)).status_code

        for five in (range(5), range(5, 10), range(10, 15)):
            jobs: list[Callable[[], object]] = []
            for number in five:
                clerk_user_id = f"user_{number}"
                data = user_data(clerk_user_id, email=f"{number}@example.com", updated_at=1_000)
                jobs += [
                    partial(request, clerk_user_id),
                    partial(post, "user.created", data),
                    partial(post, "session.created", session_data(clerk_user_id, clerk_id("sess"))),
                    partial(post, "user.updated", data | {"updated_at": 2_000}),
                ]
            assert set(in_parallel(jobs)) <= {200, "applied", "stale"}
        rows = sql.rows("SELECT clerk_user_id, user_id, clerk_updated_at, last_login_at FROM users")
        assert {row["clerk_user_id"]: row["user_id"] for row in rows} == ids
        assert all(row["clerk_updated_at"].timestamp() == 2 and row["last_login_at"] for row in rows)
        assert sql.value("SELECT count(*) FROM subscriptions") == 15
        assert len(trail(sql)) == 15

    def test_users_want_each_others_rows(self, post: Post, sql: Sql) -> None:
        """external_id points at one row and the address at another, crosswise: nobody waits for ever."""
        for number in range(20):
            add_user(sql, f"{number}@example.com")

        def want(number: int) -> str:
            wanted: dict[str, Any] = {"email": f"{19 - number}@example.com", "external_id": str(number + 1)}
            return str(post("user.created", user_data(f"user_{number}", **wanted)))

        assert in_parallel([partial(want, number) for number in range(20)]) == ["applied"] * 20
        rows = sql.rows("SELECT user_id, clerk_user_id, email FROM users ORDER BY user_id")
        assert [tuple(row.values()) for row in rows] == [
            (number + 1, f"user_{number}", f"{19 - number}@example.com") for number in range(20)
        ]
