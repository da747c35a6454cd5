"""Clerk's Backend API: the few calls that this application makes.

Not Clerk's Python SDK: its models refuse values that Clerk added later, and it waits for minutes when nobody answers.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote

from backend.services.core.http import FetchError, HttpClient

MAX_ANSWER_BYTES = 262_144
# Named, so that a version which Clerk makes later cannot change our answers; Clerk's own SDK names this one. The versions
# up to it differ in billing and in PATCH: users and sessions keep the form of a webhook's `data`.
API_VERSION = "2026-05-12"
ASKED_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class ClerkApi:
    """One a worker. Every call takes at most 3 s, gives the parsed JSON as it came, and raises FetchError.

    While Clerk asks us to wait (Retry-After), every call fails at once, as the refused one did, and nothing is sent.
    """

    def __init__(
        self, base_url: str, secret_key: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._secret_key = secret_key
        self._clock = clock
        self._client = HttpClient()
        self._paused_until = float("-inf")

    @property
    def is_configured(self) -> bool:
        """Whether there is a secret key. Without one every call fails."""
        return bool(self._secret_key)

    def get_user(self, clerk_user_id: str) -> object:
        """The user, in the form of a webhook's `data`."""
        return self._call("GET", "users", clerk_user_id)

    def ban_user(self, clerk_user_id: str) -> object:
        """Ban the user and end all their sessions; return the user."""
        return self._call("POST", "users", clerk_user_id, "/ban")

    def unban_user(self, clerk_user_id: str) -> object:
        """Let the user sign in again; return the user."""
        return self._call("POST", "users", clerk_user_id, "/unban")

    def get_session(self, session_id: str) -> object:
        """The session, in the form of a webhook's `data`."""
        return self._call("GET", "sessions", session_id)

    def revoke_session(self, session_id: str) -> object:
        """End the session; return it."""
        return self._call("POST", "sessions", session_id, "/revoke")

    def _call(
        self, method: Literal["GET", "POST"], collection: str, identifier: str, action: str = ""
    ) -> object:
        if not self.is_configured:
            raise FetchError("no CLERK_SECRET_KEY is set")
        if identifier in {"", ".", ".."}:
            # No quoting keeps these from naming another resource: the library resolves %2E%2E as well.
            raise FetchError("asked for an id that is none", HTTPStatus.NOT_FOUND, code="resource_not_found")
        remaining = self._paused_until - self._clock()
        if remaining > 0:
            raise FetchError("asked us to wait", HTTPStatus.TOO_MANY_REQUESTS, retry_after=remaining)
        headers = {"Authorization": f"Bearer {self._secret_key}", "Clerk-API-Version": API_VERSION}
        url = f"{self._base_url}/v1/{collection}/{quote(identifier, safe='')}{action}"
        try:
            return self._client.exchange(method, url, max_bytes=MAX_ANSWER_BYTES, headers=headers)
        except FetchError as error:
            if error.status in ASKED_TO_WAIT and error.retry_after is not None:
                self._paused_until = max(self._paused_until, self._clock() + error.retry_after)
            raise
