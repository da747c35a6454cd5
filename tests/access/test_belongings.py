"""What belongs to a user: erased with its user, moved by a link, bounded by the plan, seen by nobody else.

Nothing here names a resource: the cases follow from backend/resources.py, the foreign keys to `users`, the routes and
the calls of tests/support/outcomes.py.
"""

import pytest
import requests
from flask import Flask
from sqlalchemy import Table

from backend.access.policy import policies_of
from backend.models import Base, User
from backend.models.roles_plans_scopes import Plan, Scope
from backend.resources import OWNED, AtErasure, Owned, quotas
from tests.conftest import Deliver
from tests.support.admins import ADMIN, add_admin
from tests.support.caller import Caller, is_problem, is_same_refusal
from tests.support.clerk import Instance, event, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.legacy_users import ADDRESS, add_user
from tests.support.outcomes import GROUPS, MADE_BY, Call
from tests.support.purging import Purge
from tests.support.rows import all_rows
from tests.support.server import Server

UNKNOWN = 4_711
# To admins users are no secret, and a session is none of our rows.
NO_RESOURCES = ("{user}", "{session}")
ONE_OF_SOMEBODY = [
    call
    for calls in GROUPS.values()
    for call in calls
    if "{" in call.path and not any(word in call.path for word in NO_RESOURCES)
]
COLLECTIONS = [path for path in MADE_BY if any(call.path.startswith(f"{path}/{{") for call in ONE_OF_SOMEBODY)]
TABLES = [owned.table for owned in OWNED]
EACH = pytest.mark.parametrize("owned", OWNED, ids=TABLES)


def make(caller: Caller, path: str) -> requests.Response:
    """What the route makes, with an Idempotency-Key."""
    return caller.call("POST", path, json=MADE_BY[path].body, headers={"Idempotency-Key": path})


def make_all(caller: Caller) -> dict[str, str]:
    """One of each. Where it can be read, by what made it."""
    return {path: make(caller, path).headers["Location"] for path in COLLECTIONS}


def counts(sql: Sql, user_id: int) -> dict[str, int]:
    """How many rows of the user are in each table."""
    return {table: sql.value(f"SELECT count(*) FROM {table} WHERE user_id = %s", user_id) for table in TABLES}


@pytest.fixture
def ada(server: Server, clerk: Instance, sql: Sql) -> Caller:  # noqa: ARG001 - the tables are to be empty
    return Caller(server, clerk)


def user_id_of(sql: Sql, caller: Caller) -> int:
    return int(sql.user(caller.sub)["user_id"])


class TestDeclaration:
    def test_every_table_that_refers_to_users(self) -> None:
        refer = {table.name for table in Base.metadata.sorted_tables if any(_refers_to_users(table))}
        assert sorted(TABLES) == sorted(refer), "OWNED of backend/resources.py says what belongs to users"

    @EACH
    def test_rows_are_found_by_an_index(self, owned: Owned) -> None:
        """Those that go with their user do so in batches, in the order of an index."""
        if owned.at_erasure is AtErasure.DELETE:
            table = _table(owned)
            indexes = [list(index.columns.keys()) for index in table.indexes] + [list(table.primary_key.columns.keys())]
            wanted = ["user_id", *owned.order.split(", ")]
            assert wanted in [columns[: len(wanted)] for columns in indexes], f"`order` of {owned.table} is no index"

    @EACH
    def test_what_is_personal_is_erased(self, owned: Owned) -> None:
        personal = [column.name for column in _table(owned).columns if column.info.get("personal")]
        assert not personal or owned.at_erasure is not AtErasure.KEEP, (
            f"{owned.table} keeps {personal} of a deleted user"
        )

    def test_every_plan_has_its_limits(self) -> None:
        for _, quota in quotas():
            assert list(quota.limits) == list(Plan), f"the quota of {quota.name} names each plan, in their order"


def _table(owned: Owned) -> Table:
    table = owned.model.__table__
    assert isinstance(table, Table)
    return table


def _refers_to_users(table: Table) -> list[bool]:
    return [key.column.table is User.__table__ for key in table.foreign_keys]


class TestErasure:
    def test_rows_go(self, ada: Caller, deliver: Deliver, purge: Purge, sql: Sql) -> None:
        make_all(ada)
        user_id = user_id_of(sql, ada)
        without = [table for table, count in counts(sql, user_id).items() if not count]
        assert without == [], "no POST of tests/support/outcomes.py makes a row there"
        assert deliver("user.deleted", {"id": ada.sub, "object": "user", "deleted": True}).json()["status"] == "applied"
        left = counts(sql, user_id)
        assert {owned.table: left[owned.table] > 0 for owned in OWNED} == {
            owned.table: owned.is_belonging or owned.at_erasure is AtErasure.KEEP for owned in OWNED
        }
        sql.rows("UPDATE users SET deleted_at = now() - interval '7 d'")
        purge()
        left = counts(sql, user_id)
        assert {owned.table: left[owned.table] > 0 for owned in OWNED} == {
            owned.table: owned.at_erasure is AtErasure.KEEP for owned in OWNED
        }

    def test_at_once(self, ada: Caller, settings: dict[str, str], clerk: Instance, sql: Sql) -> None:
        make_all(ada)
        client = make_app(settings | {"DELETED_USER_RETENTION_DAYS": "0"}).test_client()
        body = event("user.deleted", {"id": ada.sub, "object": "user", "deleted": True}, instance_id=clerk.kid)
        answer = client.post("/api/webhooks", data=body, headers=clerk.webhook_headers(body))
        assert answer.get_json() == {"status": "applied"}
        left = counts(sql, user_id_of(sql, ada))
        assert {table for table, count in left.items() if count} == {"subscriptions", "usage_metrics"}


