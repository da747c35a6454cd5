"""GET /metrics: who may read it, and that what it says is what happened."""

import re
import subprocess
import sys

import pytest
from flask import Flask

from tests.metrics.scrape import TOKEN, scrape, value
from tests.support.clerk import Instance, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import PROJECT, Server, clean_environment, in_process
from tests.support.traffic import post_event


@pytest.fixture
def counted(settings: dict[str, str]) -> Flask:
    return make_app({**settings, "METRICS_TOKEN": TOKEN})


@pytest.fixture
def application(counted: Flask) -> Server:
    return in_process(counted)


class TestToken:
    def test_no_token_no_route(self, server: Server) -> None:
        assert server.get("/metrics", TOKEN).status_code == 404

    def test_nothing_is_imported_without(self, settings: dict[str, str]) -> None:
        code = "import sys, wsgi; print({name.partition('.')[0] for name in sys.modules})"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=PROJECT,
            env=clean_environment(**settings),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "'flask'" in done.stdout
        assert "prometheus_client" not in done.stdout
        assert "opentelemetry" not in done.stdout

    @pytest.mark.parametrize(
        "header", ["", TOKEN, f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ÿ"]
    )
    def test_refused(self, application: Server, header: str) -> None:
        answer = application.get("/metrics", headers={"Authorization": header.encode("latin-1")})
        assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "counterfoil_" not in answer.text

    def test_a_user_is_not_let_in(self, application: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        assert application.get("/metrics", clerk.token()).status_code == 401


class TestRequests:
    def test_by_route(self, application: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        for token in (clerk.token(sub="user_1"), clerk.token(sub="user_1"), clerk.token(exp=1), None):
            application.get("/auth/me", token)
        me = {"route": "/auth/me", "method": "GET"}
        seen = scrape(application)

        def count(name: str, **labels: str) -> float:
            return seen[f"counterfoil_{name}", frozenset(labels.items())]

        assert count("http_requests_total", **me, status="200", code="") == 2
        assert count("http_requests_total", **me, status="401", code="token-expired") == 1
        assert count("http_requests_total", **me, status="401", code="session-token-missing") == 1
        assert count("http_request_duration_seconds_count", **me) == 4
        assert count("authentications_total", kind="clerk", outcome="ok") == 2
        assert count("authentications_total", kind="refused", outcome="token-expired") == 1
        assert count("users_provisioned_total") == 1

    def test_what_clients_invent_is_one_value(self, application: Server) -> None:
        application.get("/healthz")
        scrape(application)
        before = len(scrape(application))
        for number in range(20):
            application.get(f"/nowhere/{number}")
            application.request(f"M{number}", "/healthz")
            application.get(f"/api/campaigns/{number}")
        after = scrape(application)
        routes = {dict(labels).get("route") for _, labels in after}
        assert "unmatched" in routes
        assert not [route for route in routes if route and re.search(r"\d", route)]
        assert {dict(labels).get("method") for _, labels in after} <= {None, "GET", "other"}
        # A counter and a histogram for each of: nowhere, an unknown method, the campaign.
        assert len(after) - before < 3 * (2 * 2 + 17)

    def test_a_bug(self, counted: Flask, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        """What ends in an error of ours is counted as well, once."""

        def fail() -> str:
            raise RuntimeError

        counted.add_url_rule("/broken", "broken", fail)
        counted.extensions["counterfoil.policies"]["broken"] = counted.extensions["counterfoil.policies"]["health"]
        application = in_process(counted)
        assert application.get("/broken").status_code == 500
        labels = {"route": "/broken", "method": "GET", "status": "500", "code": "internal"}
        assert value(application, "http_requests_total", **labels) == 1


class TestEvents:
    def test_outcomes(self, application: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        data = user_data("user_1", updated_at=2_000)
        for event_id in ("msg_1", "msg_1", "msg_2"):
            assert post_event(application, clerk, "user.created", data, event_id=event_id).ok
        assert post_event(application, clerk, "user.updated", {"id": 3}).ok
        assert post_event(application, clerk, "invented.now", {"id": "x_1"}).ok
        seen = {
            (dict(labels)["type"], dict(labels)["outcome"]): number
            for (name, labels), number in scrape(application).items()
            if name == "counterfoil_webhook_events_total"
        }
        assert seen == {
            ("user.created", "applied"): 1,
            ("user.created", "duplicate"): 1,
            ("user.created", "stale"): 1,
            ("user.updated", "dead"): 1,
            ("other", "ignored"): 1,
        }
        assert value(application, "webhook_lag_seconds_count", type="user.created") == 2
        assert value(application, "webhook_last_event_timestamp_seconds", type="user.created") is not None
        assert value(application, "webhook_events_unresolved", status="dead") == 1
        assert value(application, "webhook_events_unresolved", status="failed") == 0

    def test_badly_signed(self, application: Server, clerk: Instance) -> None:
        application.request("POST", "/api/webhooks", data=b"{}", headers=clerk.webhook_headers(b"[]"))
        labels = {"route": "/api/webhooks", "method": "POST", "status": "400", "code": "webhook-signature-invalid"}
        assert value(application, "http_requests_total", **labels) == 1
