"""`flask users merge`, `restore` and `relink`: what belongs to a user moves, or the user to another Clerk id."""

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ForeignKey, UniqueConstraint, create_engine, make_url
from sqlalchemy.orm import Mapped, mapped_column

from backend.models import User
from backend.resources import OWNED, AtErasure, Owned
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.webhooks.named_users import NamedUser, find_user_ids, read_named_users
from backend.services.users.merge import move_rows
from tests.conftest import Deliver
from tests.documentation.pages import blocks
from tests.support.admins import add_user
from tests.support.caller import Caller, is_problem
from tests.support.clerk import Instance, user_data
from tests.support.commands import EVENTS, Cli, assert_refused, make_app, run
from tests.support.database import Sql
from tests.support.outcomes import MADE_BY
from tests.support.rows import all_rows
from tests.support.server import Server
from tests.support.specimen.base import Base

BELONGINGS = [owned.table for owned in OWNED if owned.is_belonging]


@pytest.fixture
def cli(app: Flask, sql: Sql) -> Cli:  # noqa: ARG001 - the tables are to be empty
    return partial(run, app)


@pytest.fixture
def ada(server: Server, clerk: Instance, sql: Sql) -> Caller:  # noqa: ARG001
    """Somebody who has made one of each."""
    ada = Caller(server, clerk)
    for path, call in MADE_BY.items():
        ada.call("POST", path, json=call.body)
    return ada


def counts(sql: Sql, user_id: int) -> dict[str, int]:
    return {table: sql.value(f"SELECT count(*) FROM {table} WHERE user_id = %s", user_id) for table in BELONGINGS}


def delete(deliver: Deliver, clerk_user_id: str) -> None:
    gone = {"id": clerk_user_id, "object": "user", "deleted": True}
    assert deliver("user.deleted", gone).json() == {"status": "applied"}


