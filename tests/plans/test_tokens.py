"""/api/tokens: what is left of the month, and spending it."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import requests

from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.api_keys import KeyOwner, at, is_problem
from tests.support.clerk import Instance, clerk_id, user_data
from tests.support.database import Sql
from tests.support.server import Server, running_server
from tests.support.traffic import in_parallel

USED = "SELECT tokens_used FROM usage_metrics WHERE user_id = %s"


@pytest.fixture
def ada(sql: Sql) -> int:
    return add_user(sql, clerk_user_id="user_1")


@pytest.fixture
def token(clerk: Instance) -> str:
    return clerk.token(sub="user_1")


def consume(
    server: Server, token: str, amount: object = 10, *, key: str | None = None, **body: Any
) -> requests.Response:
    """Over a connection of its own: threads may call it."""
    sent = {"Idempotency-Key": key} if key else {}
    return requests.post(
        f"{server.url}/api/tokens/consume",
        json={"amount": amount, **body},
        headers={"Authorization": f"Bearer {token}"} | sent,
        timeout=30,
    )


@pytest.fixture(scope="module")
def servers(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers."""
    with running_server(tmp_path_factory.mktemp("spends"), settings, workers=2) as running:
        yield running


def consume_in_the_end(server: Server, token: str, amount: int) -> requests.Response:
    """As a client does that is told 503: all writers of a worker were busy for two seconds."""
    key = clerk_id("spend")
    while (answer := consume(server, token, amount, key=key)).status_code == 503:
        continue
    return answer


class TestShow:
    def test_anonymous(self, server: Server, sql: Sql) -> None:  # noqa: ARG002
        is_problem(server.get("/api/tokens"), 401, "session-token-missing")

    @pytest.mark.usefixtures("ada")
    def test_key_without_the_scope(self, server: Server, clerk: Instance) -> None:
        key = KeyOwner(server, clerk).create(scopes=["tokens:spend", "profile:read"])["key"]
        is_problem(server.get("/api/tokens", headers={"X-API-Key": key}), 403, "insufficient-scope")

    @pytest.mark.usefixtures("ada")
    def test_key(self, server: Server, clerk: Instance) -> None:
        key = KeyOwner(server, clerk).create(scopes=["tokens:read"])["key"]
        assert server.get("/api/tokens", headers={"X-API-Key": key}).json()["remaining"] == 10_000

    def test_first_request_of_a_user(self, server: Server, sql: Sql, token: str) -> None:
        body = server.get("/api/tokens", token).json()
        assert list(body) == ["remaining", "used", "limit", "resets_at", "history"]
        assert (body["remaining"], body["used"], body["limit"]) == (10_000, 0, 10_000)
        usage = sql.row("SELECT * FROM usage_metrics")
        assert at(body["resets_at"]) == usage["period_end"]
        (month,) = body["history"]
        assert at(month.pop("period_start")) == usage["period_start"]
        assert month == {
            "tokens_used": 0,
            "tokens_limit": 10_000,
            "campaigns_created": 0,
            "api_requests": 0,
        }

    @pytest.mark.usefixtures("ada")
    def test_one_sees_nobody_else(self, server: Server, clerk: Instance, sql: Sql) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_used = 77")
        assert server.get("/api/tokens", clerk.token(sub="user_2")).json()["used"] == 0

    @pytest.mark.usefixtures("ada")
    def test_lowered_limit(self, server: Server, sql: Sql, token: str) -> None:
        """What was used above it stays; nothing is left, not less than nothing."""
        sql.rows("UPDATE usage_metrics SET tokens_used = 500, tokens_limit = 100")
        body = server.get("/api/tokens", token).json()
        assert (body["remaining"], body["used"], body["limit"]) == (0, 500, 100)


