"""Clerk's Backend API: the few calls that this application makes.

Not Clerk's Python SDK: its models refuse values that Clerk added later, and it waits for minutes when nobody answers.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal, NamedTuple
from urllib.parse import quote

from backend.services.clerk.client.call_budget import CallBudget
from backend.services.clerk.client.http import FetchError, Hear, HttpClient, get_json
from backend.services.core.public_keys import MAX_SET_BYTES

MAX_RESPONSE_BYTES = 262_144
# Named, so that a version which Clerk makes later cannot change the responses. Clerk's own SDK names this one.
# Versions up to it differ in billing and in PATCH: users and sessions keep the form of a webhook's `data`.
API_VERSION = "2026-05-12"
MAX_PAUSE = 60.0  # Clerk counts calls over ten seconds, so a longer pause can only be a mistake
ASKED_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


Purpose = Literal["profile", "session-check", "session-end", "ban"]
Method = Literal["GET", "POST"]


class Pause(NamedTuple):
    """`until` on the client's clock; `status`: of the response that asked for it."""

    until: float
    status: int


NO_PAUSE = Pause(float("-inf"), 0)


class BackendApi:
    """One a worker. Every call returns the parsed JSON as it came, or raises FetchError.

    A call takes at most 3 s, but for the exceptions of `HttpClient.request_json`. While Clerk asks us to wait
    (Retry-After), every call for the same purpose fails at once, as the refused one did, and nothing is sent. Purposes
    wait apart: many checks of sessions keep nobody from ending theirs.

    `caller`: on whose behalf we ask. Each has a budget for each purpose, beyond which AppError (429) is raised.
    """

    def __init__(
        self, base_url: str, secret_key: str, *, clock: Callable[[], float] = time.monotonic, hear: Hear | None = None
    ) -> None:
        """`hear`: see HttpClient."""
        self._base_url = base_url.rstrip("/")
        self._secret_key = secret_key
        self._headers = make_headers(secret_key)
        self._clock = clock
        self._client = HttpClient(hear)
        self._hear = hear
        self._pauses: dict[Purpose, Pause] = {}
        self._budget = CallBudget(clock)

    @property
    def is_configured(self) -> bool:
        """Whether there is a secret key. Without one every call fails."""
        return bool(self._secret_key)

    def get_user(self, clerk_user_id: str) -> object:
        """The user, in the form of a webhook's `data`."""
        return self._call("profile", clerk_user_id, "GET", "users", clerk_user_id)

    def get_key_set(self) -> object:
        """The JWK set of the instance that the secret key belongs to."""
        return self._send("profile", None, "GET", "jwks")

    def fetch_key_set(self, url: str) -> object:
        """The JWK set at a URL, outside of budgets and pauses. The secret key goes along to this API, nowhere else."""
        headers = self._headers if url == f"{self._base_url}/v1/jwks" else None
        return get_json(url, max_bytes=MAX_SET_BYTES, headers=headers, hear=self._hear)

    def ban_user(self, clerk_user_id: str, caller: object) -> object:
        """Ban the user and end all their sessions; return the user. Without a caller, an operator's, no limit."""
        return self._call("ban", caller, "POST", "users", clerk_user_id, "/ban")

    def unban_user(self, clerk_user_id: str, caller: object) -> object:
        """Let the user sign in again; return the user. Without a caller, an operator's, no limit."""
        return self._call("ban", caller, "POST", "users", clerk_user_id, "/unban")

    def get_session(self, session_id: str, caller: str) -> object:
        """The session, in the form of a webhook's `data`."""
        return self._call("session-check", caller, "GET", "sessions", session_id)

    def revoke_session(self, session_id: str, caller: str) -> object:
        """End the session; return it."""
        return self._call("session-end", caller, "POST", "sessions", session_id, "/revoke")

    def _call(
        self, purpose: Purpose, caller: object, method: Method, collection: str, identifier: str, action: str = ""
    ) -> object:
        if identifier in {"", ".", ".."}:
            # Quoting does not help: urllib3 resolves %2E%2E as it does .., and another resource is named.
            raise FetchError("asked for an id that is none", HTTPStatus.NOT_FOUND, code="resource_not_found")
        return self._send(purpose, caller, method, f"{collection}/{quote(identifier, safe='')}{action}")

    def _send(self, purpose: Purpose, caller: object, method: Method, path: str) -> object:
        if not self.is_configured:
            raise FetchError("no CLERK_SECRET_KEY is set")
        pause = self._pauses.get(purpose)
        if pause is not None and (remaining := pause.until - self._clock()) > 0:
            raise FetchError("asked us to wait", pause.status, retry_after=remaining)
        if caller is not None:
            self._budget.spend(purpose, caller)
        url = f"{self._base_url}/v1/{path}"
        try:
            return self._client.request_json(method, url, max_bytes=MAX_RESPONSE_BYTES, headers=self._headers)
        except FetchError as error:
            if error.status in ASKED_TO_WAIT and error.retry_after is not None:
                until = self._clock() + min(error.retry_after, MAX_PAUSE)
                # Two calls may be refused at the same time. The longer pause counts.
                self._pauses[purpose] = max(self._pauses.get(purpose, NO_PAUSE), Pause(until, error.status))
            raise


def make_headers(secret_key: str) -> dict[str, str]:
    """What each request to the Backend API carries."""
    return {"Authorization": f"Bearer {secret_key}", "Clerk-API-Version": API_VERSION}
