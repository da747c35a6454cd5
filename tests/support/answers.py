"""What operations answer, to compare with what they answered before."""

import json
import re
from collections.abc import Callable
from typing import Any

import requests
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from tests.support.server import Server

HEADERS = ("Content-Type", "Location", "ETag", "WWW-Authenticate", "Retry-After")
MOST_BYTES = 2_000
CHANGING = (
    (re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+Z"), "<time>"),
    (re.compile(r"\b(user|sess)_[0-9A-Za-z]{20,}"), r"<\1>"),
    (re.compile(r"http://localhost:\d+"), "<clerk>"),
    (re.compile(r"sk_app_[0-9A-Za-z]{37}"), "<key>"),
)
CHANGING_MEMBERS = {"request_id", "last_four", "next_cursor", "schema"}


class Recorder:
    """Calls as an admin, and keeps what was answered under the name of the operation."""

    def __init__(self, server: Server, token: Callable[[], str]) -> None:
        self._server = server
        self._token = token
        self.answers: dict[str, Any] = {}

    def __call__(self, name: str, *ids: int, query: str = "", **options: Any) -> Any:
        """`name`: method and path of the operation, as the description has it."""
        method, template = name.split()
        found = iter(ids)
        path = re.sub(r"\{\w+\}", lambda _: str(next(found)), template)
        answer = self._server.request(method, path + query, self._token(), **options)
        assert answer.ok, (name, answer.text)
        self.keep(name, answer)
        return answer.json() if answer.content else None

    def keep(self, name: str, answer: requests.Response) -> None:
        assert len(answer.content) <= MOST_BYTES, name
        headers = {header: answer.headers[header] for header in HEADERS if header in answer.headers}
        body = json.loads(answer.content) if answer.content else None
        self.answers[name] = steady({"status": answer.status_code, "headers": headers, "body": body})


def steady(value: Any) -> Any:
    """Without what differs from one run to the next."""
    if isinstance(value, dict):
        return {
            name: "<text>" if name in CHANGING_MEMBERS and part is not None else steady(part)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [steady(part) for part in value]
    if isinstance(value, str):
        for pattern, replacement in CHANGING:
            value = pattern.sub(replacement, value)
    return value


def as_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)
