"""A user with a plan, and the admin who changes it."""

from typing import Any

from tests.support.admins import ADMIN, add_admin, add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

ADA = "user_ada"
# The month of now becomes the one before.
NEXT_MONTH = """
UPDATE usage_metrics
SET period_start = period_start - interval '1 month', period_end = period_end - interval '1 month'
"""
LAPSE = "UPDATE subscriptions SET status = 'canceled', period_end = now() - interval '1 second' WHERE user_id = %s"
LIMIT = "SELECT tokens_limit FROM usage_metrics WHERE user_id = %s ORDER BY period_start DESC LIMIT 1"


class Subscriber:
    def __init__(self, server: Server, clerk: Instance, sql: Sql) -> None:
        self._server = server
        self._clerk = clerk
        self._sql = sql
        self.user_id = add_user(sql, clerk_user_id=ADA)
        add_admin(sql)

    def show(self) -> dict[str, Any]:
        """What the user sees."""
        return self._get("/api/subscription", ADA)

    def show_admin(self) -> dict[str, Any]:
        return self._get(f"/api/users/{self.user_id}", ADMIN)

    def set_plan(self, plan: str) -> dict[str, Any]:
        """As an admin does. Over a connection of its own: threads may call it."""
        own = Server(self._server.url, self._server.process, self._server.log)
        answer = own.request(
            "PATCH", f"/api/users/{self.user_id}", self._clerk.token(sub=ADMIN), json={"plan": plan}
        )
        own.http.close()
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def cancel(self) -> None:
        """The plan is to end, but not yet."""
        self._sql.rows(
            "UPDATE subscriptions SET status = 'canceled', period_end = '2100-01-01Z' WHERE user_id = %s",
            self.user_id,
        )

    def lapse(self) -> None:
        self._sql.rows(LAPSE, self.user_id)

    def _get(self, path: str, sub: str) -> dict[str, Any]:
        answer = self._server.get(path, self._clerk.token(sub=sub))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body
