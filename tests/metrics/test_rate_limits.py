"""What is counted of the rate limits, with a real Valkey."""

from backend.services.rate_limits.table import Group, amount
from tests.metrics.scrape import TOKEN, value
from tests.support.clerk import Instance
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import in_process
from tests.support.valkey import running_valkey
from tests.support.waiting import wait_for


def test_redis_away(settings: dict[str, str], clerk: Instance, sql: Sql) -> None:  # noqa: ARG001 - the tables are to be empty
    with running_valkey() as valkey:
        limited = {**settings, "RATE_LIMITS": "on", "REDIS_URL": valkey.url, "METRICS_TOKEN": TOKEN}
        application = in_process(make_app(limited))
        token = clerk.token(sub="user_1")
        for _ in range(amount(Group.KEYS, "free") + 2):
            application.request("DELETE", "/api/keys/1", token)
        assert value(application, "rate_limited_total", group=Group.KEYS) == 2
        assert value(application, "rate_limiter_alone") == 0
        valkey.kill()
        assert application.get("/auth/me", token).status_code == 200
        assert value(application, "rate_limiter_alone") == 1
        assert value(application, "rate_limiter_outages_total") == 1
        valkey.start()
        wait_for(lambda: value(application, "rate_limiter_alone") == 0)
        assert value(application, "rate_limiter_outages_total") == 1
