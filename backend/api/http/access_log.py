"""The one line that each request leaves in the log: ids only, nothing of its text."""

import logging
import re
import time
from collections.abc import Callable
from http import HTTPStatus

from flask import Request, Response

from backend.access.identity import Identity
from backend.database import time_spent

# Asked every few seconds by machines. What goes well there is of no interest.
PROBES = frozenset({"health", "metrics"})
PLAIN = re.compile(r"[a-z._-]{1,32}")
IDS = ("user_id", "clerk_user_id", "session_id", "api_key_id", "actor")


class AccessLine:
    """Of the request that begins now. `write` is given a level and the fields."""

    def __init__(self, write: Callable[[int, dict[str, object]], None]) -> None:
        self._write = write
        self._began_at = time.perf_counter()
        self._database_seconds = time_spent.begin()

    def end(self, request: Request, caller: object, response: Response, code: str | None) -> None:
        """`caller`: the Identity, if there is one. `code`: of a response that is an error."""
        status, rule = response.status_code, request.url_rule
        is_probe = rule is not None and rule.endpoint.partition(".")[0] in PROBES
        fields: dict[str, object] = {"method": request.method}
        if rule is not None:
            fields["route"] = rule.rule
        else:
            fields["path"] = _shorten(request.path)
        fields["status"] = status
        if code is not None:
            fields["code"] = code
        if isinstance(caller, Identity) and caller.user_id is not None:
            fields["kind"] = caller.kind
            for name in IDS:
                if (value := getattr(caller, name)) is not None:
                    fields[name] = value
        fields["client"] = request.remote_addr
        fields["duration_ms"] = round((time.perf_counter() - self._began_at) * 1000, 1)
        fields["database_ms"] = round(self._database_seconds[0] * 1000, 1)
        self._write(logging.DEBUG if is_probe and status < HTTPStatus.BAD_REQUEST else logging.INFO, fields)


def _shorten(path: str) -> str:
    """Of a path that is no route, who knows what it holds: its first part, if that is a word."""
    first, *more = path.lstrip("/").split("/", 1)
    word = first if not first or PLAIN.fullmatch(first) else "*"
    return f"/{word}{'/*' if more else ''}"
