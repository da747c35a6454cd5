"""What /metrics tells of the database's content: read when somebody asks, the same from every worker."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from backend.services.figures import FigureReader


class DatabaseCollector:
    """Whatever has become of the database, there is an answer; what is not known is left out."""

    def __init__(self, figures: FigureReader) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        figures = self._figures.read()
        yield _gauge("database_read_success", "1 when what follows was read, else 0", figures is not None)
        if figures is None:
            return
        yield _gauge("webhook_newest_event_timestamp_seconds", "When the newest event came", figures.newest_event)
        unresolved = {"failed": 0, "dead": 0} | (figures.events or {})
        yield _by("webhook_events_unresolved", "Events that could not be applied", "status", unresolved)
        unsent = {"pending": 0, "dead": 0} | (figures.unsent or {})
        yield _by("outbox_events", "Events of the outbox that were not sent", "status", unsent)
        yield _gauge(
            "outbox_oldest_pending_timestamp_seconds", "Since when the oldest of them waits", figures.oldest_pending
        )
        yield _by(
            "sync_last_finished_timestamp_seconds", "When the last run came to its end", "command", figures.runs or {}
        )
        yield _gauge("reconcile_drift", "Differences that the last reconcile left", figures.drift)


def _gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"counterfoil_{name}", text)
    if value is not None:
        family.add_metric([], value)
    return family


def _by(name: str, text: str, label: str, values: dict[str, int] | dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"counterfoil_{name}", text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
