"""Errors in the form of Clerk's APIs: `{"errors": [{message, long_message, code, meta?}], "clerk_trace_id"}`."""

import logging
import secrets
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

logger = logging.getLogger(__name__)


class ClerkError(Exception):
    """A refusal the caller can read. The status, code and texts are those of Clerk's error catalogue."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        long_message: str,
        *,
        param: str | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__(long_message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, "long_message": long_message, "code": code}
        meta = {"param_name": param, "session_id": session_id}
        if known := {name: value for name, value in meta.items() if value is not None}:
            self.body["meta"] = known


def not_found(kind: str, identifier: str) -> ClerkError:
    return ClerkError(
        HTTPStatus.NOT_FOUND, "resource_not_found", "not found", f"No {kind} was found with id {identifier}"
    )


def invalid_parameter(param: str, code: str, message: str, long_message: str) -> ClerkError:
    return ClerkError(HTTPStatus.UNPROCESSABLE_ENTITY, code, message, long_message, param=param)


def register_error_handlers(app: Flask) -> None:
    app.register_error_handler(ClerkError, _answer)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(Exception, _answer_unexpected)


def _answer(error: ClerkError) -> tuple[Response, int]:
    return jsonify(errors=[error.body], clerk_trace_id=secrets.token_hex(16)), error.status


def _answer_http_exception(error: HTTPException) -> tuple[Response, int]:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if status == HTTPStatus.NOT_FOUND:
        return _answer(ClerkError(status, "resource_not_found", "URL not found", "The URL was not found"))
    return _answer(ClerkError(status, "bad_request", status.phrase, error.description or status.phrase))


def _answer_unexpected(error: Exception) -> tuple[Response, int]:
    logger.error("unexpected error", exc_info=error)
    return _answer(
        ClerkError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal_clerk_error",
            "Oops, an unexpected error occurred",
            "The emulator failed; its log has the traceback.",
        )
    )
