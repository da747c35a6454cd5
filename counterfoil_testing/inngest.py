"""Inngest as the application sees it: signed requests by the protocol of its SDKs, and no network."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import jcs
import requests

from counterfoil_testing.application import Application
from counterfoil_testing.clerk import Instance, clerk_id

KEY = hashlib.sha256(b"a signing key of the tests").hexdigest()
ORIGIN = "https://api.example.com"
SETTINGS = {"INNGEST_SIGNING_KEY": f"signkey-test-{KEY}", "INNGEST_SERVE_ORIGIN": ORIGIN}
PATH = "/api/inngest"
APP = "counterfoil"
IN_BAND = {"X-Inngest-Sync-Kind": "in_band"}
BY_VERB = {"created": "sync-user-from-clerk", "updated": "update-user-from-clerk", "deleted": "delete-user-with-clerk"}


def sign(body: bytes, *, key: str = KEY, age: float = 0) -> str:
    """The value of X-Inngest-Signature for a JSON body that was signed `age` seconds ago."""
    at = str(int(time.time() - age))
    signed = (jcs.canonicalize(json.loads(body)) if body else b"") + at.encode()
    return f"t={at}&s={hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()}"


def is_signed(answer: requests.Response, key: str = KEY) -> bool:
    """Whether an answer is the application's: its bytes are signed as they are."""
    fields = dict(field.split("=") for field in answer.headers["X-Inngest-Signature"].split("&"))
    mac = hmac.new(key.encode(), answer.content + fields["t"].encode(), hashlib.sha256)
    return hmac.compare_digest(mac.hexdigest(), fields["s"])


def inngest_event(name: str, data: object, *, event_id: str | None = None, ts: int | None = None) -> dict[str, Any]:
    event_id = event_id or clerk_id("01J")
    return {"name": name, "data": data, "id": event_id, "ts": int(time.time() * 1000) if ts is None else ts}


def with_signature(clerk: Instance, body: bytes, *, age: int = 0, **changes: str) -> dict[str, Any]:
    """The data that docs/inngest.md has the dashboard make of a webhook: what Svix sent, byte for byte."""
    signed = clerk.webhook_headers(body, event_id=changes.pop("event_id", None), age=age)
    headers = {name: value for name, value in signed.items() if name.startswith("svix-")} | changes
    data = json.loads(body).get("data")
    return {"id": data.get("id") if isinstance(data, dict) else None, "data": data, "raw": body.decode()} | {
        "headers": headers
    }


class Inngest:
    """Calls an application as Inngest does."""

    def __init__(self, server: Application, key: str = KEY) -> None:
        self.server = server
        self._key = key

    def send(self, method: str, body: object = None, **options: Any) -> requests.Response:
        """A signed request. `signature`, `age`, `query`, `headers`: others than usual."""
        sent = b"" if body is None else json.dumps(body).encode()
        signature = options.pop("signature", None)
        if signature is None:
            signature = sign(sent, key=self._key, age=options.pop("age", 0))
        headers = {"X-Inngest-Signature": signature, "Content-Type": "application/json", **options.pop("headers", {})}
        return self.server.request(method, PATH + options.pop("query", ""), data=sent, headers=headers)

    def register(self, url: str = ORIGIN + PATH, **options: Any) -> requests.Response:
        return self.send("PUT", {"url": url}, headers=IN_BAND | options.pop("headers", {}), **options)

    def call(
        self,
        function: str,
        event: Mapping[str, Any],
        steps: Mapping[str, Any] | None = None,
        *,
        step: str = "step",
        **options: Any,
    ) -> requests.Response:
        """One request of a run. `steps`: what earlier ones have returned, by their hashed ids."""
        steps = steps or {}
        stack = {"stack": list(steps), "current": len(steps)}
        context = {"attempt": 0, "disable_immediate_execution": False, "run_id": "01TEST", "stack": stack}
        body = {"ctx": context | {"use_api": False}, "event": event, "events": [event], "steps": steps}
        query = f"?fnId={APP}-{function}&stepId={step}"
        return self.send("POST", body | {"use_api": False}, query=query, **options)

    def run(self, function: str, event: Mapping[str, Any]) -> tuple[requests.Response, list[dict[str, Any]]]:
        """Call until the function returns or fails: its last answer, and the steps that it took on the way."""
        memory: dict[str, Any] = {}
        taken: list[dict[str, Any]] = []
        while True:
            answer = self.call(function, event, memory)
            if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                return answer, taken
            for operation in answer.json():
                taken.append(operation)
                if operation.get("error"):
                    return answer, taken
                memory[operation["id"]] = {"data": operation.get("data")}

    def deliver(self, kind: str, data: object, **options: Any) -> requests.Response:
        """Clerk's event `kind` in the shape that Inngest's own transform gives it."""
        concerned, _, verb = kind.partition(".")
        function = BY_VERB[verb] if concerned == "user" else "copy-from-clerk"
        return self.call(function, inngest_event(f"clerk/{kind}", data, **options))