class TestLink:
    def test_everything_moves(self, ada: Caller, deliver: Deliver, sql: Sql) -> None:
        """To the Clerk user whose address a row of the password era has."""
        made = make_all(ada)
        user_id = user_id_of(sql, ada)
        sql.rows(
            "UPDATE users SET clerk_user_id = NULL, provisioned_by = 'legacy', email = %s, email_verified = true",
            ADDRESS,
        )
        before = counts(sql, user_id)
        deliver("user.created", user_data("user_2", email=ADDRESS))
        successor = Caller(ada.server, ada.clerk, "user_2")
        assert {path: successor.call("GET", place).status_code for path, place in made.items()} == dict.fromkeys(
            made, 200
        )
        assert (user_id_of(sql, successor), counts(sql, user_id)) == (user_id, before)

    @pytest.mark.parametrize("path", COLLECTIONS)
    def test_nothing_makes_room(self, ada: Caller, deliver: Deliver, sql: Sql, path: str) -> None:
        """Whoever has made something before the first profile came keeps it: the older row is not linked."""
        place = make(ada, path).headers["Location"]
        add_user(sql)
        deliver("user.created", user_data(ada.sub, email=ADDRESS))
        assert ada.call("GET", place).status_code == 200, "`held` in backend/resources.py lets go of it"
        refused = sql.value("SELECT details ->> 'reason' FROM audit_events WHERE action = 'user.link_refused'")
        assert refused == "own-row-in-use"


class TestQuota:
    def test_each_is_kept(self, ada: Caller, sql: Sql) -> None:
        """By the first route that makes such rows, on the free plan."""
        reached = set()
        ada.call("GET", "/auth/me")
        user_id = user_id_of(sql, ada)
        for path in COLLECTIONS:
            before = counts(sql, user_id)
            assert ada.call("POST", path, json=MADE_BY[path].body).status_code == 201
            grown = {table for table, count in counts(sql, user_id).items() if count > before[table]}
            for owned, quota in quotas():
                limit = quota.limits[Plan.FREE]
                if owned.table in grown and owned.table not in reached and limit is not None:
                    reached.add(owned.table)
                    for _ in range(limit - 1):
                        ada.call("POST", path, json=MADE_BY[path].body)
                    refused = ada.call("POST", path, json=MADE_BY[path].body)
                    assert refused.status_code == 402, f"POST {path} goes beyond the plan: is check_quota() called?"
                    assert is_problem(refused, 402, "quota-exceeded")["limit"] == limit
                    sql.rows(f"DELETE FROM {owned.table} WHERE user_id = %s", user_id)
        assert reached == {owned.table for owned, quota in quotas() if quota.limits[Plan.FREE] is not None}


class TestStranger:
    """The same answer to the letter as for what never was, and nothing changes. Also for an admin."""

    @pytest.mark.parametrize("call", ONE_OF_SOMEBODY, ids=str)
    def test_is_not_there(self, app: Flask, ada: Caller, sql: Sql, call: Call) -> None:
        path, _, action = call.path.partition("/{")
        add_admin(sql)
        made = make(ada, path).headers["Location"].rpartition("/")[2]
        strangers = [Caller(ada.server, ada.clerk, sub) for sub in (ADMIN, "user_2")]
        keys = [stranger.make_key(*Scope) for stranger in strangers]
        for key in keys:  # now, for its use is noted once a minute
            ada.server.get("/auth/me", headers=key)
        before = all_rows(sql)
        rest = action.partition("}")[2]
        for stranger, key in zip(strangers, keys, strict=True):
            for headers in ({}, key):
                asked = [
                    stranger.server.request(
                        call.method,
                        f"{path}/{number}{rest}",
                        None if headers else stranger.clerk.token(sub=stranger.sub),
                        json=call.body,
                        headers=headers,
                    )
                    for number in (made, UNKNOWN)
                ]
                closed = policies_of(app)[_blueprint(app, call)].session_only and headers
                refusals = ["done" if answer.ok else answer.json()["code"] for answer in asked]
                assert refusals == ["forbidden" if closed else "not-found"] * 2, "is user_id in the WHERE?"
                assert is_same_refusal(*asked)
        assert all_rows(sql) == before


def _blueprint(app: Flask, call: Call) -> str:
    path = call.path.replace("{", "<").partition("<")[0] + "1" + call.path.partition("}")[2]
    endpoint, _ = app.url_map.bind("localhost").match(path, call.method)
    return str(endpoint).partition(".")[0]
