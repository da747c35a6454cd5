"""/api/tokens: what is left of the month, and spending it."""

from typing import Any

import pytest

from tests.conftest import Deliver
from tests.plans.conftest import Spender
from tests.support.admins import add_user
from tests.support.api_keys import at
from tests.support.caller import is_problem
from tests.support.clerk import user_data
from tests.support.database import Sql

USED = "SELECT tokens_used FROM usage_metrics WHERE user_id = %s"
BODIES: list[dict[str, Any]] = [
    {},
    *({"amount": amount} for amount in (0, -1, 1_000_001, 10**30, 1.0, 1.5, "1", True, None, [1], {"": 1})),
    *(
        {"amount": 1, name: 1}
        for name in ("reason", "user_id", "limit", "tokens_limit", "remaining", "used", "Amount", "")
    ),
]


@pytest.fixture
def ada(sql: Sql) -> int:
    return add_user(sql, clerk_user_id="user_1")


class TestShow:
    def test_first_request_of_a_user(self, spender: Spender, sql: Sql) -> None:
        body = spender.page()
        assert list(body) == ["remaining", "used", "limit", "resets_at", "history"]
        assert (body["remaining"], body["used"], body["limit"]) == (10_000, 0, 10_000)
        usage = sql.row("SELECT * FROM usage_metrics")
        assert at(body["resets_at"]) == usage["period_end"]
        (month,) = body["history"]
        assert at(month.pop("period_start")) == usage["period_start"]
        assert month == {"tokens_used": 0, "tokens_limit": 10_000, "campaigns_created": 0, "api_requests": 0}

    @pytest.mark.usefixtures("ada")
    def test_one_sees_nobody_else(self, spender: Spender, sql: Sql) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_used = 77")
        assert Spender(spender.server, spender.clerk, "user_2").page()["used"] == 0

    @pytest.mark.usefixtures("ada")
    @pytest.mark.parametrize("limit", [0, 100, 500])
    def test_lowered_limit(self, spender: Spender, sql: Sql, limit: int) -> None:
        """What was used above it stays; nothing is left, not less than nothing."""
        sql.rows("UPDATE usage_metrics SET tokens_used = 501, tokens_limit = %s", limit)
        for body in (spender.page(), is_problem(spender.consume(1), 402, "quota-exceeded")):
            assert (body["remaining"], body["used"], body["limit"]) == (0, 501, limit)
        me = spender.server.get("/auth/me", spender.clerk.token(sub="user_1")).json()
        assert me["usage"]["tokens_remaining"] == 0


class TestConsume:
    def test_in_the_place_of_the_user(self, spender: Spender, sql: Sql, ada: int) -> None:
        """With a key of the user, or by somebody who impersonates them: the user's tokens."""
        key, body = spender.make_key("tokens:spend"), {"amount": 7}
        answer = spender.server.request("POST", "/api/tokens/consume", json=body, headers=key)
        assert answer.json()["used"] == 7
        assert spender.consume(3, claims={"act": {"sub": "user_support"}}).json()["used"] == 10
        assert sql.value(USED, ada) == 10

    @pytest.mark.usefixtures("ada")
    def test_balance(self, spender: Spender, sql: Sql) -> None:
        answer = spender.consume(1_234)
        assert answer.status_code == 200
        body = answer.json()
        assert at(body.pop("resets_at")) == sql.value("SELECT period_end FROM usage_metrics")
        assert body == {"remaining": 8_766, "used": 1_234, "limit": 10_000}
        assert spender.page()["history"][0]["tokens_used"] == 1_234

    def test_first_request_of_a_user(self, spender: Spender, sql: Sql) -> None:
        assert spender.consume(10).json()["used"] == 10
        assert sql.value("SELECT tokens_used FROM usage_metrics") == 10

    def test_the_last_one(self, spender: Spender, sql: Sql, ada: int) -> None:
        assert spender.consume(10_000).json()["remaining"] == 0
        is_problem(spender.consume(1), 402, "quota-exceeded")
        assert sql.value(USED, ada) == 10_000

    @pytest.mark.usefixtures("ada")
    def test_more_than_is_left(self, spender: Spender, sql: Sql) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_used = 9_990")
        before = sql.rows("SELECT * FROM usage_metrics")
        body = is_problem(spender.consume(11), 402, "quota-exceeded")
        assert (body["limit"], body["used"], body["remaining"]) == (10_000, 9_990, 10)
        assert at(body["resets_at"]) == sql.value("SELECT period_end FROM usage_metrics")
        assert body["resets_at"] == spender.page()["resets_at"]
        assert sql.rows("SELECT * FROM usage_metrics") == before
        assert spender.consume(10).json()["remaining"] == 0

    def test_refused(self, spender: Spender, sql: Sql, ada: int) -> None:
        for body in BODIES:
            answer = spender.call("POST", "/consume", json=body)
            assert is_problem(answer, 422, "validation")["errors"], body
            assert sql.value(USED, ada) == 0

    def test_deleted_user(self, spender: Spender, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1"))
        deliver("user.deleted", {"id": "user_1", "object": "user", "deleted": True})
        is_problem(spender.consume(1), 401, "user-deleted")
        assert sql.value("SELECT sum(tokens_used) FROM usage_metrics") in {0, None}


class TestIdempotencyKey:
    def test_repeated(self, spender: Spender, sql: Sql, ada: int) -> None:
        """The repetition spends nothing and is told the balance of the first time."""
        answers = [spender.consume(10, key="one") for _ in range(3)]
        spender.consume(5, key="two")
        answers.append(spender.consume(10, key="one"))
        assert len({answer.text for answer in answers}) == 1
        assert [answer.status_code for answer in answers] == [200] * 4
        is_problem(spender.consume(11, key="one"), 409, "conflict")
        assert sql.value(USED, ada) == 15

    def test_refusal_is_not_kept(self, spender: Spender, sql: Sql, ada: int) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_limit = 5")
        is_problem(spender.consume(10, key="one"), 402, "quota-exceeded")
        sql.rows("UPDATE usage_metrics SET tokens_limit = 50")
        assert spender.consume(10, key="one").json()["used"] == 10
        assert sql.value(USED, ada) == 10
