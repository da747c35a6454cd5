"""What is counted for Prometheus. Imported only where METRICS_TOKEN is set.

Every name, with its labels, is here; docs/operations.md says what to do when one of them tells of trouble.
"""

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from backend.database.fair_semaphore import FairSemaphore
from backend.server.database_metrics import DatabaseCollector
from backend.server.metrics_files import VARIABLE, Places
from backend.services.figures import FigureReader
from backend.services.rate_limits.limiter import RateLimiter

SAMPLE_SECONDS = 1.0
OTHER = "other"
SETTLED = frozenset({"applied", "stale", "ignored"})
REQUEST_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LAG_BUCKETS = (0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400)


class Watched(NamedTuple):
    """What is looked at every second. `pools`: the connections to PostgreSQL. `keys_age`: None where it does not
    matter. `backlog`: how many requests are counted and not written yet. `limiter`: None without rate limits.
    """

    pools: Mapping[str, FairSemaphore]
    keys_age: Callable[[], float | None]
    backlog: Callable[[], int]
    limiter: RateLimiter | None


class Metrics:
    """Of one process; in gunicorn's workers all of them count together."""

    def __init__(self, watched: Watched, figures: FigureReader) -> None:
        self._watched = watched
        self._database = DatabaseCollector(figures)
        self._places = _join_workers()
        self._own = own = CollectorRegistry()
        requests = Counter("counterfoil_http_requests", "Requests", ["route", "method", "status", "code"], registry=own)
        seconds = Histogram(
            "counterfoil_http_request_duration_seconds",
            "From the head of a request to its response",
            ["route", "method"],
            buckets=REQUEST_BUCKETS,
            registry=own,
        )
        authentications = Counter(
            "counterfoil_authentications", "Credentials by what became of them", ["kind", "outcome"], registry=own
        )
        self._provisioned = Counter(
            "counterfoil_users_provisioned", "Users made by a request, before their webhook", registry=own
        )
        self._events = Counter(
            "counterfoil_webhook_events",
            "Signed events by what became of them",
            ["source", "type", "outcome"],
            registry=own,
        )
        self._lag = Histogram(
            "counterfoil_webhook_lag_seconds",
            "From an event at Clerk to its commit here",
            ["type"],
            buckets=LAG_BUCKETS,
            registry=own,
        )
        self._newest = Gauge(
            "counterfoil_webhook_last_event_timestamp_seconds",
            "When the newest event of a type happened at Clerk",
            ["type"],
            registry=own,
            multiprocess_mode="max",
        )

        def sampled(name: str, text: str, labels: tuple[str, ...] = (), mode: Any = "livesum") -> Gauge:  # noqa: ANN401
            return Gauge(f"counterfoil_{name}", text, labels, registry=own, multiprocess_mode=mode)

        self._connections = sampled("http_connections", "Open connections of clients")
        self._in_flight = sampled("http_requests_in_flight", "Requests under way")
        self._keys_age = sampled(
            "jwks_age_seconds", "Age of Clerk's public keys in the worker with the oldest", (), "livemax"
        )
        self._backlog = sampled("request_counter_backlog", "Counted requests of users that are not written yet")
        self._in_use = sampled("database_connections_in_use", "Connections to PostgreSQL at work", ("pool",))
        self._limit = sampled("database_connections_limit", "Connections to PostgreSQL there may be", ("pool",))
        self._waiting = sampled("database_pool_waiting", "Those who wait for a connection", ("pool",))
        self._waits = Counter("counterfoil_database_pool_waits", "Waits for a connection", ["pool"], registry=own)
        self._waited = Counter(
            "counterfoil_database_pool_wait_seconds", "Time spent waiting for a connection", ["pool"], registry=own
        )
        self._alone = sampled("rate_limiter_alone", "Workers that count without Redis, because it is away")
        self._outages = Counter("counterfoil_rate_limiter_outages", "How often a worker lost Redis", registry=own)
        self._limited = Counter("counterfoil_rate_limited", "Requests beyond a limit", ["group"], registry=own)
        self._worker: Any = None
        # Each request pays these: to look for labels takes as long as to count.
        self._count_request = cache(lambda *labels: requests.labels(*labels).inc)
        self._observe_request = cache(lambda *labels: seconds.labels(*labels).observe)
        self._count_authentication = cache(lambda *labels: authentications.labels(*labels).inc)
        self._newest_of: dict[str, float] = {}
        self._seen: dict[Counter, float] = {}
        self._sampling = Lock()

    def note_request(self, route: str, method: str, status: int, code: str, seconds: float) -> None:
        """`route`, `method`: of a bounded number. `code`: of the error; empty without one."""
        self._count_request(route, method, status, code)()
        self._observe_request(route, method)(seconds)

    def note_authentication(self, kind: str, outcome: str) -> None:
        self._count_authentication(kind, outcome)()

    def note_provisioned(self) -> None:
        self._provisioned.inc()

    def note_event(self, source: str, event_type: str | None, outcome: str, occurred_at: datetime | None) -> None:
        """Once its outcome is committed. `event_type`: None for what nothing is done with."""
        name = event_type or OTHER
        self._events.labels(source, name, outcome).inc()
        if occurred_at is None or outcome not in SETTLED:
            return
        at = occurred_at.timestamp()
        self._lag.labels(name).observe(max(0.0, time.time() - at))
        if at > self._newest_of.get(name, 0.0):
            self._newest_of[name] = at
            self._newest.labels(name).set(at)

    def start(self, worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        """Look every second until the process ends. After the fork of a worker: threads do not outlive it."""
        self._worker = worker
        Thread(target=self._run, name="metrics", daemon=True).start()

    def write(self) -> bytes:
        """All that is known, of all workers, in Prometheus's text format."""
        self._sample()
        registry = self._own
        if self._places is not None:
            for number in self._places.free():
                mark_process_dead(number)  # type: ignore[no-untyped-call]
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(self._database)

    def _run(self) -> None:
        while True:
            self._sample()
            time.sleep(SAMPLE_SECONDS)

    def _sample(self) -> None:
        with self._sampling:
            if self._worker is not None:
                self._connections.set(self._worker.connections)
                self._in_flight.set(self._worker.requests)
            self._keys_age.set(self._watched.keys_age() or 0)
            self._backlog.set(self._watched.backlog())
            for name, pool in self._watched.pools.items():
                self._in_use.labels(name).set(pool.in_use)
                self._limit.labels(name).set(pool.size)
                self._waiting.labels(name).set(pool.waiting)
                self._catch_up(self._waits.labels(name), pool.waits)
                self._catch_up(self._waited.labels(name), pool.waited_seconds)
            if limiter := self._watched.limiter:
                self._alone.set(limiter.is_alone)
                self._catch_up(self._outages, limiter.outages)
                for group, number in limiter.refused.copy().items():
                    self._catch_up(self._limited.labels(group), number)

    def _catch_up(self, counter: Counter, count: float) -> None:
        """With what is counted elsewhere in this process."""
        counter.inc(count - self._seen.get(counter, 0.0))
        self._seen[counter] = count


def _join_workers() -> Places | None:
    """Under gunicorn, count together with the other workers. Before the first metric is made."""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return None
    places = Places(Path(folder))
    values.ValueClass = values.MultiProcessValue(places.own)  # type: ignore[no-untyped-call]
    mark_process_dead(places.own())  # type: ignore[no-untyped-call] # the gauges of who was here before
    return places
