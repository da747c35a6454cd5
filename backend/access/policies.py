"""What a route demands, and what a view may ask about its caller.

The three pieces of Clerk's middleware: every request may have an identity (clerkMiddleware), a view can read it
(getAuth), and some routes demand it (requireAuth). Nothing is verified before somebody asks.
"""

from collections.abc import Callable
from enum import Enum
from functools import wraps
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from flask import current_app, g, request

from backend.access.authentication import Authenticator, Caller
from backend.access.identity import ANONYMOUS, Identity
from backend.errors import AppError

P = ParamSpec("P")
R = TypeVar("R")


class Policy(Enum):
    """Who may call the routes of a blueprint."""

    PUBLIC = "public"
    SIGNED_IN = "signed-in"


def get_auth() -> Identity:
    """The caller's identity; ANONYMOUS without a good credential. Raises only for trouble of ours (503)."""
    try:
        return get_caller().identity
    except AppError as error:
        if error.code.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return ANONYMOUS


def get_current_user_id() -> int:
    """The caller's `users.user_id`. Raises AppError (401, 403, 503) when there is none."""
    return get_caller().account.user_id


def get_caller() -> Caller:
    """Identity and account of a signed-in caller: authenticated once a request, one answer to all who ask.

    Raises AppError (401, 403, 503), the same one again as well.
    """
    known: Caller | AppError | None = g.get("caller")
    if known is None:
        authenticator: Authenticator = current_app.extensions["authenticator"]
        try:
            known = authenticator.authenticate(request)
        except AppError as error:
            known = error
        g.caller = known
    if isinstance(known, AppError):
        raise known
    return known


def require_auth(view: Callable[P, R]) -> Callable[P, R]:
    """Demand a signed-in caller for one view of a public blueprint."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        get_caller()
        return view(*args, **kwargs)

    return guarded


def enforce_policy() -> None:
    """Before each request: apply the policy of its route. A preflight never authenticates (browsers send no token)."""
    endpoint = request.endpoint
    if endpoint is None or request.method == "OPTIONS":
        return
    policies: dict[str, Policy] = current_app.extensions["policies"]
    # A route outside the table demands a caller: forgetting a policy must not open a door.
    if policies.get(endpoint.partition(".")[0], Policy.SIGNED_IN) is Policy.SIGNED_IN:
        get_caller()
