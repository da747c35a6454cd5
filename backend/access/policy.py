"""What a route demands of its caller, and what a view may ask about it.

The three pieces of Clerk's middleware: every request may have an identity (clerkMiddleware), a view can read it
(getAuth), and some routes demand it (requireAuth). Nothing is verified before somebody asks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar, cast, overload

from flask import Flask, current_app, g, request

from backend.access.authentication import Authenticator
from backend.access.authorization import bare_name
from backend.access.identity import ANONYMOUS, Identity
from backend.access.rate_limits import RequestLimits
from backend.access.refusals import Refusals
from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import Plan, Role, Scope
from backend.services.audit import Actor
from backend.services.clerk.sessions import LiveSessions, session_ended
from backend.services.rate_limits.table import Group, Limit
from backend.services.users.accounts import Account

P = ParamSpec("P")
R = TypeVar("R")

READING = frozenset({"GET", "HEAD"})
_EXTENSION, _POLICIES, _LIMITS = "counterfoil.access", "counterfoil.policies", "counterfoil.limits"
USUAL = Limit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that a route demands; every part must hold.

    `read`, `write`: the scope that an API key needs, by method. Where none is named, no API key is accepted: a new
    route is closed to keys until somebody thinks of them. `role` and `plan` are the least that will do. `org_role`,
    `org_permission`: what the session must have in its active organization, as Clerk's `has()` judges it; an API key or
    legacy token has no organization. `stored`: our copy must know the membership, and says what it is worth where it is
    newer than the token, so that whoever was removed or demoted is refused at once. `session_only`: neither an API key
    nor a legacy token will do. `live`: Clerk itself must say that the session goes on; an API key is looked up each
    time anyway, a legacy token has no session. `impersonation`: whether somebody in the user's place may.

    Raises ValueError for what can never be met or would never be asked, when the application starts: at a request it
    would be a 500, or nothing at all.
    """

    is_public: bool = False
    read: Scope | None = None
    write: Scope | None = None
    role: Role = Role.USER
    plan: Plan = Plan.FREE
    org_role: str | None = None
    org_permission: str | None = None
    stored: bool = False
    session_only: bool = False
    live: bool = False
    impersonation: bool = True

    def __post_init__(self) -> None:
        for wanted, known in ((self.role, Role), (self.plan, Plan), (self.read, Scope), (self.write, Scope)):
            if wanted is not None and not isinstance(wanted, known):
                choices = ", ".join(f"{known.__name__}.{choice.name}" for choice in known)
                raise ValueError(f"A policy demands {wanted!r}, which is none of {choices}.")
        for name in (self.org_role, self.org_permission):
            if name is not None and not bare_name(name):
                raise ValueError(f"A policy demands {name!r} of an organization: name a role or permission.")
        if self.org_permission is not None and bare_name(self.org_permission).startswith("sys_"):
            raise ValueError(f"A policy demands {self.org_permission!r}: Clerk has its own permissions in no token.")
        if self.is_public and replace(self, is_public=False) != Policy():
            raise ValueError("A policy demands something of its caller, and is public: nobody would ask.")

    @property
    def needs_organization(self) -> bool:
        return self.stored or self.org_role is not None or self.org_permission is not None

    def check(self, identity: Identity, method: str) -> None:
        """Raises AppError (403) unless a signed-in caller may do this. Whether the session lives is not asked here."""
        if identity.kind != "clerk" and (self.session_only or (self.live and identity.kind == "legacy")):
            raise AppError(ErrorCode.FORBIDDEN, "This takes a Clerk session: sign in and send its token.")
        if identity.kind == "api-key":
            scope = self.read if method in READING else self.write
            if scope is None:
                raise AppError(ErrorCode.FORBIDDEN, "This is not for API keys: sign in and send a session token.")
            if scope not in identity.scopes:
                raise AppError(ErrorCode.INSUFFICIENT_SCOPE, f"This API key lacks the scope {scope}.")
        if not self.impersonation and identity.actor is not None:
            raise AppError(ErrorCode.FORBIDDEN, "Not while impersonating somebody: only the user may do this.")
        if self.role is not Role.USER and not Role(str(identity.role)).includes(self.role):
            raise AppError(ErrorCode.FORBIDDEN, f"This takes the role {self.role}.")
        if self.plan is not Plan.FREE and not Plan(str(identity.plan)).includes(self.plan):
            raise AppError(ErrorCode.FORBIDDEN, f"This takes the plan {self.plan}.")
        if self.needs_organization:
            self._check_organization(identity)

    def _check_organization(self, identity: Identity) -> None:
        if not self.stored:
            is_met = identity.has(role=self.org_role, permission=self.org_permission)
        else:
            organization = identity.organization
            is_met = organization is not None and organization.grants(
                role=self.org_role, permission=self.org_permission
            )
        if not is_met:
            wanted = " and ".join(name for name in (self.org_role, self.org_permission) if name) or "a membership"
            raise AppError(ErrorCode.FORBIDDEN, f"This takes {wanted} in the active organization of a Clerk session.")


