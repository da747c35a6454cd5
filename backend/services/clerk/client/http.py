"""JSON over HTTP with limits on time and size, for requests to Clerk."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3

from backend.deadline import Deadline, RequestTimeout, remaining_seconds
from backend.version import VERSION

TIMEOUT_SECONDS = 3.0
# Idle connections that are kept, each with a socket. urllib3 logs a warning for each that finds no room.
MAX_IDLE = 64
MAX_RETRY_AFTER = 3600.0
CLERK_CODE = re.compile(r"[a-z0-9_]{1,64}")
Hear = Callable[..., None]  # as a hook of requests
HEADERS = {
    # Clerk's edge answers 403 to requests without a User-Agent of their own.
    "User-Agent": f"counterfoil/{VERSION}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a compressed response could unpack to any size
}


class FetchError(OSError):
    """There is no document. The text repeats nothing of the response and no credential.

    `status`: the HTTP status, if there was a response. `retry_after`: seconds from now, at most an hour, if the server
    named a time. `code`: the first error code of a response in Clerk's form.
    """

    def __init__(
        self, reason: str, status: int | None = None, *, retry_after: float | None = None, code: str | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after
        self.code = code

    @property
    def is_not_found(self) -> bool:
        """Clerk says that there is none. A 404 without Clerk's code comes from something between."""
        return (self.status, self.code) == (HTTPStatus.NOT_FOUND, "resource_not_found")


def get_json(url: str, *, max_bytes: int, headers: Mapping[str, str] | None = None, hear: Hear | None = None) -> object:
    """One GET, as `HttpClient.request_json`, on a connection that is not kept. Raises FetchError."""
    with HttpClient(hear) as client:
        return client.request_json("GET", url, max_bytes=max_bytes, headers=headers)


class HttpClient(requests.Session):
    """Keeps connections from one request to the next. Threads and greenlets may share it.

    requests itself does not promise that. It holds here because no request changes the session: no cookie is kept, no
    redirect followed. What they share is urllib3's pool, which is thread-safe and lends a connection to one request at
    a time.
    """

    def __init__(self, hear: Hear | None = None) -> None:
        """`hear` is told of each response, before its body is read."""
        super().__init__()
        if hear is not None:
            self.hooks["response"].append(hear)
        self.headers.update(HEADERS)
        self.auth = _keep_headers  # else a ~/.netrc would replace the Authorization header
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            self.mount(scheme, requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=MAX_IDLE))

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: requests reads the body of a redirect, however long, even if it is not to follow it."""
        return None

    def request_json(
        self,
        method: str,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> object:
        """Send a request without a body; return the JSON of a 200 response. Raises FetchError.

        A GET is sent once more if its connection was closed before the response, because a kept one can end at any
        moment. A POST is not, because it may have arrived.

        Reads at most `max_bytes`. The time limit is `seconds`, by default 3, or what is left of the current request if
        that is less. The gevent worker enforces it whatever takes the time. Elsewhere it covers connecting and the wait
        for the response together, and is checked between reads of the body; there these may take longer:
        * a server that drips the body: after the last check in time, one more read may take as long again;
        * a server that drips TLS or headers: the limit holds for each read, not for all of them;
        * looking up the name, which has no limit, and each address of the name, which has a whole one.
        """
        remaining = remaining_seconds()
        seconds = TIMEOUT_SECONDS if seconds is None else seconds
        limit = seconds if remaining is None else min(remaining, seconds)
        ends_at = time.monotonic() + limit
        deadline = Deadline(seconds)
        try:
            with self._send(method, url, headers, ends_at, may_repeat=method == "GET") as response:
                if response.status_code != requests.codes.ok:
                    raise _refusal(response, ends_at, max_bytes)
                return json.loads(_read_body(response, ends_at, max_bytes))
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            reason = "answered with something other than JSON"
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            reason = type(error).__name__
        except RequestTimeout:
            if remaining is not None and remaining <= seconds:
                raise  # it was the request's
            reason = "took too long"
        finally:
            deadline.end()
        # Not inside `except`: that error holds the request with our key, and would become the context of ours.
        raise FetchError(reason)

    def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None, ends_at: float, *, may_repeat: bool
    ) -> requests.Response:
        # A pair of seconds would count them apart. requests takes this too, though its type stubs do not.
        timeout: Any = urllib3.Timeout(total=_time_left(ends_at))
        try:
            return self.request(method, url, headers=headers, timeout=timeout, allow_redirects=False, stream=True)
        except requests.ConnectionError as error:
            # ProtocolError: a connection that was closed. Other errors mean that there was none.
            if not may_repeat or not isinstance(error.args[0], urllib3.exceptions.ProtocolError):
                raise
        return self._send(method, url, headers, ends_at, may_repeat=False)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _time_left(ends_at: float) -> float:
    """Raises FetchError when none is left."""
    left = ends_at - time.monotonic()
    if left <= 0:
        raise FetchError("took too long")
    return left


def _read_body(response: requests.Response, ends_at: float, max_bytes: int) -> bytes:
    body = bytearray()
    # read1 returns what has come; read would wait, over any number of reads, until it has `max_bytes`.
    while chunk := response.raw.read1(max_bytes):
        body += chunk
        if len(body) > max_bytes:
            raise FetchError(f"answered with more than {max_bytes} bytes")
        _time_left(ends_at)
    return bytes(body)


def _refusal(response: requests.Response, ends_at: float, max_bytes: int) -> FetchError:
    """The error for a response that is not 200. Its body is read, so that the connection can be kept."""
    code = None
    # Whatever the body is, the status counts.
    with contextlib.suppress(
        FetchError, urllib3.exceptions.HTTPError, ValueError, RecursionError, LookupError, TypeError
    ):
        code = json.loads(_read_body(response, ends_at, max_bytes))["errors"][0]["code"]
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
