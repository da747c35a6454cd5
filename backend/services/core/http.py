"""One bounded GET of a JSON document, for calls to Clerk."""

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Mapping

import requests
import urllib3

from backend.version import VERSION

DEADLINE_SECONDS = 3.0
# Clerk's edge answers 403 to requests without a User-Agent of their own.
USER_AGENT = f"counterfoil/{VERSION}"


class FetchError(Exception):
    """The document could not be had. `status` is the HTTP status where there was an answer."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


def get_json(url: str, *, max_bytes: int, headers: Mapping[str, str] | None = None) -> object:
    """Fetch and parse a JSON document within DEADLINE_SECONDS and `max_bytes`; follows no redirect.

    In a thread of its own, because nothing else bounds the whole: names, several addresses, TLS, a proxy.
    Raises FetchError, whose text holds nothing of the answer and no credential.
    """
    outcomes: queue.SimpleQueue[object] = queue.SimpleQueue()

    def fetch() -> None:
        try:
            outcomes.put(_get_json(url, max_bytes, headers or {}))
        except FetchError as error:
            outcomes.put(error)

    threading.Thread(target=fetch, name="fetch", daemon=True).start()
    try:
        outcome = outcomes.get(timeout=DEADLINE_SECONDS)
    except queue.Empty:
        raise FetchError(f"took longer than {DEADLINE_SECONDS:g} s") from None
    if isinstance(outcome, FetchError):
        raise outcome
    return outcome


def _get_json(url: str, max_bytes: int, headers: Mapping[str, str]) -> object:
    # identity: a compressed answer could unpack to any size.
    sent = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **headers,
    }
    try:
        with (
            _session() as session,
            session.get(
                url, headers=sent, timeout=DEADLINE_SECONDS, allow_redirects=False, stream=True
            ) as response,
        ):
            if response.status_code != requests.codes.ok:
                raise FetchError(f"answered {response.status_code}", response.status_code)
            return json.loads(_read_body(response.raw, max_bytes))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise FetchError(type(error).__name__) from error
    except (ValueError, RecursionError) as error:
        raise FetchError("answered with something other than JSON") from error


def _session() -> requests.Session:
    session = requests.Session()
    session.auth = _keep_headers  # else a ~/.netrc would replace the Authorization header
    for scheme in ("http://", "https://"):
        session.mount(scheme, _DeadlineAdapter())
    return session


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read_body(raw: urllib3.HTTPResponse, max_bytes: int) -> bytes:
    body = bytearray()
    while chunk := raw.read1(max_bytes):
        body += chunk
        if len(body) > max_bytes:
            raise FetchError(f"answered with more than {max_bytes} bytes")
    return bytes(body)


class _DeadlineConnection(urllib3.connection.HTTPConnection):
    """Ends at the deadline. The library's own time limit starts anew with each byte that drips in."""

    def connect(self) -> None:
        super().connect()
        # Never cancelled: the library closes its end of the connection before the body is read. Late, it does nothing.
        timer = threading.Timer(DEADLINE_SECONDS, _cut, (self.sock,))
        timer.daemon = True
        timer.start()


class _DeadlineTlsConnection(_DeadlineConnection, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _DeadlineTlsConnection


class _DeadlineAdapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: object
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
