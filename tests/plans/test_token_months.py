"""Many spends at once, and the month that turns: each user's tokens begin anew, once, and the history stays (Q-04)."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from tests.plans.conftest import Spender
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
def two_workers(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("spends"), settings, workers=2) as running:
        yield running


@pytest.fixture
def many(two_workers: Server, clerk: Instance, sql: Sql) -> Spender:  # noqa: ARG001 - the tables are to be empty
    """A user who asks two workers, and is not there yet."""
    return Spender(two_workers, clerk)


@pytest.fixture
def ada(sql: Sql) -> int:
    return add_user(sql, clerk_user_id="user_1")


def pass_months(sql: Sql, number: int) -> None:
    for _ in range(number):
        # Each row into a month of its own, the oldest first: they would else meet.
        for row in sql.rows("SELECT period_start FROM usage_metrics ORDER BY period_start"):
            sql.rows(f"{A_MONTH_PASSES} WHERE period_start = %s", row["period_start"])


class TestInParallel:
    @pytest.mark.usefixtures("ada")
    @pytest.mark.parametrize(("amount", "fit"), [(100, 100), (70, 142)])
    def test_two_hundred_spends(self, many: Spender, sql: Sql, amount: int, fit: int) -> None:
        """As many as fit are taken, each once; each answer tells another balance, and none is below zero."""
        answers = in_parallel([partial(many.consume_in_the_end, amount)] * 200)
        assert Counter(answer.status_code for answer in answers) == Counter({200: fit, 402: 200 - fit})
        taken = sorted(answer.json()["used"] for answer in answers if answer.ok)
        assert taken == [amount * number for number in range(1, fit + 1)]
        assert sql.value("SELECT tokens_used FROM usage_metrics") == fit * amount
        refused = [answer.json() for answer in answers if not answer.ok]
        assert {(body["remaining"], body["used"]) for body in refused} == {(10_000 - fit * amount, fit * amount)}

    def test_first_of_a_user(self, many: Spender, sql: Sql) -> None:
        """Neither user nor usage is there yet."""
        answers = in_parallel([partial(many.consume_in_the_end, 1)] * 40)
        assert {answer.status_code for answer in answers} == {200}
        assert sql.value("SELECT tokens_used FROM usage_metrics") == 40

    @pytest.mark.usefixtures("ada")
    def test_one_idempotency_key(self, many: Spender, sql: Sql) -> None:
        answers = in_parallel([partial(many.consume, 10, key="one")] * 40)
        assert {answer.json()["used"] for answer in answers} == {10}
        assert sql.value("SELECT tokens_used FROM usage_metrics") == 10

    @pytest.mark.usefixtures("ada")
    def test_first_requests_of_a_month(self, many: Spender, sql: Sql) -> None:
        """A hundred at once: one new row, all spends in it."""
        for month in (1, 2):
            jobs = [partial(many.consume_in_the_end, amount) for _ in range(50) for amount in (250, 1)]
            statuses = Counter(answer.status_code for answer in in_parallel(jobs))
            assert sum(statuses.values()) == 100
            assert set(statuses) <= {200, 402}
            rows = [tuple(row.values()) for row in sql.rows(ROWS)]
            assert len(rows) == month
            # 40 of the large ones fit; the small ones take their place by up to one.
            assert all(9_750 < used <= 10_000 and limit == 10_000 for used, limit in rows)
            pass_months(sql, 1)


@pytest.mark.usefixtures("ada")
class TestMonth:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_begins_anew(self, spender: Spender, sql: Sql, method: str) -> None:
        spender.consume(10_000)
        pass_months(sql, 1)
        old = sql.row("SELECT * FROM usage_metrics")
        body = spender.page() if method == "GET" else spender.consume(3).json()
        used = 3 if method == "POST" else 0
        assert (body["remaining"], body["used"], body["limit"]) == (10_000 - used, used, 10_000)
        rows = sql.rows("SELECT * FROM usage_metrics ORDER BY period_start")
        assert rows[0] == old
        assert rows[1]["period_start"] == old["period_end"]
        assert at(body["resets_at"]) == rows[1]["period_end"]

    def test_limit_goes_on(self, spender: Spender, sql: Sql) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_limit = 77, tokens_used = 70")
        pass_months(sql, 1)
        assert spender.consume(77).json()["remaining"] == 0
        assert spender.consume(1).status_code == 402

    def test_history_newest_first(self, spender: Spender, sql: Sql) -> None:
        for amount in (1, 2, 3):
            spender.consume(amount)
            counts = "campaigns_created = %s, api_requests = %s WHERE period_end > now()"
            sql.rows(f"UPDATE usage_metrics SET {counts}", amount * 10, amount * 100)
            pass_months(sql, amount)  # with a gap: a month without any request has no row
        history = spender.page()["history"]
        assert [month["tokens_used"] for month in history] == [0, 3, 2, 1]
        assert [month["campaigns_created"] for month in history] == [0, 30, 20, 10]
        assert [month["api_requests"] for month in history] == [0, 300, 200, 100]
        starts = [at(month["period_start"]) for month in history]
        rows = sql.rows("SELECT period_start FROM usage_metrics ORDER BY period_start DESC")
        assert starts == [row["period_start"] for row in rows]
        assert {(start.day, start.hour) for start in starts} == {(1, 0)}

    def test_history_of_two_years_at_most(self, spender: Spender, sql: Sql) -> None:
        sql.rows("""
            INSERT INTO usage_metrics (user_id, tokens_used, period_start, period_end)
            SELECT user_id, n, (period_start AT TIME ZONE 'UTC' - n * interval '1 month') AT TIME ZONE 'UTC',
                   (period_end AT TIME ZONE 'UTC' - n * interval '1 month') AT TIME ZONE 'UTC'
            FROM usage_metrics, generate_series(1, 30) n
        """)
        assert [month["tokens_used"] for month in spender.page()["history"]] == list(range(24))

    def test_a_month_to_come_is_not_shown(self, spender: Spender, sql: Sql) -> None:
        """A node whose PostgreSQL was ahead for a while (restored from another clock) left a row behind."""
        sql.rows("""
            INSERT INTO usage_metrics (user_id, tokens_used, period_start, period_end)
            SELECT user_id, 9_999, period_end, period_end + interval '31 days' FROM usage_metrics
        """)
        body = spender.page()
        assert (body["used"], len(body["history"])) == (0, 1)
