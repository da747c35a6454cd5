"""A span for each request. Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set.

Not by OpenTelemetry's own instrumentation of Flask: it begins after the policy of the route was applied, and notes
addresses and query strings.
"""

from http import HTTPStatus

from flask import Flask, Response, g, request
from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, StatusCode

from backend.api.http.measuring import METHODS, OTHER, UNMATCHED


def trace_requests(app: Flask) -> None:
    """Of a client that traces, the request is part of its trace."""
    tracer = trace.get_tracer(__name__)
    dispatch = app.full_dispatch_request

    def traced() -> Response:
        method = request.method if request.method in METHODS else OTHER
        route = request.url_rule.rule if request.url_rule else UNMATCHED
        with tracer.start_as_current_span(
            f"{method} {route}", extract(request.headers), SpanKind.SERVER, record_exception=False
        ) as span:
            response = dispatch()
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": response.status_code,
                    "counterfoil.request_id": g.request_id,
                    "counterfoil.code": g.get("code", ""),
                }
            )
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.set_status(StatusCode.ERROR)
            return response

    app.full_dispatch_request = traced  # type: ignore[method-assign]