class TestMerge:
    @pytest.mark.parametrize("is_deleted", [True, False])
    def test_everything_moves(self, ada: Caller, cli: Cli, deliver: Deliver, sql: Sql, *, is_deleted: bool) -> None:
        source, key = sql.user(ada.sub)["user_id"], ada.make_key("profile:read")
        into = add_user(sql, clerk_user_id="user_2")
        had = counts(sql, source)
        assert 0 not in had.values()
        if is_deleted:
            delete(deliver, ada.sub)
            is_problem(ada.server.get("/auth/me", headers=key), 401, "user-deleted")
        before = all_rows(sql)
        shown = cli("merge", str(source), "--into", "user_2", "--dry-run").stdout
        assert shown.startswith(f"User {into} would get:\n")
        assert all_rows(sql) == before
        done = cli("merge", str(source), "--into", "user_2", "--yes")
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout.splitlines()[1:] == shown.splitlines()[1:]
        assert (counts(sql, into), set(counts(sql, source).values())) == (had, {0})
        is_problem(ada.server.get("/auth/me", headers=key), 401, "api-key-revoked")
        assert [(row["action"], row["subject_user_id"]) for row in sql.rows(EVENTS)][-2:] == [
            ("user.merged", into),
            ("user.merged", source),
        ]
        again = cli("merge", str(source), "--into", "user_2", "--yes").stdout
        assert again == f"There is nothing that user {into} has got.\n"

    def test_usage_adds_up(self, cli: Cli, sql: Sql) -> None:
        source, into = add_user(sql), add_user(sql)
        sql.rows("UPDATE usage_metrics SET tokens_used = 7, campaigns_created = 1, api_requests = user_id")
        for user_id, month in ((source, "2020-01-01Z"), (source, "2020-02-01Z"), (into, "2020-02-01Z")):
            sql.rows(
                "INSERT INTO usage_metrics (user_id, period_start, period_end, tokens_used) "
                "VALUES (%s, %s, %s::timestamptz + interval '28 d', 5)",
                *(user_id, month, month),
            )
        assert cli("merge", str(source), "--into", str(into), "--yes").exit_code == 0
        months = "SELECT tokens_used, api_requests FROM usage_metrics WHERE user_id = %s ORDER BY period_start"
        assert [row["tokens_used"] for row in sql.rows(months, into)] == [5, 10, 14]
        assert sql.rows(months, into)[-1]["api_requests"] == source + into
        assert sql.rows(months, source) == [{"tokens_used": 0, "api_requests": 0}]

    @pytest.mark.parametrize(
        ("plans", "at_clerk", "end", "expected"),
        [
            (("free", "pro"), None, None, "pro"),
            (("free", "pro"), None, "2099-01-01Z", "pro"),
            (("free", "pro"), None, "2020-01-01Z", "free"),
            (("free", "pro"), "csub_1", None, "free"),
            (("pro", "enterprise"), None, None, "pro"),
        ],
    )
    def test_plan(
        self, cli: Cli, deliver: Deliver, sql: Sql, plans: tuple[str, str], at_clerk: str, end: str, expected: str
    ) -> None:
        """A paid plan of the survivor stays; of the other comes what was given here."""
        own, plan = plans
        source, into = add_user(sql, clerk_user_id="user_1", plan=plan), add_user(sql, plan=own)
        sql.rows(
            "UPDATE subscriptions SET clerk_subscription_id = %s, period_end = %s, stripe_customer_id = 'cus_1' "
            "WHERE user_id = %s",
            *(at_clerk, end, source),
        )
        delete(deliver, "user_1")
        assert cli("merge", str(source), "--into", str(into), "--yes").exit_code == 0
        row = sql.row("SELECT * FROM subscriptions WHERE user_id = %s", into)
        assert row["plan"] == expected
        assert (row["stripe_customer_id"] == "cus_1") == (own != expected)
        left = sql.value("SELECT plan FROM subscriptions WHERE user_id = %s", source)
        assert left == ("free" if own != expected else plan)
        assert (row["period_end"] is not None) == (own != expected and end is not None)

    def test_asks(self, app: Flask, sql: Sql) -> None:
        source, into = add_user(sql), add_user(sql)
        sql.rows("UPDATE usage_metrics SET tokens_used = 1")
        before = all_rows(sql)
        for answer, status in (("n\n", 1), ("", 1), ("y\n", 0)):
            assert all_rows(sql) == before
            arguments = ["users", "merge", str(source), "--into", str(into)]
            assert app.test_cli_runner().invoke(args=arguments, input=answer).exit_code == status
        assert all_rows(sql) != before

    def test_refused(self, cli: Cli, deliver: Deliver, sql: Sql) -> None:
        one, two, old = (add_user(sql, clerk_user_id=f"user_{n}") for n in range(3))
        for gone in ("user_1", "user_2"):
            delete(deliver, gone)
        sql.rows("UPDATE users SET deleted_at = now() - interval '7 d' WHERE user_id = %s", old)
        for source, into, reason in (
            (one, one, "same user"),
            (one, two, "no live user"),
            (old, one, "more than 7 days ago"),
            (99, one, "no live user"),
        ):
            assert_refused(cli("merge", str(source), "--into", str(into), "--yes"), reason)

    def test_without_retention(self, settings: dict[str, str], deliver: Deliver, sql: Sql) -> None:
        source, into = add_user(sql, clerk_user_id="user_1"), add_user(sql)
        delete(deliver, "user_1")
        app = make_app(settings | {"DELETED_USER_RETENTION_DAYS": "0"})
        assert_refused(run(app, "merge", str(source), "--into", str(into), "--yes"), "erased")

    def test_both_ways_at_once(self, settings: dict[str, str], sql: Sql) -> None:
        """They wait for each other in one order: no deadlock, nothing is lost or doubled."""
        one, two = add_user(sql), add_user(sql)
        sql.rows("UPDATE usage_metrics SET tokens_used = 5")
        results: list[int] = []

        def merge(source: int, into: int) -> None:
            app = make_app(settings)
            results.extend(run(app, "merge", str(source), "--into", str(into), "--yes").exit_code for _ in range(5))

        threads = [threading.Thread(target=merge, args=pair) for pair in ((one, two), (two, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [0] * 10
        assert sql.value("SELECT sum(tokens_used) FROM usage_metrics") == 10


class Lone(Base):
    """Of these a user may have one of a name."""

    __tablename__ = "lone"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    lone_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.user_id))
    name: Mapped[str | None]


@pytest.fixture
def lone(sql: Sql) -> Iterator[None]:
    sql.rows("CREATE TABLE lone (lone_id bigserial, user_id bigint, name text, UNIQUE (user_id, name))")
    yield
    sql.rows("DROP TABLE lone")


@pytest.mark.usefixtures("lone")
def test_like_of_the_other_stays(database_url: str, sql: Sql) -> None:
    sql.rows("INSERT INTO lone (user_id, name) VALUES (1, 'a'), (1, 'b'), (1, NULL), (2, 'a'), (2, NULL)")
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        assert move_rows(connection, Owned(model=Lone, at_erasure=AtErasure.DELETE), 1, 2) == 2
    engine.dispose()
    assert sql.rows("SELECT user_id, name FROM lone WHERE user_id = 1") == [{"user_id": 1, "name": "a"}]


class TestRestore:
    def test_of_a_deleted_user(self, ada: Caller, cli: Cli, deliver: Deliver, sql: Sql) -> None:
        source, had = sql.user(ada.sub)["user_id"], counts(sql, sql.user(ada.sub)["user_id"])
        assert_refused(cli("restore", str(source), "user_2", "--yes"), "no live user user_2")
        deliver("user.created", user_data("user_2"))
        assert_refused(cli("restore", str(source), "user_2", "--yes"), "not deleted")
        delete(deliver, ada.sub)
        assert cli("restore", ada.sub, "user_2", "--yes").exit_code == 0
        assert counts(sql, sql.user("user_2")["user_id"]) == had
        assert sql.user(ada.sub)["deleted_at"] is not None
        assert deliver("user.updated", user_data(ada.sub)).json() == {"status": "stale"}
        assert "user.restored" in {row["action"] for row in sql.rows(EVENTS)}


class TestRelink:
    def test_nothing_ends(self, ada: Caller, cli: Cli, deliver: Deliver, clerk: Instance, sql: Sql) -> None:
        """The new instance has told of the user already, with a time before that of the old one."""
        deliver("user.created", user_data(ada.sub, updated_at=9_000, first_name="Old", email="ada@example.com"))
        deliver("user.created", user_data("user_new", updated_at=1_000, first_name="New", email="ada@example.com"))
        user_id, key = sql.user(ada.sub)["user_id"], ada.make_key("profile:read")
        had, before = counts(sql, user_id), all_rows(sql)
        assert cli("relink", str(user_id), "user_new", "--dry-run").exit_code == 0
        assert all_rows(sql) == before
        assert cli("relink", str(user_id), "user_new").stdout == "1 relinked, of 1.\n"
        row = sql.user("user_new")
        assert (row["user_id"], row["first_name"], row["email_verified"]) == (user_id, "New", True)
        assert counts(sql, user_id) == had
        assert [copy["id"] for copy in sql.rows("SELECT id FROM clerk.users")] == ["user_new"]
        me = ada.server.get("/auth/me", headers=key).json()["user"]
        assert (me["user_id"], me["clerk_user_id"]) == (user_id, "user_new")
        assert ada.server.get("/auth/me", clerk.token(sub="user_new")).json()["user"]["user_id"] == user_id
        assert deliver("user.updated", user_data("user_new", updated_at=2_000)).json() == {"status": "applied"}
        assert cli("relink", str(user_id), "user_new").stdout == "0 relinked, of 1.\n"
        # And back.
        assert cli("relink", str(user_id), ada.sub).stdout == "1 relinked, of 1.\n"
        trail = [row["details"] for row in sql.rows(EVENTS) if row["action"] == "user.relinked"]
        assert [(told["from"], told["to"]) for told in trail] == [(ada.sub, "user_new"), ("user_new", ada.sub)]

    def test_refused(self, cli: Cli, deliver: Deliver, sql: Sql) -> None:
        live, used = add_user(sql, clerk_user_id="user_1"), add_user(sql, clerk_user_id="user_2", plan="pro")
        gone, legacy = add_user(sql, clerk_user_id="user_3"), add_user(sql, clerk_user_id=None)
        delete(deliver, "user_3")
        before = all_rows(sql)
        for user_id, to, reason in (
            *((99, "user_9", "no such user"), (gone, "user_9", "deleted"), (legacy, "user_9", "never at Clerk")),
            *((live, "user_3", "user_3 was deleted"), (live, "user_2", f"user {used}, who has something")),
        ):
            result = cli("relink", str(user_id), to)
            assert (result.exit_code, reason in result.stderr) == (1, True), result.stderr
        assert cli("relink", str(live), "org_1").exit_code == 2
        assert cli("relink", str(live)).exit_code == 2
        assert all_rows(sql) == before

    def test_csv(self, cli: Cli, sql: Sql, tmp_path: Path) -> None:
        ids = [add_user(sql, clerk_user_id=f"user_dev{n}") for n in range(4)]
        file = tmp_path / "users.csv"

        def relink(*lines: str, heading: str = "user_id,clerk_user_id") -> Any:
            file.write_text("\n".join([heading, *lines]))
            return cli("relink", "--csv", str(file))

        before = all_rows(sql)
        wrong = relink(f"{ids[0]},user_a", "99,user_b", "x,user_c", f"{ids[0]},user_d", f"{ids[1]},user_a", "1")
        assert wrong.exit_code == 1
        assert [line.partition(":")[0] for line in wrong.stderr.splitlines()[:-1]] == [
            *("Line 4", "Line 5", "Line 6", "Error")
        ]
        wrong = relink(f"{ids[0]},user_a", "99,user_b", "98,user_c")
        assert wrong.stderr.splitlines() == [
            "Line 3: There is no such user.",
            "Error: Line 4: There is no such user.",
            "Nothing was changed.",
        ]
        assert relink(heading="clerk_user_id,user_id").exit_code == 1
        assert all_rows(sql) == before
        # Stopped after the first: the rest is done, and what was done stays.
        assert relink(f"{ids[0]},user_p0").stdout == "1 relinked, of 1.\n"
        assert relink(*(f"{user_id},user_p{n}" for n, user_id in enumerate(ids))).stdout == "3 relinked, of 4.\n"
        assert [row["clerk_user_id"] for row in sql.rows("SELECT clerk_user_id FROM users ORDER BY user_id")] == [
            f"user_p{n}" for n in range(4)
        ]


def test_page_on_moving(cli: Cli, sql: Sql, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All of docs/moving-to-production.md, in its order."""
    page = "docs/moving-to-production.md"
    for user_id in (12, 13):
        add_user(sql, user_id=user_id, clerk_user_id=f"user_dev{user_id}")
    to_export, empty_the_copy, left_out = (block.text for block in blocks("sql", page))
    assert [row["user_id"] for row in sql.rows(to_export)] == [row["user_id"] for row in sql.rows(left_out)] == [12, 13]
    sql.rows(empty_the_copy)
    assert {f"clerk.{name}" for name in KINDS} == set(re.findall(r"clerk\.\w+", empty_the_copy))
    (told,) = blocks("text", page)
    (tmp_path / "users.csv").write_text(told.text)
    monkeypatch.chdir(tmp_path)
    *commands, backfill = [line for block in blocks("sh", page) for line in block.text.splitlines()]
    assert backfill.endswith(" clerk backfill")  # tests/mirror runs it against a Clerk
    done = [cli(*command.removeprefix(".venv/bin/flask --app wsgi users ").split()).stdout for command in commands]
    assert done == ["2 can be relinked.\n", "2 relinked, of 2.\n", "0 relinked, of 1.\n"]
    assert sql.rows(left_out) == []


class TestMergedAtClerk:
    """The payload of user.merged was never seen: it is kept, with whatever ids are in it."""

    def test_ids(self) -> None:
        told = {"type": "user.merged", "data": {"id": "user_1", "from": {"user_id": "user_2"}, "all": ["user_1", 3]}}
        assert find_user_ids(json.dumps(told)) == ["user_1", "user_2"]
        for nothing in ("", "{", "null", '"user 1"', '{"user_3": "user_id?"}', "[" * 100_000, "[" * 980 + "]" * 980):
            assert find_user_ids(nothing) == []

    @pytest.mark.parametrize("is_deleted_first", [False, True])
    def test_ids_outlive_the_user(
        self, app: Flask, database_url: str, deliver: Deliver, sql: Sql, *, is_deleted_first: bool
    ) -> None:
        user_id = add_user(sql, clerk_user_id="user_1")
        told = {"id": "user_1", "into": "user_2", "email": "ada@example.com"}
        if is_deleted_first:
            delete(deliver, "user_1")
        assert deliver("user.merged", told).json() == {"status": "ignored"}
        if not is_deleted_first:
            delete(deliver, "user_1")
        kept = sql.value("SELECT payload FROM webhook_events WHERE type = 'user.merged'")
        assert "ada" not in kept
        engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
        with engine.connect() as connection:
            assert read_named_users(connection, kept) == [
                NamedUser("user_1", user_id, is_deleted=True),
                NamedUser("user_2", None, is_deleted=False),
            ]
        engine.dispose()
        event_id = sql.value("SELECT event_id FROM webhook_events WHERE type = 'user.merged'")
        shown = app.test_cli_runner().invoke(args=["webhooks", "show", event_id]).stdout
        assert re.search(rf"^user_1 +user {user_id} +deleted$", shown, re.MULTILINE)
        assert re.search(r" user_2$", shown, re.MULTILINE)
