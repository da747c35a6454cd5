"""Bounded exchanges of JSON over HTTP, for calls to Clerk."""

import contextlib
import json
import queue
import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import requests
import urllib3

from backend.services.clerk.client.line import Line
from backend.version import VERSION

DEADLINE_SECONDS = 3.0
MAX_IDLE = 16  # connections that a client keeps: more calls at once are rare, and each holds a socket
MAX_RETRY_AFTER = 3600.0
CLERK_CODE = re.compile(r"[a-z0-9_]{1,64}")
# Clerk's edge answers 403 to requests without a User-Agent of their own.
USER_AGENT = f"counterfoil/{VERSION}"


class FetchError(Exception):
    """The document could not be had. The text holds nothing of the answer and no credential.

    `status`: the HTTP status where there was an answer. `retry_after`: seconds from now, at most an hour, where the
    server named a time. `code`: the first error code of an answer in Clerk's form.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        *,
        retry_after: float | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after
        self.code = code


def get_json(url: str, *, max_bytes: int, headers: Mapping[str, str] | None = None) -> object:
    """One GET, as `HttpClient.exchange`, on a connection that is not kept. Raises FetchError."""
    with contextlib.closing(HttpClient()) as client:
        return client.exchange("GET", url, max_bytes=max_bytes, headers=headers)


class HttpClient:
    """Keeps connections from one call to the next. For any number of threads.

    Each call has a connection to itself, and only the call that waits for it cuts it: an idle one has no timer.
    """

    def __init__(self) -> None:
        self._idle: list[Line] = []

    def exchange(
        self, method: str, url: str, *, max_bytes: int, headers: Mapping[str, str] | None = None
    ) -> object:
        """Send a request without a body; return the JSON of a 200 answer. Follows no redirect, keeps no cookie.

        Takes at most DEADLINE_SECONDS and reads at most `max_bytes`. A request is sent a second time only when it is a
        GET and its kept connection turned out to be closed. Raises FetchError.
        """
        line = self._take_line()
        outcomes: queue.SimpleQueue[object] = queue.SimpleQueue()

        def run() -> None:
            outcomes.put(_exchange(line, method, url, headers or {}, max_bytes))

        # In a thread of its own, because nothing else bounds the whole: names, several addresses, TLS, a proxy.
        threading.Thread(target=run, name="fetch", daemon=True).start()
        is_over = False
        try:
            outcome = outcomes.get(timeout=DEADLINE_SECONDS)
            is_over = True
        except queue.Empty:
            raise FetchError(f"took longer than {DEADLINE_SECONDS:g} s") from None
        finally:
            # Also when the deadline of the request that waits here comes first.
            self._put_back(line, is_over=is_over)
        if isinstance(outcome, FetchError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take_line(self) -> Line:
        try:
            return self._idle.pop()
        except IndexError:
            return Line()

    def _put_back(self, line: Line, *, is_over: bool) -> None:
        if is_over and line.is_connected and len(self._idle) < MAX_IDLE:
            self._idle.append(line)
        else:
            line.close()


def _exchange(line: Line, method: str, url: str, headers: Mapping[str, str], max_bytes: int) -> object:
    """Return the document, or a FetchError: returned, so that the library's own, which holds the request, stays here."""
    # identity: a compressed answer could unpack to any size.
    sent = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity", **headers}
    try:
        with line.send(method, url, sent, DEADLINE_SECONDS) as response:
            if response.status_code != requests.codes.ok:
                return _refusal(response, max_bytes)
            body = _read_body(response.raw, max_bytes)
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        return FetchError(type(error).__name__)
    if body is None:
        return FetchError(f"answered with more than {max_bytes} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return FetchError("answered with something other than JSON")


def _read_body(raw: urllib3.HTTPResponse, max_bytes: int) -> bytes | None:
    """The whole body; None when it is longer than `max_bytes`."""
    body = bytearray()
    while chunk := raw.read1(max_bytes):
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


def _refusal(response: requests.Response, max_bytes: int) -> FetchError:
    """The error for an answer that is not 200. Its body is read, so that the connection can be kept."""
    code = None
    # A body in another form changes nothing: the status is what counts.
    with contextlib.suppress(
        urllib3.exceptions.HTTPError, ValueError, RecursionError, LookupError, TypeError
    ):
        code = json.loads(_read_body(response.raw, max_bytes) or b"")["errors"][0]["code"]
    return FetchError(
        f"answered {response.status_code}",
        response.status_code,
        retry_after=read_retry_after(response.headers.get("Retry-After", "")),
        code=code if isinstance(code, str) and CLERK_CODE.fullmatch(code) else None,
    )


def read_retry_after(value: str) -> float | None:
    """RFC 9110 section 10.2.3: seconds, or an HTTP date. None for anything else; at most MAX_RETRY_AFTER."""
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(value)
        # The oldest of HTTP's three forms names no zone: it is UTC as well.
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, OverflowError, LookupError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
