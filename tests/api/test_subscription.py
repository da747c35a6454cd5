"""GET /api/subscription, and what a change of plan does."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint
from werkzeug.test import TestResponse

from backend.access.policies import require_auth
from backend.models.choices import Plan
from backend.services.plans import PLANS
from tests.api.admins import ADMIN, add_admin, add_user
from tests.api.billing import EVENTS, FUTURE, alone, item, listing
from tests.api.commands import make_app
from tests.api.keys import KeyOwner, is_problem
from tests.api.traffic import in_parallel
from tests.conftest import Deliver
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

LIMIT = "SELECT tokens_limit FROM usage_metrics ORDER BY period_start DESC LIMIT 1"
# The month of now becomes the one before.
NEXT_MONTH = """
UPDATE usage_metrics
SET period_start = period_start - interval '1 month', period_end = period_end - interval '1 month'
"""
LAPSE = "UPDATE subscriptions SET status = 'canceled', period_end = now() - interval '1 second' WHERE user_id = %s"
ADD_CAMPAIGNS = """
INSERT INTO campaigns (user_id, name, channel, deleted_at)
SELECT %s, 'n' || n, 'email', CASE WHEN n > 4 THEN now() END FROM generate_series(1, 6) n
"""

Show = Callable[[], dict[str, Any]]
SetPlan = Callable[[str], Any]


@pytest.fixture
def ada(sql: Sql) -> int:
    return add_user(sql, clerk_user_id="user_ada")


@pytest.fixture
def show(server: Server, clerk: Instance, ada: int) -> Show:  # noqa: ARG001 - she is to be there
    def get() -> dict[str, Any]:
        answer = server.get("/api/subscription", clerk.token(sub="user_ada"))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return get


@pytest.fixture
def set_plan(server: Server, clerk: Instance, sql: Sql, ada: int) -> SetPlan:
    """As an admin does."""
    add_admin(sql)

    def patch(plan: str) -> Any:
        answer = server.request("PATCH", f"/api/users/{ada}", clerk.token(sub=ADMIN), json={"plan": plan})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return patch


@pytest.fixture
def owner(server: Server, clerk: Instance, ada: int) -> KeyOwner:  # noqa: ARG001
    return KeyOwner(server, clerk, "user_ada")


class TestShow:
    def test_new_user(self, server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002 - emptied
        answer = server.get("/api/subscription", clerk.token(sub="user_new"))
        body = answer.json()
        assert body.pop("period_start").endswith("Z")
        assert body == {
            "plan": "free",
            "status": "active",
            "period_end": None,
            "is_managed_by_clerk": False,
            "limits": {"campaigns": 3, "tokens_a_month": 10_000, "api_keys": 5, "rate_tier": "free"},
            "used": {"campaigns": 0, "tokens": 0, "api_keys": 0},
            "plans": [{"plan": plan} | limits._asdict() for plan, limits in PLANS.items()],
        }
        assert answer.headers["Cache-Control"] == "no-store"

    def test_what_is_used(self, show: Show, sql: Sql, ada: int, owner: KeyOwner) -> None:
        add_user(sql)
        sql.rows(ADD_CAMPAIGNS, ada)
        sql.rows("UPDATE usage_metrics SET tokens_used = 77 WHERE user_id = %s", ada)
        owner.create()
        owner.revoke(owner.create())
        sql.rows("UPDATE api_keys SET expires_at = now() WHERE key_id = %s", owner.create()["key_id"])
        assert show()["used"] == {"campaigns": 4, "tokens": 77, "api_keys": 1}

    def test_enterprise(self, show: Show, set_plan: SetPlan) -> None:
        set_plan("enterprise")
        body = show()
        assert body["limits"] == {
            "campaigns": None,
            "tokens_a_month": 5_000_000,
            "api_keys": 50,
            "rate_tier": "enterprise",
        }

    def test_api_key_needs_the_scope(self, server: Server, owner: KeyOwner) -> None:
        good, other = owner.create(), owner.create(scopes=["campaigns:read"])
        answers = [
            server.request("GET", "/api/subscription", headers={"X-API-Key": key["key"]})
            for key in (good, other)
        ]
        assert [answer.status_code for answer in answers] == [200, 403]


class TestChange:
    """By an admin: PATCH /api/users/<id>; by an operator: flask users set-plan."""

    @pytest.mark.parametrize("plan", [Plan.PRO, Plan.ENTERPRISE])
    def test_token_limit_follows_and_back(self, set_plan: SetPlan, show: Show, sql: Sql, plan: Plan) -> None:
        assert set_plan(plan)["usage"]["tokens_limit"] == PLANS[plan].tokens_a_month
        assert show()["limits"]["tokens_a_month"] == PLANS[plan].tokens_a_month
        assert set_plan("free")["usage"]["tokens_limit"] == 10_000
        assert [row["details"] for row in sql.rows(EVENTS)] == [
            {"from": "free", "to": plan},
            {"from": plan, "to": "free"},
        ]

    def test_by_an_operator(self, settings: dict[str, str], show: Show, ada: int) -> None:
        result = make_app(settings).test_cli_runner().invoke(args=["users", "set-plan", str(ada), "pro"])
        assert result.exit_code == 0, result.stderr
        assert (show()["plan"], show()["limits"]["tokens_a_month"]) == ("pro", 250_000)

    def test_individual_limit_stays(self, set_plan: SetPlan, show: Show, sql: Sql, ada: int) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_limit = 99 WHERE user_id = %s", ada)
        set_plan("pro")
        assert show()["limits"]["tokens_a_month"] == 99
        sql.rows(NEXT_MONTH)
        assert show()["limits"]["tokens_a_month"] == 99

    def test_next_month(self, set_plan: SetPlan, show: Show, sql: Sql, ada: int) -> None:
        set_plan("pro")
        sql.rows(NEXT_MONTH)
        assert show()["limits"]["tokens_a_month"] == 250_000
        limits = "SELECT tokens_limit FROM usage_metrics WHERE user_id = %s"
        assert sql.rows(limits, ada) == [{"tokens_limit": 250_000}] * 2

    def test_change_before_the_first_request_of_a_month(
        self, set_plan: SetPlan, show: Show, sql: Sql, ada: int
    ) -> None:
        sql.rows(NEXT_MONTH)
        set_plan("pro")
        assert show()["limits"]["tokens_a_month"] == 250_000
        past = "SELECT tokens_limit FROM usage_metrics WHERE user_id = %s ORDER BY period_start LIMIT 1"
        assert sql.value(past, ada) == 10_000, "the month before is history"

    def test_first_month_of_a_plan_from_before(self, show: Show, sql: Sql, ada: int) -> None:
        """A legacy user has a plan and no usage."""
        sql.rows("UPDATE subscriptions SET plan = 'enterprise'")
        sql.rows("DELETE FROM usage_metrics WHERE user_id = %s", ada)
        assert show()["limits"]["tokens_a_month"] == 5_000_000

    def test_same_plan(self, set_plan: SetPlan, sql: Sql, ada: int) -> None:
        """It neither ends nor renews anything."""
        set_plan("pro")
        sql.rows(
            "UPDATE subscriptions SET status = 'canceled', period_end = '2100-01-01Z' WHERE user_id = %s", ada
        )
        before = sql.rows("SELECT * FROM subscriptions")
        set_plan("pro")
        assert sql.rows("SELECT * FROM subscriptions") == before

    def test_what_clerk_says_next_counts(
        self, set_plan: SetPlan, show: Show, deliver: Deliver, sql: Sql
    ) -> None:
        payer = {"user_id": "user_ada"}
        deliver("subscription.created", listing(item("pro", period_end=FUTURE), payer=payer))
        set_plan("enterprise")
        assert deliver(
            "subscription.active", listing(item("pro", period_end=FUTURE), payer=payer)
        ).json() == {"status": "stale"}
        body = show()
        assert (body["plan"], body["period_end"], body["is_managed_by_clerk"]) == ("enterprise", None, True)
        deliver("subscriptionItem.updated", alone("pro", 2, payer=payer))
        assert (show()["plan"], sql.value("SELECT count(*) FROM audit_events")) == ("pro", 3)
        assert show()["limits"]["tokens_a_month"] == 250_000

    def test_twenty_at_once(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        """Whatever the order, the limit is the plan's, and each change begins where the one before ended."""
        add_admin(sql)

        def change(plan: str) -> int:
            own = Server(server.url, server.process, server.log)  # a connection of its own
            answer = own.request("PATCH", f"/api/users/{ada}", clerk.token(sub=ADMIN), json={"plan": plan})
            own.http.close()
            return answer.status_code

        jobs = [lambda plan=plan: change(plan) for plan in ["pro", "free", "enterprise", "free"] * 5]
        assert in_parallel(jobs) == [200] * 20
        moves = [row["details"] for row in sql.rows(EVENTS)]
        assert [move["from"] for move in moves] == ["free", *(move["to"] for move in moves[:-1])]
        plan = sql.value("SELECT plan FROM subscriptions WHERE user_id = %s", ada)
        limit = sql.value("SELECT tokens_limit FROM usage_metrics WHERE user_id = %s", ada)
        assert (moves[-1]["to"], limit) == (plan, PLANS[Plan(plan)].tokens_a_month)


