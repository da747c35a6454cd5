"""The local Clerk instance under a path of the application's own origin, as Clerk's `proxyUrl` wants it.

Not werkzeug's ProxyMiddleware: it decodes paths twice, loses a body of unknown length, and answers HTML when nobody
listens.
"""

import http.client
import json
import secrets
import string
from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.datastructures import EnvironHeaders
from werkzeug.http import is_hop_by_hop_header
from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from backend.errors import AppError, ErrorCode

TIMEOUT = 10  # seconds
CHUNK_BYTES = 65_536
AWAY = "The local Clerk instance does not answer."


class ClerkProxy:
    """Sends what comes under `prefix` to the Clerk instance at `url`, without the prefix; the rest to `app`."""

    def __init__(self, app: WSGIApplication, prefix: str, url: str) -> None:
        self._app = app
        self._prefix = prefix
        self._address = urlsplit(url).netloc

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # As it was sent: a decoded path cannot be encoded again without loss.
        target = quote(environ["RAW_URI"], safe=string.punctuation, encoding="latin-1")
        if not target.startswith(f"{self._prefix}/"):
            return self._app(environ, start_response)
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT)
        try:
            answer = _ask(connection, environ, target.removeprefix(self._prefix))
        except (OSError, http.client.HTTPException):
            connection.close()
            return _unavailable()(environ, start_response)
        headers = [(name, value) for name, value in answer.getheaders() if not is_hop_by_hop_header(name)]
        start_response(f"{answer.status} {answer.reason}", headers)
        return ClosingIterator(_read(answer), connection.close)


def _ask(
    connection: http.client.HTTPConnection, environ: WSGIEnvironment, target: str
) -> http.client.HTTPResponse:
    """With the headers of the caller: Clerk makes `azp` of Origin, and its cookies are for the Host."""
    headers = {
        name: value
        for name, value in EnvironHeaders(environ).items()
        if not is_hop_by_hop_header(name) and name != "Content-Length"
    }
    body = environ["wsgi.input"].read()
    connection.request(environ["REQUEST_METHOD"], target, body or None, headers)
    return connection.getresponse()


def _read(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(CHUNK_BYTES):
        yield chunk


def _unavailable() -> Response:
    """A problem, with Clerk's own form of it: what Clerk's screens show is the message."""
    errors = [{"code": "internal_clerk_error", "message": AWAY, "long_message": AWAY}]
    error = AppError(ErrorCode.CLERK_UNAVAILABLE, AWAY, members={"errors": errors})
    problem = json.dumps(error.problem(secrets.token_hex(8)))
    return Response(problem, error.code.status, error.headers, mimetype="application/problem+json")
