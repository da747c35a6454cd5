"""Around every request: its id, its policy, its headers, and the form of every error."""

import json
import logging
import re
import secrets
from http import HTTPStatus

import psycopg2
from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from backend.access.policies import enforce_policy
from backend.errors import AppError, ErrorCode

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

CODES = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.PAYLOAD_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}

log = logging.getLogger(__name__)


def register_hooks(app: Flask) -> None:
    app.before_request(enforce_policy)
    app.after_request(_add_headers)
    app.register_error_handler(AppError, answer_problem)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(DBAPIError, _answer_database_error)
    app.register_error_handler(PoolTimeout, _answer_database_error)
    app.register_error_handler(psycopg2.Error, _answer_database_error)
    app.register_error_handler(Exception, _answer_bug)


def request_id() -> str:
    """The id of this request in answers and logs: the caller's own X-Request-ID when it is a plain word."""
    name: str | None = g.get("request_id")
    if name is None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        name = g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    return name


def answer_problem(error: AppError) -> Response:
    body = json.dumps(error.problem(request_id()))
    return Response(body, error.code.status, error.headers, mimetype="application/problem+json")


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers.add("X-Request-ID", request_id())
    headers.add("X-Content-Type-Options", "nosniff")
    headers.add("Cache-Control", "no-store")
    return response


def _answer_http_exception(error: HTTPException) -> Response:
    """Flask's own refusals, in our form; of their headers only Allow says something new."""
    code = CODES.get(HTTPStatus(error.code or HTTPStatus.BAD_REQUEST), ErrorCode.MALFORMED_BODY)
    response = answer_problem(AppError(code, error.description or code.summary))
    if allow := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allow
    return response


def _answer_database_error(error: Exception) -> Response:
    """The database is away, busy or not migrated: our trouble, never the caller's."""
    log.error("Request %s failed at the database: %s.", request_id(), _describe(error))
    return answer_problem(
        AppError(ErrorCode.DATABASE_UNAVAILABLE, "The database cannot be used at the moment. Try again.")
    )


def _describe(error: Exception) -> str:
    """The kind of fault, without the statement and its values: they hold personal data.

    What libpq says of a connection, before PostgreSQL gave a code, names the database's host and user at most.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code: str | None = getattr(cause, "pgcode", None)
    reason = code or str(cause).partition("\n")[0]
    return f"{type(cause).__name__} {reason}"


def _answer_bug(error: Exception) -> Response:
    log.error("Request %s failed.", request_id(), exc_info=error)
    return answer_problem(
        AppError(ErrorCode.INTERNAL, "Something went wrong on our side. It has been logged.")
    )
