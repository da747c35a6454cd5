"""A connection to a server that one call uses at a time and any other thread can cut."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3


class Line:
    """A session with at most one connection."""

    def __init__(self) -> None:
        self._session = _Session()
        self._lock = threading.Lock()
        self._is_closed = False
        self._has_dialled = False
        self._connection: urllib3.connection.HTTPConnection | None = None
        self._handle: socket.socket | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the last answer left a connection that can be used again."""
        return self._connection is not None and self._connection.sock is not None

    def send(self, method: str, url: str, headers: Mapping[str, str], timeout: float) -> requests.Response:
        """Send a request without a body; return the answer with its body unread, whatever the status.

        `timeout` in seconds, for each single wait. A GET that finds its connection closed is sent again on a fresh one.
        Raises requests.RequestException.
        """
        _current.set(self)
        self._has_dialled = False
        try:
            return self._send(method, url, headers, timeout)
        except requests.ConnectionError:
            # A connection that is closed already is seen before anything is sent, and replaced. This one was closed
            # while the request was on its way: a POST may have arrived.
            if self._has_dialled or method != "GET":
                raise
        return self._send(method, url, headers, timeout)

    def dial(self) -> None:
        """Take note that a connection has to be made."""
        self._has_dialled = True

    def watch(self, connection: urllib3.connection.HTTPConnection, connected: socket.socket) -> bool:
        """Take note of a connection that was made, before TLS begins. False when the line was closed meanwhile."""
        # A handle of our own: TLS takes this socket apart, and the library closes its end before a body is read.
        handle = socket.fromfd(connected.fileno(), connected.family, connected.type)
        with self._lock:
            is_wanted = not self._is_closed
            spare = self._handle if is_wanted else handle
            if is_wanted:
                self._connection, self._handle = connection, handle
        if spare is not None:
            spare.close()
        return is_wanted

    def close(self) -> None:
        """End the connection, also under a call that waits for it: that one then fails in its own thread."""
        with self._lock:
            self._is_closed = True
            handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)
            handle.close()
        self._session.close()

    def _send(self, method: str, url: str, headers: Mapping[str, str], timeout: float) -> requests.Response:
        return self._session.request(
            method, url, headers=headers, timeout=timeout, allow_redirects=False, stream=True
        )


_current: ContextVar[Line] = ContextVar("line")


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.auth = _keep_headers  # else a ~/.netrc would replace the Authorization header
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=1))

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: for a redirect that is not followed the library reads the whole body too, however long."""
        return None


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Connection(urllib3.connection.HTTPConnection):
    def _new_conn(self) -> socket.socket:
        line = _current.get()
        line.dial()
        connected = super()._new_conn()
        if not line.watch(self, connected):
            connected.close()
            raise urllib3.exceptions.NewConnectionError(self, "given up")
        return connected


class _TlsConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: object
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: object) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