class TestDowngrade:
    """Below what is used: new things are refused, nothing is deleted, reading goes on."""

    def test_api_keys(self, set_plan: SetPlan, show: Show, owner: KeyOwner) -> None:
        set_plan("pro")
        keys = [owner.create() for _ in range(7)]
        set_plan("free")
        body = is_problem(owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (5, 7)
        assert len(owner.call("GET").json()["keys"]) == 7
        assert {owner.use(key).status_code for key in keys} == {200}
        assert show()["used"]["api_keys"] == 7
        is_problem(owner.rotate(keys[0]), 402, "quota-exceeded")
        for key in keys[:3]:
            assert owner.revoke(key).status_code == 204
        assert owner.post().status_code == 201

    def test_tokens(self, set_plan: SetPlan, show: Show, sql: Sql, ada: int) -> None:
        set_plan("pro")
        sql.rows("UPDATE usage_metrics SET tokens_used = 20000 WHERE user_id = %s", ada)
        set_plan("free")
        body = show()
        assert (body["used"]["tokens"], body["limits"]["tokens_a_month"]) == (20_000, 10_000)

    def test_room_of_the_larger_plan(self, set_plan: SetPlan, owner: KeyOwner) -> None:
        set_plan("pro")
        for _ in range(20):
            owner.create()
        assert is_problem(owner.post(), 402, "quota-exceeded")["limit"] == 20


class TestLapse:
    """A plan that was canceled ends with its period, also when Clerk's event of that never comes."""

    @pytest.fixture(autouse=True)
    def lapsed(self, set_plan: SetPlan, sql: Sql, ada: int) -> None:
        set_plan("pro")
        sql.rows(LAPSE, ada)

    def test_next_request(self, show: Show, sql: Sql, ada: int) -> None:
        body = show()
        assert (body["plan"], body["status"]) == ("free", "canceled")
        assert body["limits"]["tokens_a_month"] == 10_000
        assert sql.value("SELECT tokens_limit FROM usage_metrics WHERE user_id = %s", ada) == 10_000
        assert sql.rows(EVENTS)[1:] == [
            {"action": "user.plan_changed", "source": "sync", "details": {"from": "pro", "to": "free"}}
        ]
        show()
        assert len(sql.rows(EVENTS)) == 2

    def test_next_month(self, show: Show, sql: Sql) -> None:
        sql.rows(NEXT_MONTH)
        assert show()["limits"]["tokens_a_month"] == 10_000

    def test_many_requests_at_once(self, show: Show, server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        def ask() -> str:
            own = Server(server.url, server.process, server.log)  # a connection of its own
            plan: str = own.get("/api/subscription", clerk.token(sub="user_ada")).json()["plan"]
            own.http.close()
            return plan

        assert in_parallel([ask] * 12) == ["free"] * 12
        assert len(sql.rows(EVENTS)) == 2

    def test_every_answer_agrees(self, server: Server, clerk: Instance, ada: int) -> None:
        admins = server.get(f"/api/users/{ada}", clerk.token(sub=ADMIN)).json()
        me = server.get("/auth/me", clerk.token(sub="user_ada")).json()
        for body in (admins, me):
            assert (body["subscription"]["plan"], body["usage"]["tokens_limit"]) == ("free", 10_000)

    def test_operator_makes_a_key(self, settings: dict[str, str], sql: Sql, ada: int) -> None:
        """No request of the user comes before."""
        sql.rows(
            "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes) "
            "SELECT %s, 'n', 'sk_app', 'abcd', n::text, '{profile:read}' FROM generate_series(1, 5) n",
            ada,
        )
        arguments = ["keys", "create", str(ada), "--name", "x", "--scope", "profile:read"]
        result = make_app(settings).test_cli_runner().invoke(args=arguments)
        assert result.exit_code == 1
        assert "The plan free has at most 5" in result.stderr

    def test_given_again(self, set_plan: SetPlan, show: Show) -> None:
        """A plan that an admin gives does not end with a period of the past."""
        set_plan("pro")
        body = show()
        assert (body["plan"], body["status"], body["period_end"]) == ("pro", "active", None)

    def test_not_over_yet(self, show: Show, set_plan: SetPlan, sql: Sql, ada: int) -> None:
        set_plan("pro")
        sql.rows(
            "UPDATE subscriptions SET status = 'canceled', period_end = '2100-01-01Z' WHERE user_id = %s", ada
        )
        assert (show()["plan"], show()["status"]) == ("pro", "canceled")


class TestPolicy:
    """What a route demands is the plan that counts."""

    @pytest.fixture
    def ask(self, settings: dict[str, str], clerk: Instance, ada: int) -> Callable[[], TestResponse]:  # noqa: ARG002
        app = make_app(settings)
        blueprint = Blueprint("pro_only", __name__)

        @blueprint.get("/pro-only")
        @require_auth(plan=Plan.PRO)
        def pro_only() -> str:
            return "welcome"

        app.register_blueprint(blueprint)
        client = app.test_client()
        headers = {"Authorization": f"Bearer {clerk.token(sub='user_ada')}"}
        return lambda: client.get("/pro-only", headers=headers)

    def test_plan(self, ask: Callable[[], TestResponse], set_plan: SetPlan, sql: Sql, ada: int) -> None:
        assert ask().status_code == 403
        set_plan("pro")
        assert ask().status_code == 200
        sql.rows(LAPSE, ada)
        assert ask().status_code == 403
