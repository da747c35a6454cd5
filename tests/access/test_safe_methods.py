"""GET and HEAD change no row, on any route: what a link or an image can make a browser do is harmless."""

import re

import pytest
from flask import Flask

from backend.api import register_routes
from tests.access.conftest import ADMIN, SESSION
from tests.support.admins import add_user
from tests.support.clerk import Instance
from tests.support.clerk_api import ApiServer
from tests.support.database import Sql
from tests.support.rows import all_rows, changed_tables
from tests.support.server import Server

QUERIES = ("", f"?session_id={SESSION}", "?limit=1&search=a&name=x&role=admin&banned=true&_method=DELETE")


def _paths() -> list[str]:
    """The rules of the URL map; an id is 1: that row is the caller's own."""
    app = Flask("map", static_folder=None)
    register_routes(app)
    return sorted({re.sub(r"<[^>]+>", "1", rule.rule) for rule in app.url_map.iter_rules()})


PATHS = _paths()


class Visitor:
    """A complete admin with an API key, by every credential."""

    def __init__(self, site: Server, clerk: Instance, sql: Sql) -> None:
        self.site, self.clerk, self.sql = site, clerk, sql
        add_user(sql, clerk_user_id=ADMIN, role="admin")
        body = {"name": "laptop", "scopes": ["profile:read", "profile:write", "tokens:spend"]}
        self.key = site.request("POST", "/api/keys", clerk.token(sub=ADMIN), json=body).json()["key"]

    def credential(self, kind: str) -> dict[str, str]:
        token = self.clerk.token(sub=ADMIN, sid=SESSION)
        return {
            "none": {},
            "session": {"Authorization": f"Bearer {token}"},
            "cookie": {"Cookie": f"__session={token}"},
            "forged": {"Authorization": f"Bearer {Instance().token()}"},
            "api-key": {"X-API-Key": self.key},
        }[kind]

    def visit(self, credential: dict[str, str], paths: list[str]) -> dict[str, set[int]]:
        """Every path with every query, by GET and HEAD; the statuses of each path."""
        return {
            path: {
                self.site.request(method, path + query, headers=credential).status_code
                for method in ("GET", "HEAD")
                for query in QUERIES
            }
            for path in paths
        }


@pytest.fixture
def visitor(site: Server, clerk: Instance, sql: Sql) -> Visitor:
    return Visitor(site, clerk, sql)


class TestNothingChanges:
    @pytest.mark.parametrize("kind", ["none", "session", "cookie", "forged"])
    def test_at_all(self, visitor: Visitor, clerk_api: ApiServer, kind: str) -> None:
        before, asked = all_rows(visitor.sql), len(clerk_api.asked)
        statuses = visitor.visit(visitor.credential(kind), PATHS)
        assert changed_tables(before, all_rows(visitor.sql)) == set()
        assert {call.method for call in clerk_api.asked[asked:]} <= {"GET"}
        assert max(max(seen) for seen in statuses.values()) < 500
        if kind in {"session", "cookie"}:
            # They were let in: the silence is not that of a closed door.
            for path in ("/auth/me", "/protected", "/api/keys", "/api/keys/1", "/api/users", "/api/users/1"):
                assert 200 in statuses[path], path

    def test_but_the_time_of_a_keys_last_use(self, visitor: Visitor) -> None:
        before = all_rows(visitor.sql)
        visitor.visit(visitor.credential("api-key"), PATHS)
        after = all_rows(visitor.sql)
        assert after["api_keys"][0]["last_used_at"] is not None
        after["api_keys"][0]["last_used_at"] = None
        assert after == before


class TestStated:
    """What a GET may write, and only the first one."""

    def test_a_user_who_is_new_here(self, visitor: Visitor, clerk: Instance) -> None:
        headers = {"Authorization": f"Bearer {clerk.token(sub='user_new')}"}
        before = all_rows(visitor.sql)
        visitor.visit(headers, ["/auth/me"])
        made = all_rows(visitor.sql)
        assert changed_tables(before, made) == {"users", "subscriptions", "usage_metrics"}
        visitor.visit(headers, PATHS)
        assert all_rows(visitor.sql) == made

    def test_a_month_that_is_new(self, visitor: Visitor) -> None:
        visitor.sql.rows("DELETE FROM usage_metrics")
        before = all_rows(visitor.sql)
        visitor.visit(visitor.credential("session"), ["/auth/me"])
        assert changed_tables(before, all_rows(visitor.sql)) == {"usage_metrics"}

    def test_an_impersonation(self, visitor: Visitor, clerk: Instance) -> None:
        token = clerk.token(sub=ADMIN, sid=SESSION, act={"sub": "user_support"})
        before = all_rows(visitor.sql)
        visitor.visit({"Authorization": f"Bearer {token}"}, PATHS)
        after = all_rows(visitor.sql)
        assert changed_tables(before, after) == {"audit_events"}
        assert [row["action"] for row in after["audit_events"]] == ["api_key.created", "session.impersonated"]
