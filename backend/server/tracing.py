"""Traces by OpenTelemetry, sent to OTEL_EXPORTER_OTLP_ENDPOINT. Imported only where that is set."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from backend.version import VERSION

# The statements have names of parameters where values belong.
SHOWN = frozenset(
    {
        *("http.request.method", "http.route", "http.response.status_code", "http.method", "http.status_code"),
        *("counterfoil.request_id", "counterfoil.code", "db.system", "db.statement"),
    }
)


class Discreet(SpanExporter):
    """Sends of a span what is known to be harmless.

    The libraries add whole URLs, and of each error its text, with the row of PostgreSQL in it.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        # What runs beside the requests asks the database every second.
        asked_for = [span for span in spans if span.parent is not None or span.kind is SpanKind.SERVER]
        return self._exporter.export([_discreet(span) for span in asked_for])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def start(endpoint: str) -> None:
    """Trace this process from here on. After the fork of a worker: the thread that sends does not outlive it."""
    ours = Resource({"service.name": "counterfoil", "service.version": VERSION})
    provider = TracerProvider(resource=Resource.create().merge(ours).merge(OTELResourceDetector().detect()))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(Discreet(exporter)))
    trace.set_tracer_provider(provider)
    # Not the baggage of clients: it would be handed on to Clerk.
    set_global_textmap(TraceContextTextMapPropagator())
    RequestsInstrumentor().instrument()
    Psycopg2Instrumentor().instrument()


def _discreet(span: ReadableSpan) -> ReadableSpan:
    attributes = dict(span.attributes or {})
    shown = {name: value for name, value in attributes.items() if name in SHOWN}
    if host := urlsplit(str(attributes.get("http.url", ""))).hostname:
        shown["server.address"] = host
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=shown,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
