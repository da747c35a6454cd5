"""An admin, and callers who are none although they come near it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.caller import Caller
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
        ("deprovisioned admin", (403, "user-deprovisioned")),
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


def set_plan(sql: Sql, plan: str, sub: str = "user_1") -> None:
    """By SQL, as no admin does."""
    sql.rows(
        "UPDATE subscriptions SET plan = %s WHERE user_id = (SELECT user_id FROM users WHERE clerk_user_id = %s)",
        plan,
        sub,
    )


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
            return Users(server, clerk).make_key("profile:read", "profile:write", "tokens:spend")
        case "impersonated admin":
            return _bearer(clerk.token(sub=ADMIN, act={"sub": "user_support"}))
        case "deactivated admin":
            sql.rows("UPDATE users SET is_active = false WHERE clerk_user_id = %s", ADMIN)
        case "banned admin":
            sql.rows("UPDATE users SET banned = true WHERE clerk_user_id = %s", ADMIN)
        case "deprovisioned admin":
            sql.rows("UPDATE users SET deprovisioned = true WHERE clerk_user_id = %s", ADMIN)
    return _bearer(clerk.token(sub=ADMIN))


class Users(Caller):
    """Administration, as one admin asks for it."""

    def __init__(self, server: Server, clerk: Instance) -> None:
        super().__init__(server, clerk, ADMIN, "/api/users")

    def ask(self, **query: Any) -> requests.Response:
        return self.call("GET", params=query)

    def ids(self, **query: Any) -> list[int]:
        return [user["user_id"] for user in self.page(**query)["users"]]

    def pages(self, **query: Any) -> Iterator[list[int]]:
        return self.listed("users", "user_id", **query)

    def show(self, user_id: int) -> Any:
        answer = self.call("GET", f"/{user_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def patch(self, user_id: int, **change: Any) -> requests.Response:
        return self.call("PATCH", f"/{user_id}", json=change)


def states(sql: Sql) -> list[dict[str, Any]]:
    """All that an admin could have changed."""
    return sql.rows(
        "SELECT u.*, s.plan, (SELECT count(*) FROM audit_events WHERE action LIKE 'user.%') AS events "
        "FROM users u JOIN subscriptions s USING (user_id) ORDER BY user_id"
    )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
