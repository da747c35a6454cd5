"""Refusals of the Backend API that no request deserves, as `faults` asks for them."""

from http import HTTPStatus

from flask import Response, after_this_request, request

from clerk_emulator.context import current_emulator
from clerk_emulator.errors import ClerkError
from clerk_emulator.faults import EXEMPT_HEADERS


def refuse_at_random() -> Response | None:
    """Answer in the request's place, before it changes anything. Raises ClerkError likewise."""
    if all(request.headers.get(name) == value for name, value in EXEMPT_HEADERS.items()):
        return None
    faults = current_emulator().faults
    status = faults.refusal()
    if status is None:
        return None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        after_this_request(lambda response: _with_header(response, "Retry-After", str(faults.settings.retry_after)))
        message = "Too many requests. Please try again in a bit."
        raise ClerkError(status, "too_many_requests_error", "Too many requests", message)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ClerkError(status, "internal_clerk_error", "Oops, an unexpected error occurred", "It was asked for.")
    # Not Clerk answers these but the proxy in front of it, which knows no JSON.
    return Response(f"<html><body><h1>{status.value} {status.phrase}</h1></body></html>\n", status)


def _with_header(response: Response, name: str, value: str) -> Response:
    response.headers[name] = value
    return response
