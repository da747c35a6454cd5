"""The month turns: what was used stays in the history, and each user's tokens begin anew, once (SECURITY Q-04)."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from tests.plans.test_tokens import consume, consume_in_the_end
from tests.support.admins import add_user
from tests.support.api_keys import at
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, running_server
from tests.support.traffic import in_parallel

# What time does to the rows, were PostgreSQL's clock a month further.
A_MONTH_PASSES = """
UPDATE usage_metrics SET
    period_end = (period_end AT TIME ZONE 'UTC' - interval '1 month') AT TIME ZONE 'UTC',
    period_start = (period_start AT TIME ZONE 'UTC' - interval '1 month') AT TIME ZONE 'UTC'
"""
ROWS = "SELECT tokens_used, tokens_limit FROM usage_metrics ORDER BY period_start"


@pytest.fixture(scope="module")
def servers(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers."""
    with running_server(tmp_path_factory.mktemp("months"), settings, workers=2) as running:
        yield running


@pytest.fixture
def token(clerk: Instance, sql: Sql) -> str:
    add_user(sql, clerk_user_id="user_1")
    return clerk.token(sub="user_1")


def pass_months(sql: Sql, number: int) -> None:
    for _ in range(number):
        # Each row into a month of its own, the oldest first: they would else meet.
        for row in sql.rows("SELECT period_start FROM usage_metrics ORDER BY period_start"):
            sql.rows(f"{A_MONTH_PASSES} WHERE period_start = %s", row["period_start"])


class TestRollover:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_begins_anew(self, server: Server, sql: Sql, token: str, method: str) -> None:
        consume(server, token, 10_000)
        pass_months(sql, 1)
        old = sql.row("SELECT * FROM usage_metrics")
        body = (
            server.get("/api/tokens", token).json() if method == "GET" else consume(server, token, 3).json()
        )
        used = 3 if method == "POST" else 0
        assert (body["remaining"], body["used"], body["limit"]) == (10_000 - used, used, 10_000)
        rows = sql.rows("SELECT * FROM usage_metrics ORDER BY period_start")
        assert rows[0] == old
        assert rows[1]["period_start"] == old["period_end"]
        assert at(body["resets_at"]) == rows[1]["period_end"]

    def test_once_across_workers(self, servers: Server, sql: Sql, token: str) -> None:
        """A hundred first requests of the month, half of them spends: one new row, all spends in it."""
        for month in range(1, 4):
            jobs = [
                job
                for _ in range(50)
                for job in (
                    partial(consume_in_the_end, servers, token, 250),
                    partial(consume_in_the_end, servers, token, 1),
                )
            ]
            statuses = Counter(answer.status_code for answer in in_parallel(jobs))
            assert sum(statuses.values()) == 100
            assert set(statuses) <= {200, 402}
            rows = [tuple(row.values()) for row in sql.rows(ROWS)]
            assert len(rows) == month
            # 40 of the large ones fit; the small ones take their place by up to one.
            assert all(9_750 < used <= 10_000 and limit == 10_000 for used, limit in rows)
            pass_months(sql, 1)

    def test_limit_goes_on(self, server: Server, sql: Sql, token: str) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_limit = 77, tokens_used = 70")
        pass_months(sql, 1)
        assert consume(server, token, 77).json()["remaining"] == 0
        assert consume(server, token, 1).status_code == 402


class TestBelowWhatWasUsed:
    def test_never_negative(self, server: Server, sql: Sql, token: str) -> None:
        consume(server, token, 100)
        sql.rows("UPDATE usage_metrics SET tokens_limit = 40")
        assert server.get("/auth/me", token).json()["usage"]["tokens_remaining"] == 0
        assert server.get("/api/tokens", token).json()["remaining"] == 0


class TestHistory:
    def test_newest_first(self, server: Server, sql: Sql, token: str) -> None:
        for amount in (1, 2, 3):
            consume(server, token, amount)
            sql.rows(
                "UPDATE usage_metrics SET campaigns_created = %s, api_requests = %s WHERE period_end > now()",
                amount * 10,
                amount * 100,
            )
            pass_months(sql, amount)  # with a gap: a month without any request has no row
        body = server.get("/api/tokens", token).json()
        history = body["history"]
        assert [month["tokens_used"] for month in history] == [0, 3, 2, 1]
        assert [month["campaigns_created"] for month in history] == [0, 30, 20, 10]
        assert [month["api_requests"] for month in history] == [0, 300, 200, 100]
        starts = [at(month["period_start"]) for month in history]
        assert starts == [
            row["period_start"]
            for row in sql.rows("SELECT period_start FROM usage_metrics ORDER BY period_start DESC")
        ]
        assert {(start.day, start.hour) for start in starts} == {(1, 0)}

    def test_at_most_two_years(self, server: Server, sql: Sql, token: str) -> None:
        sql.rows("""
            INSERT INTO usage_metrics (user_id, tokens_used, period_start, period_end)
            SELECT user_id, n, (period_start AT TIME ZONE 'UTC' - n * interval '1 month') AT TIME ZONE 'UTC',
                   (period_end AT TIME ZONE 'UTC' - n * interval '1 month') AT TIME ZONE 'UTC'
            FROM usage_metrics, generate_series(1, 30) n
        """)
        history = server.get("/api/tokens", token).json()["history"]
        assert [month["tokens_used"] for month in history] == list(range(24))

    def test_a_month_to_come_is_not_shown(self, server: Server, sql: Sql, token: str) -> None:
        """A node whose PostgreSQL was ahead for a while (restored from another clock) left a row behind."""
        sql.rows("""
            INSERT INTO usage_metrics (user_id, tokens_used, period_start, period_end)
            SELECT user_id, 9_999, period_end, period_end + interval '31 days' FROM usage_metrics
        """)
        body = server.get("/api/tokens", token).json()
        assert (body["used"], len(body["history"])) == (0, 1)