PUBLIC = Policy(is_public=True)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call what, and how often. One an application. `policies`, `limits`: see policies_of, limits_of."""

    authenticator: Authenticator
    live_sessions: LiveSessions
    refusals: Refusals
    policies: dict[str, Policy]
    limits: dict[str, Limit | None]
    rate_limits: RequestLimits

    def bind(self, app: Flask) -> None:
        """Apply limit and policy of its route before each request."""
        app.extensions[_EXTENSION] = self
        app.before_request(self.enforce)

    def enforce(self) -> None:
        """Raises AppError. A preflight never authenticates: browsers send no token with it."""
        if "//" in request.environ.get("PATH_INFO", ""):
            # A path has one spelling. The router drops slashes at its beginning; a proxy's rules may not
            # (CVE-2026-41248).
            raise AppError(ErrorCode.NOT_FOUND, "There is nothing here: the path has an empty part.")
        endpoint = request.endpoint
        if endpoint is None or request.method == "OPTIONS":
            return
        route = endpoint.partition(".")[0]
        policy = self.policies.get(route)
        if policy is None:
            # Forgetting a policy must open a route to nobody.
            raise AppError(
                ErrorCode.FORBIDDEN, "This route has no policy: add its blueprint to ROUTES in backend/api/__init__.py."
            )
        needs_caller = not policy.is_public or hasattr(current_app.view_functions[endpoint], "policy")
        self._count(self.limits.get(route, USUAL), needs_caller)
        if not policy.is_public:
            self.demand(policy)

    def _count(self, limit: Limit | None, needs_caller: bool) -> None:
        """Raises AppError: 401, 403 or 503 without a caller where one is needed, 429 beyond the limit."""
        if limit is None or self.rate_limits.limiter is None:
            return
        group = limit.read if request.method in READING else limit.write
        if needs_caller:
            self.rate_limits.spend(group, get_caller())
            return
        try:
            self.rate_limits.spend(group, None)
        except AppError:
            # Nobody who is signed in is refused because of their neighbours.
            identity = get_auth()
            if not identity.is_authenticated:
                raise
            self.rate_limits.spend(group, identity)

    def demand(self, policy: Policy) -> None:
        """Raises AppError unless this request has a caller who meets the policy."""
        identity = get_caller()
        policy.check(identity, request.method)
        if policy.live and identity.kind == "clerk":
            self.check_live_session(identity.session_id)

    def check_live_session(self, session_id: str | None) -> None:
        """Ask Clerk whether this session goes on, if it is the one that the caller's token names.

        Raises AppError: 401 if it does not or is another one, 429 for who asks too often, 503 if Clerk is away.
        """
        identity = get_caller()
        if session_id is None:
            raise AppError(ErrorCode.SESSION_REVOKED, "The token belongs to no session. Sign in again.")
        if session_id != identity.session_id:
            # Clerk counts our calls: whoever could ask for invented ids would spend what all others need.
            raise session_ended()
        self.rate_limits.spend(Group.LIVE, identity)
        self.live_sessions.check(session_id, identity.clerk_user_id or "")


def policies_of(app: Flask) -> dict[str, Policy]:
    """The policies of the application's routes, by the name of a blueprint. To be filled when they are registered."""
    return cast("dict[str, Policy]", app.extensions.setdefault(_POLICIES, {}))


def limits_of(app: Flask) -> dict[str, Limit | None]:
    """The limits of the application's routes, as policies_of. None: no limit; one that is not named here: the usual."""
    return cast("dict[str, Limit | None]", app.extensions.setdefault(_LIMITS, {}))


def current_access() -> Access:
    return cast("Access", current_app.extensions[_EXTENSION])


def get_auth() -> Identity:
    """The caller's identity; ANONYMOUS without a good credential. Raises only for trouble of ours (503)."""
    known = _authenticate()
    if isinstance(known, Identity):
        return known
    if known.code.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise known
    return ANONYMOUS


def get_caller() -> Identity:
    """The identity of a signed-in caller: authenticated once a request, one result for all who ask.

    Raises AppError: 401, 403 or 503; 429 for an address that sends too many of the first two.
    """
    known = _authenticate()
    if isinstance(known, Identity):
        return known
    raise current_access().rate_limits.refuse(known)


def _authenticate() -> Identity | AppError:
    known: Identity | AppError | None = g.get("caller")
    if known is None:
        access: Access = current_app.extensions[_EXTENSION]
        try:
            known = access.authenticator.authenticate(request)
        except AppError as error:
            known = error
            access.refusals.note(error)
        g.caller = known
    return known


def get_account() -> Account:
    """The caller's row, as it was read when the request came. Raises AppError as get_caller."""
    return cast("Account", get_caller().account)


def get_current_user_id() -> int:
    """The caller's `users.user_id`. Raises AppError (401, 403, 503) when there is none."""
    return get_account().user_id


def current_actor() -> Actor:
    """The caller, as the audit trail names who did something."""
    identity = get_caller()
    return Actor("api", identity.user_id, identity.actor, g.request_id)


@overload
def require_auth(view: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def require_auth(
    *,
    scope: Scope | None = None,
    role: Role = Role.USER,
    plan: Plan = Plan.FREE,
    org_role: str | None = None,
    org_permission: str | None = None,
    stored: bool = False,
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
            current_access().demand(policy)
            return view(*args, **kwargs)

        guarded.policy = policy  # type: ignore[attr-defined] # for /openapi.json
        return guarded

    return guard if view is None else guard(view)
