"""Requests to Clerk's Backend API by the thousand, at the pace that Clerk allows."""

import logging
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import urlencode

from backend.services.clerk.client.backend_api import make_headers
from backend.services.clerk.client.http import FetchError, HttpClient

MAX_PAGE_BYTES = 33_554_432  # 500 users with 24 kB of metadata each, which Clerk allows, and the rest
PAGE_SECONDS = 30.0
# What Clerk allows in ten seconds, by kind of key. A part of it is left to the requests of the application.
ALLOWED = {"sk_test_": 100, "sk_live_": 1_000}
SHARE = 0.8
# Between tries, while Clerk names no other time: two minutes in all.
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)

NOTHING: Mapping[str, str] = MappingProxyType({})

log = logging.getLogger(__name__)


class BulkApi:
    """One a run. `get` waits for its turn, and tries again whatever may pass. Threads may share it."""

    def __init__(
        self, base_url: str, secret_key: str, *, book: Callable[[float], float], postpone: Callable[[float], None]
    ) -> None:
        """`book(interval)`: seconds until the turn of one more call. `postpone(seconds)`: for all who share the key."""
        self._base_url = base_url.rstrip("/")
        self._headers = make_headers(secret_key)
        self._interval = 10 / (SHARE * ALLOWED.get(secret_key[:8], min(ALLOWED.values())))
        self._book = book
        self._postpone = postpone
        self._client = HttpClient()
        self._is_over = threading.Event()

    def get(self, path: str, query: Mapping[str, str | list[str]] = NOTHING) -> object:
        """The parsed JSON of `/v1/path?query`. Raises FetchError."""
        url = f"{self._base_url}/v1/{path}{'?' if query else ''}{urlencode(query, doseq=True)}"
        for pause in (*PAUSES, None):
            self._wait(self._book(self._interval))
            try:
                return self._client.request_json(
                    "GET", url, max_bytes=MAX_PAGE_BYTES, headers=self._headers, seconds=PAGE_SECONDS
                )
            except FetchError as error:
                if pause is None or not _may_pass(error):
                    raise
                seconds = pause if error.retry_after is None else error.retry_after
                log.warning("Clerk's Backend API: %s. It is asked again in %.0f s.", error, seconds)
                self._postpone(seconds)
        raise AssertionError

    def close(self) -> None:
        """Whoever waits here for their turn is sent away."""
        self._is_over.set()
        self._client.close()

    def _wait(self, seconds: float) -> None:
        if self._is_over.wait(max(seconds, 0)):
            raise FetchError("was not asked: the run is over")


def _may_pass(error: FetchError) -> bool:
    return error.status is None or error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= 500  # noqa: PLR2004
