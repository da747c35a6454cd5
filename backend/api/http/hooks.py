"""Around every request: its id, its time limit, the headers of its response, and the form of every error."""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus

import psycopg2
from flask import Flask, Response, g, request
from flask.globals import request_ctx
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import HTTPException

from backend.access.identity import Identity
from backend.api.http.access_log import AccessLine
from backend.database.transactions import TooManyAtOnce, UnknownOutcomeError, describe_fault
from backend.deadline import Deadline, RequestTimeout
from backend.errors import AppError, ErrorCode

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CODES = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.PAYLOAD_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}
DATABASE_ERRORS = (DBAPIError, PoolTimeout, UnknownOutcomeError, psycopg2.Error)
# Counterfoil never issued a legacy token: they are deprecated from its first version on.
DEPRECATED_SINCE = datetime(2026, 11, 21, tzinfo=UTC)

log = logging.getLogger(__name__)


class Counterfoil(Flask):
    """Flask, with an id and a time limit for each request, inside which headers and error forms still apply."""

    request_timeout: float
    write_access_line: Callable[[int, dict[str, object]], None]

    def full_dispatch_request(self) -> Response:
        g.began_at = time.perf_counter()
        # The caller's own X-Request-ID when it is a plain word, else a new one; the same in response, log and audit
        # trail.
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        clear_contextvars()  # of the request before it on this connection
        bind_contextvars(request_id=g.request_id)
        line = AccessLine(self.write_access_line)
        deadline = Deadline(self.request_timeout)
        try:
            response = super().full_dispatch_request()
        except RequestTimeout:
            log.warning("The request took longer than %g s.", self.request_timeout)
            error = AppError(ErrorCode.REQUEST_TIMEOUT, "The request took too long and was given up. Try again.")
            response = self.finalize_request(respond_problem(error), from_error_handler=True)
        finally:
            deadline.end()
        # Not the proxies: they would cost 5 µs.
        line.end(request_ctx.request, g.get("caller"), response, g.get("code"))
        return response


def register_hooks(
    app: Flask, add_security_headers: Callable[[Response], None], allow_origin: Callable[[Response], Response]
) -> None:
    """`allow_origin`: adds the headers of CORS."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers.add("X-Request-ID", g.request_id)
        add_security_headers(response)
        if (limit := g.get("rate_limit")) is not None:
            headers.add("RateLimit", limit[0])
            headers.add("RateLimit-Policy", limit[1])
        # A request without Origin comes from no page, and skips 30 us of flask-cors.
        return allow_origin(response) if "HTTP_ORIGIN" in request.environ else response

    app.register_error_handler(AppError, _handle_app_error)
    app.register_error_handler(HTTPException, _handle_http_exception)
    for kind in DATABASE_ERRORS:
        app.register_error_handler(kind, _handle_database_error)
    app.register_error_handler(TooManyAtOnce, _handle_crowd)
    app.register_error_handler(Exception, _handle_bug)


def announce_sunset(app: Flask, sunset: datetime) -> None:
    """Tell clients of legacy tokens until when they work: Deprecation (RFC 9745) and Sunset (RFC 8594)."""
    since = min(DEPRECATED_SINCE, sunset)  # RFC 9745: the sunset must not be earlier
    headers = {
        "Deprecation": f"@{int(since.timestamp())}",
        "Sunset": format_datetime(sunset.astimezone(UTC), usegmt=True),
    }

    @app.after_request
    def announce(response: Response) -> Response:
        caller = g.get("caller")
        if isinstance(caller, Identity) and caller.kind == "legacy":
            response.headers.update(headers)
        return response


def respond_problem(error: AppError) -> Response:
    g.code = error.code.value  # for the log
    body = json.dumps(error.problem(g.request_id))
    return Response(body, error.code.status, error.headers, mimetype="application/problem+json")


def _handle_app_error(error: AppError) -> Response:
    """Trouble of ours is in the log with its reason."""
    if error.code.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("The answer is %s: %s", error.code.value, error.detail)
    return respond_problem(error)


def _handle_http_exception(error: HTTPException) -> Response:
    """Flask's own refusals, in our form; of their headers only Allow says something new."""
    code = CODES.get(HTTPStatus(error.code or HTTPStatus.BAD_REQUEST), ErrorCode.MALFORMED_BODY)
    response = respond_problem(AppError(code, error.description or code.summary))
    if allow := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allow
    return response


def _handle_database_error(error: Exception) -> Response:
    """The database is away, busy or not migrated: our trouble, never the caller's. To try again helps then, and not
    after a value that it refuses.
    """
    if isinstance(getattr(error, "orig", error), psycopg2.DataError):
        return _handle_bug(error)
    log.error("The request failed at the database: %s.", describe_fault(error))
    return respond_problem(
        AppError(ErrorCode.DATABASE_UNAVAILABLE, "The database cannot be used at the moment. Try again.")
    )


def _handle_crowd(_error: TooManyAtOnce) -> Response:
    detail = "Too many of your requests are under way. Send fewer at once, and this one again."
    return respond_problem(AppError(ErrorCode.RATE_LIMITED, detail, retry_after=1))


def _handle_bug(error: Exception) -> Response:
    log.error("The request failed.", exc_info=error)
    return respond_problem(AppError(ErrorCode.INTERNAL, "Something went wrong on our side. It has been logged."))
