"""`api_requests` in the rows, and in the memory of a worker until it is written."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from backend.database.engine import STATEMENT_SECONDS
from backend.server.request_counter import MOST_USERS, RequestCounter
from backend.services.plans.usage import add_requests
from tests.conftest import Deliver
from tests.plans.test_request_counts import counted
from tests.support import legacy_users
from tests.support.admins import add_user
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import in_parallel


@contextmanager
def transaction(database_url: str) -> Iterator[Connection]:
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


class TestAdd:
    """What one flush does to the rows."""

    def test_added(self, database_url: str, sql: Sql) -> None:
        ids = [add_user(sql) for _ in range(3)]
        for _ in range(2):
            with transaction(database_url) as connection:
                add_requests(connection, {ids[2]: 5, ids[0]: 1})
        assert counted(sql) == {ids[0]: 2, ids[1]: 0, ids[2]: 10}

    def test_new_month(self, database_url: str, sql: Sql) -> None:
        """The month began between request and flush: its row is made, the old one is left alone."""
        user_id = add_user(sql)
        sql.rows(
            "UPDATE usage_metrics SET api_requests = 9, tokens_used = 8, period_end = period_start, "
            "period_start = (period_start AT TIME ZONE 'UTC' - interval '1 month') AT TIME ZONE 'UTC'"
        )
        old = sql.row("SELECT * FROM usage_metrics")
        with transaction(database_url) as connection:
            add_requests(connection, {user_id: 4})
        rows = sql.rows("SELECT * FROM usage_metrics ORDER BY period_start")
        assert rows[0] == old
        assert (rows[1]["api_requests"], rows[1]["tokens_used"]) == (4, 0)
        assert rows[1]["period_start"] == old["period_end"]

    def test_who_is_gone(self, database_url: str, deliver: Deliver, sql: Sql) -> None:
        """A tombstone gets nothing, a user_id that has vanished neither, and both hold up nobody."""
        deliver("user.created", user_data("user_1"))
        deliver("user.deleted", {"id": "user_1", "object": "user", "deleted": True})
        bare = add_user(sql, deleted_at="2026-01-01Z")
        sql.rows("DELETE FROM usage_metrics WHERE user_id = %s", bare)
        user_id = add_user(sql)
        before = sql.rows("SELECT * FROM usage_metrics WHERE user_id <> %s", user_id)
        with transaction(database_url) as connection:
            add_requests(connection, {sql.user("user_1")["user_id"]: 3, bare: 3, user_id: 2, 10**9: 1})
        assert sql.rows("SELECT * FROM usage_metrics WHERE user_id <> %s", user_id) == before
        assert counted(sql)[user_id] == 2

    def test_two_workers_at_once(self, database_url: str, sql: Sql) -> None:
        """The same users in opposite orders: no deadlock, nothing lost."""
        ids = [add_user(sql) for _ in range(50)]

        def add(order: list[int]) -> None:
            left = dict.fromkeys(order, 1)
            while left:
                with transaction(database_url) as connection:
                    left = add_requests(connection, left)

        in_parallel([partial(add, ids), partial(add, ids[::-1])] * 4)
        assert counted(sql) == dict.fromkeys(ids, 8)

    def test_a_row_that_somebody_holds(self, database_url: str, sql: Sql) -> None:
        """It is left for the next time, and nobody waits."""
        ids = [add_user(sql) for _ in range(3)]
        with transaction(database_url) as holder, transaction(database_url) as connection:
            holder.execute(text(f"UPDATE usage_metrics SET tokens_used = 1 WHERE user_id = {ids[1]}"))
            assert add_requests(connection, dict.fromkeys(ids, 5)) == {ids[1]: 5}
        assert counted(sql) == {ids[0]: 5, ids[1]: 0, ids[2]: 5}

    def test_counter_keeps_what_is_left(self, app: Flask, database_url: str, sql: Sql) -> None:
        user_id, counter = add_user(sql), app.extensions["counterfoil"].request_counter
        counter.count(user_id)
        with transaction(database_url) as holder:
            holder.execute(text("UPDATE usage_metrics SET tokens_used = 1"))
            assert counter.flush()
        assert not counter.flush()
        assert counted(sql) == {user_id: 1}


def test_requests_do_not_keep_a_row_from_being_linked(
    server: Server, clerk: Instance, deliver: Deliver, sql: Sql
) -> None:
    """A bare row makes room although requests were counted for it; their number goes with it."""
    legacy = legacy_users.add_user(sql)
    own = server.get("/auth/me", clerk.token(sub="user_1")).json()["user"]["user_id"]
    sql.rows("UPDATE usage_metrics SET api_requests = 12 WHERE user_id = %s", own)
    deliver("user.created", legacy_users.ada())
    assert sql.user("user_1")["user_id"] == legacy
    assert counted(sql) == {legacy: 0}


class TestMemory:
    """What stays in a worker between flushes."""

    @given(st.lists(st.one_of(st.integers(1, 5), st.sampled_from(["flush", "fail"]))))
    def test_nothing_lost_nothing_doubled(self, events: list[int | str]) -> None:
        written, model, does_fail = Counter[int](), Counter[int](), False

        def transact(work: Callable[[Any], Any], **_user: Any) -> Any:
            if does_fail:
                counter.count(9)  # one more comes while the database is asked in vain
                raise OperationalError("", {}, Exception())
            written.update(work.__closure__[0].cell_contents)  # type: ignore[index] # the counts
            return {}

        counter = RequestCounter(transact)
        for event in [*events, "flush"]:
            if isinstance(event, int):
                model[event] += 1
                counter.count(event)
                continue
            does_fail = event == "fail" and bool(model - written)
            model[9] += does_fail
            with suppress(OperationalError):
                counter.flush()
        assert written == model

    def test_oldest_are_dropped(self) -> None:
        def fail(work: Callable[[Any], Any], **_user: Any) -> Any:  # noqa: ARG001
            raise OperationalError("", {}, Exception())

        counter = RequestCounter(fail)
        for user_id in (*range(MOST_USERS), MOST_USERS, 0, MOST_USERS + 1):
            counter.count(user_id)
        with pytest.raises(OperationalError):
            counter.flush()
        kept = counter._counts
        assert len(kept) == MOST_USERS
        assert not {0, 1} & kept.keys()
        assert {MOST_USERS, MOST_USERS + 1} <= kept.keys()


def test_largest_flush(database_url: str, sql: Sql) -> None:
    """After an outage: it ends within the time that a statement has, or it would fail for ever."""
    sql.rows("INSERT INTO users (clerk_user_id) SELECT 'u' || n FROM generate_series(1, %s) n", MOST_USERS)
    sql.rows("INSERT INTO usage_metrics (user_id) SELECT user_id FROM users")
    sql.rows("ANALYZE users")
    sql.rows("ANALYZE usage_metrics")
    with transaction(database_url) as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
        add_requests(connection, dict.fromkeys(range(1, MOST_USERS + 1), 1))
