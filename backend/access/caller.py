"""What a route demands, and what a view may ask about its caller.

The three pieces of Clerk's middleware: every request may have an identity (clerkMiddleware), a view can read it
(getAuth), and some routes demand it (requireAuth). Nothing is verified before somebody asks.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar, overload

from flask import current_app, g, request

from backend.access.admission import Caller
from backend.access.authentication import Authenticator
from backend.access.identity import ANONYMOUS, Identity
from backend.access.policy import SIGNED_IN, Policy
from backend.errors import AppError, ErrorCode
from backend.models.choices import Plan, Role
from backend.request_id import request_id
from backend.services.api_keys.scopes import Scope
from backend.services.audit import Actor
from backend.services.clerk.sessions import LiveSessions

P = ParamSpec("P")
R = TypeVar("R")


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


def current_actor() -> Actor:
    """The caller, as the audit trail names who did something."""
    identity = get_caller().identity
    return Actor("api", identity.user_id, identity.actor, request_id())


@overload
def require_auth(view: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def require_auth(
    *,
    scope: Scope | None = None,
    role: Role = Role.USER,
    plan: Plan = Plan.FREE,
    session_only: bool = False,
    live: bool = False,
    impersonation: bool = True,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def require_auth(
    view: Callable[P, R] | None = None, /, *, scope: Scope | None = None, **demands: Any
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Demand a caller for one view, beyond what the table demands for its blueprint. The words are those of Policy."""
    policy = Policy(read=scope, write=scope, **demands)

    def guard(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            _enforce(policy)
            return view(*args, **kwargs)

        guarded.policy = policy  # type: ignore[attr-defined] # for /openapi.json
        return guarded

    return guard if view is None else guard(view)


def enforce_policy() -> None:
    """Before each request: apply the policy of its route. A preflight never authenticates (browsers send no token)."""
    if "//" in request.environ.get("PATH_INFO", ""):
        # A path has one spelling. The router drops slashes at its beginning; a proxy's rules may not (CVE-2026-41248).
        raise AppError(ErrorCode.NOT_FOUND, "There is nothing here: the path has an empty part.")
    endpoint = request.endpoint
    if endpoint is None or request.method == "OPTIONS":
        return
    policies: dict[str, Policy] = current_app.extensions["policies"]
    # A route outside the table demands a caller: forgetting a policy must not open a door.
    policy = policies.get(endpoint.partition(".")[0], SIGNED_IN)
    if not policy.is_public:
        _enforce(policy)


def _enforce(policy: Policy) -> None:
    identity = get_caller().identity
    policy.check(identity, request.method)
    if policy.live and identity.kind == "clerk":
        check_live_session(identity.session_id)


def check_live_session(session_id: str | None) -> None:
    """Ask Clerk whether this session of the caller goes on. Raises AppError: 401 when not, 503 when Clerk is away."""
    if session_id is None:
        raise AppError(ErrorCode.SESSION_REVOKED, "The token belongs to no session. Sign in again.")
    live: LiveSessions = current_app.extensions["live_sessions"]
    live.check(session_id, get_caller().identity.clerk_user_id or "")
