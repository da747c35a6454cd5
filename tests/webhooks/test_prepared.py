"""What each event pays is prepared by PostgreSQL. Through PgBouncer another server connection may come each time, one
that has prepared it or has not: that costs a second attempt, and never an event.
"""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Connection

from backend.container import db
from tests.support.clerk import Instance, event, now_ms, user_data
from tests.support.database import Sql

PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'counterfoil_%%'"


def is_gone(connection: Connection) -> None:
    connection.exec_driver_sql("DEALLOCATE ALL")


def is_there_already(connection: Connection) -> None:
    connection.info["prepared"].clear()


@pytest.mark.parametrize("change", [is_gone, is_there_already])
def test_connection_is_unlike_last_time(
    app: Flask, clerk: Instance, sql: Sql, change: Callable[[Connection], None]
) -> None:
    client = app.test_client()
    at = now_ms() - 100

    def send(name: str, at: int) -> object:
        body = event("user.updated", user_data("user_1", updated_at=at, first_name=name))
        return client.post("/api/webhooks", data=body, headers=clerk.webhook_headers(body)).get_json()

    assert send("first", at) == {"status": "applied"}
    for number in range(3):
        with app.app_context(), db.engine.begin() as connection:
            assert connection.exec_driver_sql(PREPARED).scalar_one() >= 3
            change(connection)
        for step in range(2):
            assert send(f"{number}-{step}", at + 10 * number + step + 1) == {"status": "applied"}
            assert sql.user("user_1")["first_name"] == f"{number}-{step}"
    assert sql.value("SELECT count(*) FROM webhook_events WHERE attempts = 1") == 7
