"""Traces: what a request did, and nothing of whom it was for."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from config import ConfigError
from counterfoil_testing.receiver import Receiver
from settings import checks
from tests.support.clerk import Instance, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import Server, running_server
from tests.support.traffic import post_event
from tests.support.waiting import wait_for

ADDRESS, NAME, QUERY = "ada@example.com", "Lovelace", "looked-for"
CLIENT_TRACE, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def traced(settings: dict[str, str], collector: Receiver, tmp_path: Path) -> Iterator[Server]:
    endpoint = collector.url.removesuffix("/api/webhooks")
    own = {
        **settings,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        # Clerk's Backend API, which is asked for the profile of a new user. It answers nothing of use here.
        "CLERK_API_URL": endpoint,
        "CLERK_SECRET_KEY": f"sk_test_{secrets.token_hex(20)}",
    }
    with running_server(tmp_path, own) as running:
        yield running


def spans(collector: Receiver) -> list[Span]:
    return [
        span
        for delivery in list(collector.deliveries)
        if delivery.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(delivery.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(span: Span) -> dict[str, object]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in span.attributes}


def test_a_request(traced: Server, collector: Receiver, clerk: Instance, sql: Sql) -> None:  # noqa: ARG001
    """Its route, what it asked the database, and the trace of its client."""
    assert post_event(traced, clerk, "user.created", user_data("user_1", email=ADDRESS, last_name=NAME)).ok
    token = clerk.token(sub="user_1")
    headers = {"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01", "baggage": f"whose={ADDRESS}"}
    answer = traced.get(f"/api/me?q={QUERY}", token, headers=headers)
    assert ADDRESS in answer.text
    traced.get(f"/nowhere/{QUERY}", token)
    assert traced.get("/auth/me", clerk.token(sub="user_2")).status_code == 200
    assert traced.request("POST", "/api/webhooks", data=b"{}").status_code == 400

    seen = {"GET unmatched", "GET /api/me", "GET /auth/me", "POST /api/webhooks"}
    wait_for(lambda: seen <= {span.name for span in spans(collector)})
    (asked,) = [span for span in spans(collector) if span.name == "GET /api/me"]
    assert (asked.trace_id.hex(), asked.parent_span_id.hex()) == (CLIENT_TRACE, CLIENT_SPAN)
    assert attributes(asked) == {
        "http.request.method": "GET",
        "http.route": "/api/me",
        "http.response.status_code": 200,
        "counterfoil.request_id": answer.headers["X-Request-ID"],
        "counterfoil.code": "",
    }
    statements = [span for span in spans(collector) if span.parent_span_id == asked.span_id]
    assert any("PREPARE" in str(attributes(span)["db.statement"]) for span in statements), "also that of who calls"
    calls = [span for span in spans(collector) if "server.address" in attributes(span)]
    assert {attributes(span)["server.address"] for span in calls} == {"localhost"}
    assert not [span for span in spans(collector) if not span.parent_span_id and span.kind != Span.SPAN_KIND_SERVER]

    sent = b"".join(delivery.body for delivery in collector.deliveries).decode("latin-1")
    private = [
        ADDRESS,
        NAME,
        QUERY,
        "user_1",
        "user_2",
        token,
        token.rpartition(".")[2],
        "127.0.0.1",
        clerk.webhook_secret,
    ]
    assert [text for text in private if text in sent] == []


def test_packages_are_missing(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: .* requirements-tracing\.txt$"):
        make_app({**settings, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
