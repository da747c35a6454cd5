"""A user with a plan, and the admin who changes it."""

from typing import Any

from tests.support.admins import Users, add_admin, add_user
from tests.support.caller import Caller
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
        self._ada, self._admin, self._sql = (Caller(server, clerk, ADA, "/api/subscription"), Users(server, clerk), sql)
        self.user_id = add_user(sql, clerk_user_id=ADA)
        add_admin(sql)

    def show(self) -> Any:
        """What the user sees."""
        return self._ada.page()

    def show_admin(self) -> Any:
        return self._admin.show(self.user_id)

    def set_plan(self, plan: str) -> Any:
        """As an admin does."""
        answer = self._admin.patch(self.user_id, plan=plan)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def cancel(self) -> None:
        """The plan is to end, but not yet."""
        end = "UPDATE subscriptions SET status = 'canceled', period_end = '2100-01-01Z' WHERE user_id = %s"
        self._sql.rows(end, self.user_id)

    def lapse(self) -> None:
        self._sql.rows(LAPSE, self.user_id)
