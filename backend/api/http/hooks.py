"""Around every request: its id, its policy, its headers, and the form of every error."""

import json
import logging
from http import HTTPStatus

import psycopg2
from flask import Flask, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from backend.access.caller import enforce_policy
from backend.database.prepared_reads import describe_fault
from backend.errors import AppError, ErrorCode
from backend.request_id import request_id

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
    app.register_error_handler(AppError, _answer_app_error)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(DBAPIError, _answer_database_error)
    app.register_error_handler(PoolTimeout, _answer_database_error)
    app.register_error_handler(psycopg2.Error, _answer_database_error)
    app.register_error_handler(Exception, _answer_bug)


def answer_problem(error: AppError) -> Response:
    body = json.dumps(error.problem(request_id()))
    return Response(body, error.code.status, error.headers, mimetype="application/problem+json")


def _answer_app_error(error: AppError) -> Response:
    """Trouble of ours is in the log, under the id that the answer names."""
    if error.code.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("Request %s was answered %s: %s", request_id(), error.code.value, error.detail)
    return answer_problem(error)


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers.add("X-Request-ID", request_id())
    headers.add("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")
    return response


def _answer_http_exception(error: HTTPException) -> Response:
    """Flask's own refusals, in our form; of their headers only Allow says something new."""
    code = CODES.get(HTTPStatus(error.code or HTTPStatus.BAD_REQUEST), ErrorCode.MALFORMED_BODY)
    response = answer_problem(AppError(code, error.description or code.summary))
    if allow := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allow
    return response


def _answer_database_error(error: Exception) -> Response:
    """The database is away, busy or not migrated: our trouble, never the caller's. To try again helps then, and not after a
    value that it refuses.
    """
    if isinstance(getattr(error, "orig", error), psycopg2.DataError):
        return _answer_bug(error)
    log.error("Request %s failed at the database: %s.", request_id(), describe_fault(error))
    return answer_problem(
        AppError(ErrorCode.DATABASE_UNAVAILABLE, "The database cannot be used at the moment. Try again.")
    )


def _answer_bug(error: Exception) -> Response:
    log.error("Request %s failed.", request_id(), exc_info=error)
    return answer_problem(
        AppError(ErrorCode.INTERNAL, "Something went wrong on our side. It has been logged.")
    )
