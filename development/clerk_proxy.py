"""The local Clerk instance under a path of the application's own origin, as Clerk's `proxyUrl` wants it.

Not werkzeug's ProxyMiddleware: it decodes paths twice, loses a body of unknown length, and answers HTML when nobody
listens.
"""

import http.client
import json
import secrets
import string
from collections.abc import Iterable
from urllib.parse import quote, urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.datastructures import EnvironHeaders
from werkzeug.http import is_hop_by_hop_header
from werkzeug.wrappers import Response

from backend.errors import AppError, ErrorCode

TIMEOUT = 10  # seconds
MAX_BODY_BYTES = 14_000_000  # Clerk's pictures have at most 10 MB, and are a third longer as base64


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
        try:
            answer, content = self._ask(environ, target.removeprefix(self._prefix))
        except AppError as error:
            return _refusal(error)(environ, start_response)
        headers = [(name, value) for name, value in answer.getheaders() if not is_hop_by_hop_header(name)]
        start_response(f"{answer.status} {answer.reason}", headers)
        return [content]

    def _ask(self, environ: WSGIEnvironment, target: str) -> tuple[http.client.HTTPResponse, bytes]:
        """With the headers of the caller: Clerk makes `azp` of Origin, and its cookies are for the Host.

        The whole answer, for one that ends too early can only be refused while nothing of it was passed on.
        """
        headers = {name: value for name, value in EnvironHeaders(environ).items() if not is_hop_by_hop_header(name)}
        body = _read_body(environ)
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT)
        try:
            connection.request(environ["REQUEST_METHOD"], target, body or None, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        except (OSError, http.client.HTTPException) as error:
            message = "The local Clerk instance does not answer."
            raise AppError(ErrorCode.CLERK_UNAVAILABLE, message) from error
        finally:
            connection.close()


def _read_body(environ: WSGIEnvironment) -> bytes:
    """Raises AppError, also for half a body: half a form is one with other values."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = b""
    if length <= MAX_BODY_BYTES:
        try:
            body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
        except Exception as error:  # gunicorn has kinds of its own for faults in the chunks
            raise AppError(ErrorCode.MALFORMED_BODY, "The body could not be read.") from error
    if max(length, len(body)) > MAX_BODY_BYTES:
        raise AppError(ErrorCode.PAYLOAD_TOO_LARGE, f"A body has at most {MAX_BODY_BYTES} bytes here.")
    if len(body) < length:
        raise AppError(ErrorCode.MALFORMED_BODY, "The body ends too early.")
    return body


def _refusal(error: AppError) -> Response:
    """A problem, with Clerk's own form of it: what Clerk's screens show is the message."""
    shown = {"code": "internal_clerk_error", "message": error.detail, "long_message": error.detail}
    problem = error.problem(secrets.token_hex(8)) | {"errors": [shown]}
    return Response(json.dumps(problem), error.code.status, error.headers, mimetype="application/problem+json")
