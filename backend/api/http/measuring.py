"""Counting requests, once their response is known."""

import time
from typing import Protocol

from flask import Flask, Response, g, request

from backend.access.identity import Identity
from backend.errors import AppError

# Whatever else a client invents is one value: each costs memory for ever, here and in Prometheus.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
UNMATCHED = "unmatched"


class Measures(Protocol):
    """As `Metrics`."""

    def note_request(self, route: str, method: str, status: int, code: str, seconds: float) -> None: ...

    def note_authentication(self, kind: str, outcome: str) -> None: ...


def measure_requests(app: Flask, metrics: Measures) -> None:
    """To be called before other hooks are registered: the first of these is the last to run."""

    @app.after_request
    def measure(response: Response) -> Response:
        # Not through the proxies: each look through one costs half as much as counting.
        asked, noted = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001
        rule = asked.url_rule
        metrics.note_request(
            UNMATCHED if rule is None else rule.rule,
            asked.method if asked.method in METHODS else OTHER,
            response.status_code,
            noted.get("code", ""),
            time.perf_counter() - noted.began_at,
        )
        caller = noted.get("caller")
        if isinstance(caller, Identity):
            metrics.note_authentication(caller.kind, "ok")
        elif isinstance(caller, AppError):
            metrics.note_authentication("refused", caller.code.value)
        return response