class TestConsume:
    def test_anonymous(self, server: Server, sql: Sql, ada: int) -> None:
        answer = server.request("POST", "/api/tokens/consume", json={"amount": 1})
        is_problem(answer, 401, "session-token-missing")
        assert sql.value(USED, ada) == 0

    def test_key_without_the_scope(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        key = KeyOwner(server, clerk).create(scopes=["tokens:read"])["key"]
        answer = server.request("POST", "/api/tokens/consume", json={"amount": 1}, headers={"X-API-Key": key})
        is_problem(answer, 403, "insufficient-scope")
        assert sql.value(USED, ada) == 0

    def test_key(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        key = KeyOwner(server, clerk).create(scopes=["tokens:spend"])["key"]
        answer = server.request("POST", "/api/tokens/consume", json={"amount": 7}, headers={"X-API-Key": key})
        assert (answer.status_code, answer.json()["used"]) == (200, 7)
        assert sql.value(USED, ada) == 7

    @pytest.mark.usefixtures("ada")
    def test_balance(self, server: Server, sql: Sql, token: str) -> None:
        answer = consume(server, token, 1_234)
        assert answer.status_code == 200
        body = answer.json()
        assert at(body.pop("resets_at")) == sql.value("SELECT period_end FROM usage_metrics")
        assert body == {"remaining": 8_766, "used": 1_234, "limit": 10_000}
        assert server.get("/api/tokens", token).json()["history"][0]["tokens_used"] == 1_234

    def test_first_request_of_a_user(self, server: Server, sql: Sql, token: str) -> None:
        assert consume(server, token, 10).json()["used"] == 10
        assert sql.value("SELECT tokens_used FROM usage_metrics") == 10

    def test_the_last_one(self, server: Server, sql: Sql, ada: int, token: str) -> None:
        assert consume(server, token, 10_000).json()["remaining"] == 0
        is_problem(consume(server, token, 1), 402, "quota-exceeded")
        assert sql.value(USED, ada) == 10_000

    @pytest.mark.usefixtures("ada")
    def test_more_than_is_left(self, server: Server, sql: Sql, token: str) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_used = 9_990")
        before = sql.rows("SELECT * FROM usage_metrics")
        body = is_problem(consume(server, token, 11), 402, "quota-exceeded")
        resets_at = sql.value("SELECT period_end FROM usage_metrics")
        assert (body["limit"], body["used"], body["remaining"]) == (10_000, 9_990, 10)
        assert at(body["resets_at"]) == resets_at
        assert body["resets_at"] == server.get("/api/tokens", token).json()["resets_at"]
        assert sql.rows("SELECT * FROM usage_metrics") == before
        assert consume(server, token, 10).json()["remaining"] == 0

    @pytest.mark.usefixtures("ada")
    @pytest.mark.parametrize("limit", [0, 5, 10_000])
    def test_limit_below_what_was_used(self, server: Server, sql: Sql, token: str, limit: int) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_used = 10_001, tokens_limit = %s", limit)
        body = is_problem(consume(server, token, 1), 402, "quota-exceeded")
        assert (body["limit"], body["used"], body["remaining"]) == (limit, 10_001, 0)

    def test_impersonated(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        """Spends the user's tokens, not the impersonator's."""
        assert consume(server, clerk.token(sub="user_1", act={"sub": "user_support"}), 3).json()["used"] == 3
        assert sql.value(USED, ada) == 3

    @pytest.mark.parametrize(
        "body",
        [
            {},
            *(
                {"amount": amount}
                for amount in (0, -1, 1_000_001, 10**30, 1.0, 1.5, "1", True, None, [1], {"": 1})
            ),
            *(
                {"amount": 1, name: 1}
                for name in ("reason", "user_id", "limit", "tokens_limit", "remaining", "used", "Amount", "")
            ),
        ],
        ids=repr,
    )
    def test_refused(self, server: Server, sql: Sql, ada: int, token: str, body: dict[str, Any]) -> None:
        answer = server.request("POST", "/api/tokens/consume", token, json=body)
        assert is_problem(answer, 422, "validation")["errors"]
        assert sql.value(USED, ada) == 0

    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            (b"", "application/json", 422),
            (b"1", "application/json", 400),
            (b'{"amount": 1, "amount": 2}', "application/json", 400),
            (b'{"amount": 1e999}', "application/json", 422),
            (b'{"amount": 1}', "text/plain", 415),
        ],
    )
    def test_other_bodies(
        self, server: Server, sql: Sql, ada: int, token: str, body: bytes, kind: str, status: int
    ) -> None:
        answer = server.request(
            "POST", "/api/tokens/consume", token, data=body, headers={"Content-Type": kind}
        )
        assert answer.status_code == status
        assert sql.value(USED, ada) == 0

    def test_deleted_user(self, server: Server, deliver: Deliver, sql: Sql, token: str) -> None:
        deliver("user.created", user_data("user_1"))
        deliver("user.deleted", {"id": "user_1", "object": "user", "deleted": True})
        is_problem(consume(server, token, 1), 401, "user-deleted")
        assert sql.value("SELECT sum(tokens_used) FROM usage_metrics") in {0, None}


class TestInParallel:
    @pytest.mark.parametrize(("amount", "fit"), [(50, 200), (100, 100), (70, 142), (9_999, 1)])
    def test_two_hundred_spends(
        self, servers: Server, sql: Sql, ada: int, token: str, amount: int, fit: int
    ) -> None:
        """As many as fit are taken, each once; each answer tells another balance, and none is below zero."""
        answers = in_parallel([partial(consume_in_the_end, servers, token, amount)] * 200)
        assert Counter(answer.status_code for answer in answers) == Counter({200: fit, 402: 200 - fit})
        taken = sorted(answer.json()["used"] for answer in answers if answer.ok)
        assert taken == [amount * number for number in range(1, fit + 1)]
        assert sql.value(USED, ada) == fit * amount
        refused = [answer.json() for answer in answers if not answer.ok]
        assert {(body["remaining"], body["used"]) for body in refused} <= {
            (10_000 - fit * amount, fit * amount)
        }

    def test_first_of_a_user(self, servers: Server, sql: Sql, token: str) -> None:
        """Neither user nor usage is there yet."""
        answers = in_parallel([partial(consume_in_the_end, servers, token, 1)] * 40)
        assert {answer.status_code for answer in answers} == {200}
        assert sql.value("SELECT tokens_used FROM usage_metrics") == 40


class TestIdempotencyKey:
    def test_repeated(self, server: Server, sql: Sql, ada: int, token: str) -> None:
        """The repetition spends nothing and is told the balance of the first time."""
        answers = [consume(server, token, 10, key="one") for _ in range(3)]
        consume(server, token, 5, key="two")
        answers.append(consume(server, token, 10, key="one"))
        assert len({answer.text for answer in answers}) == 1
        assert [answer.status_code for answer in answers] == [200] * 4
        assert sql.value(USED, ada) == 15

    def test_other_amount(self, server: Server, sql: Sql, ada: int, token: str) -> None:
        consume(server, token, 10, key="one")
        is_problem(consume(server, token, 11, key="one"), 409, "conflict")
        assert sql.value(USED, ada) == 10

    def test_refusal_is_not_kept(self, server: Server, sql: Sql, ada: int, token: str) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_limit = 5")
        is_problem(consume(server, token, 10, key="one"), 402, "quota-exceeded")
        sql.rows("UPDATE usage_metrics SET tokens_limit = 50")
        assert consume(server, token, 10, key="one").json()["used"] == 10
        assert sql.value(USED, ada) == 10

    def test_many_at_once(self, servers: Server, sql: Sql, ada: int, token: str) -> None:
        answers = in_parallel([partial(consume, servers, token, 10, key="one")] * 40)
        assert {answer.json()["used"] for answer in answers} == {10}
        assert sql.value(USED, ada) == 10
