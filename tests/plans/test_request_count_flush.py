"""Many counted requests at once: a flush that is early, and one that is large."""

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, text

from backend.database.engine import STATEMENT_SECONDS
from backend.server.request_counter import FLUSH_SECONDS, MANY_USERS, RequestCounter
from backend.services.plans.usage import MOST_USERS, RequestCounts, add_requests
from tests.support.database import Sql, migrated_database


def test_many_users_do_not_wait(app: Flask, sql: Sql) -> None:
    """Written as soon as so many have something, not when the ten seconds are over."""
    sql.rows("INSERT INTO users (clerk_user_id) SELECT 'u' || n FROM generate_series(1, %s) n", MANY_USERS)
    counter = RequestCounter(app)
    counter.start()
    began = time.monotonic()
    for user_id in range(1, MANY_USERS + 1):
        counter.count(user_id)
    while sql.value("SELECT count(*) FROM usage_metrics WHERE api_requests = 1") != MANY_USERS:
        assert time.monotonic() < began + FLUSH_SECONDS - 0.5
        time.sleep(0.05)


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[str]:
    """A database of as many users as memory holds counts for."""
    with migrated_database(postgres_url, "counterfoil_request_counts") as url:
        filling = Sql(url)
        filling.rows(
            "INSERT INTO users (clerk_user_id) SELECT 'u' || n FROM generate_series(1, %s) n", MOST_USERS
        )
        filling.rows("INSERT INTO usage_metrics (user_id) SELECT user_id FROM users")
        filling.rows("ANALYZE users")
        filling.rows("ANALYZE usage_metrics")
        filling.close()
        yield url


@pytest.mark.parametrize("users", [1_000, MOST_USERS])
def test_flush(filled: str, users: int) -> None:
    """Also the largest one, after an outage, ends within the time that a statement has: else it would fail for ever."""
    counts = RequestCounts()
    for user_id in range(1, users + 1):
        counts.add_one(user_id)
    engine = create_engine(make_url(filled).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
        add_requests(connection, counts.take())
    engine.dispose()
