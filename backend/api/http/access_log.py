"""The one line that each request leaves in the log: ids only, nothing of its text."""

import logging
import re
import time
from http import HTTPStatus

from flask import Response, g, request

from backend.access.identity import Identity
from backend.database import time_spent

# Asked every few seconds by machines. What goes well there is of no interest.
PROBES = frozenset({"health", "metrics"})
PLAIN = re.compile(r"[a-z._-]{1,32}")
IDS = ("user_id", "clerk_user_id", "session_id", "api_key_id", "actor")

log = logging.getLogger("access")


class AccessLine:
    """Of the request that begins now."""

    def __init__(self) -> None:
        self._began_at = time.perf_counter()
        self._database_seconds = time_spent.begin()

    def write(self, response: Response) -> None:
        endpoint = request.endpoint
        is_probe = endpoint is not None and endpoint.partition(".")[0] in PROBES
        level = logging.DEBUG if is_probe and response.status_code < HTTPStatus.BAD_REQUEST else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "request", extra={"fields": self._fields(response)})

    def _fields(self, response: Response) -> dict[str, object]:
        fields: dict[str, object] = {"method": request.method}
        if request.url_rule is not None:
            fields["route"] = request.url_rule.rule
        else:
            fields["path"] = _shorten(request.path)
        fields["status"] = response.status_code
        if code := g.get("code"):
            fields["code"] = code
        caller = g.get("caller")
        if isinstance(caller, Identity) and caller.is_authenticated:
            fields["kind"] = caller.kind
            fields |= {name: value for name in IDS if (value := getattr(caller, name)) is not None}
        fields["client"] = request.remote_addr
        fields["duration_ms"] = round((time.perf_counter() - self._began_at) * 1000, 1)
        fields["database_ms"] = round(self._database_seconds[0] * 1000, 1)
        return fields


def _shorten(path: str) -> str:
    """Of a path that is no route, who knows what it holds: its first part, if that is a word."""
    first, *more = path.lstrip("/").split("/", 1)
    word = first if not first or PLAIN.fullmatch(first) else "*"
    return f"/{word}{'/*' if more else ''}"
