"""An admin, and callers who are none although they come near it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clerk import Instance, clerk_id
from tests.support.database import Sql
from tests.support.server import Server

ADMIN = "user_admin"
REFUSED = pytest.mark.parametrize(
    ("caller", "outcome"),
    [
        ("anonymous", (401, "session-token-missing")),
        ("user", (403, "forbidden")),
        ("developer", (403, "forbidden")),
        ("key of an admin", (403, "forbidden")),
        ("impersonated admin", (403, "forbidden")),
        ("deactivated admin", (403, "forbidden")),
        ("banned admin", (403, "user-banned")),
    ],
)


def add_user(sql: Sql, **columns: Any) -> int:
    """A complete user, by SQL; the user_id. `plan` goes to the subscription."""
    plan = columns.pop("plan", "free")
    columns = {"clerk_user_id": clerk_id("user"), "email_verified": "email" in columns, **columns}
    places = ", ".join(["%s"] * len(columns))
    user_id: int = sql.value(
        f"INSERT INTO users ({', '.join(columns)}) VALUES ({places}) RETURNING user_id", *columns.values()
    )
    sql.rows("INSERT INTO subscriptions (user_id, plan) VALUES (%s, %s)", user_id, plan)
    sql.rows("INSERT INTO usage_metrics (user_id) VALUES (%s)", user_id)
    return user_id


def add_admin(sql: Sql) -> int:
    return add_user(sql, clerk_user_id=ADMIN, role="admin")


def credential(caller: str, server: Server, clerk: Instance, sql: Sql) -> dict[str, str]:
    """The headers of a caller named in REFUSED. The admin is there already."""
    match caller:
        case "anonymous":
            return {}
        case "user" | "developer":
            add_user(sql, clerk_user_id="user_plain", role=caller)
            return _bearer(clerk.token(sub="user_plain"))
        case "key of an admin":
            key = {"name": "all", "scopes": ["profile:read", "campaigns:write", "tokens:spend"]}
            made = server.request("POST", "/api/keys", clerk.token(sub=ADMIN), json=key)
            return {"X-API-Key": made.json()["key"]}
        case "impersonated admin":
            return _bearer(clerk.token(sub=ADMIN, act={"sub": "user_support"}))
        case "deactivated admin":
            sql.rows("UPDATE users SET is_active = false WHERE clerk_user_id = %s", ADMIN)
        case "banned admin":
            sql.rows("UPDATE users SET banned = true WHERE clerk_user_id = %s", ADMIN)
    return _bearer(clerk.token(sub=ADMIN))


class Users:
    """The list, as one admin asks for it."""

    def __init__(self, server: Server, clerk: Instance) -> None:
        self._server = server
        self._clerk = clerk

    def ask(self, **query: Any) -> Any:
        return self._server.get("/api/users", self._clerk.token(sub=ADMIN), params=query)

    def page(self, **query: Any) -> Any:
        answer = self.ask(**query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, **query: Any) -> list[int]:
        return [user["user_id"] for user in self.page(**query)["users"]]

    def pages(self, **query: Any) -> Iterator[list[int]]:
        cursor: dict[str, str] = {}
        while True:
            page = self.page(**query, **cursor)
            yield [user["user_id"] for user in page["users"]]
            if page["next_cursor"] is None:
                return
            assert page["next_cursor"] != cursor.get("cursor"), "the same page for ever"
            cursor = {"cursor": page["next_cursor"]}


def states(sql: Sql) -> list[dict[str, Any]]:
    """All that an admin could have changed."""
    return sql.rows(
        "SELECT u.*, s.plan, (SELECT count(*) FROM audit_events WHERE action LIKE 'user.%') AS events "
        "FROM users u JOIN subscriptions s USING (user_id) ORDER BY user_id"
    )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
