"""What a route may demand of its caller."""

from dataclasses import dataclass

from backend.access.identity import Identity
from backend.errors import AppError, ErrorCode
from backend.models.choices import Plan, Role
from backend.services.api_keys.scopes import Scope

READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that a route demands; every part must hold.

    `read`, `write`: the scope that an API key needs, by method. Where none is named, no API key is accepted: a new
    route is closed to keys until somebody thinks of them. `role` and `plan` are the least that will do.
    `session_only`: neither an API key nor a legacy token will do. `live`: Clerk itself must say that the session goes
    on; an API key is looked up each time anyway, a legacy token has no session. `impersonation`: whether somebody in the
    user's place may.
    """

    is_public: bool = False
    read: Scope | None = None
    write: Scope | None = None
    role: Role = Role.USER
    plan: Plan = Plan.FREE
    session_only: bool = False
    live: bool = False
    impersonation: bool = True

    def check(self, identity: Identity, method: str) -> None:
        """Raises AppError (403) unless a signed-in caller may do this. Whether the session lives is not asked here."""
        self._check_credential(identity, self.read if method in READING else self.write)
        if not self.impersonation and identity.actor is not None:
            raise AppError(
                ErrorCode.FORBIDDEN, "Not while impersonating somebody: only the user may do this."
            )
        if self.role is not Role.USER and not Role(str(identity.role)).includes(self.role):
            raise AppError(ErrorCode.FORBIDDEN, f"This takes the role {self.role}.")
        if self.plan is not Plan.FREE and not Plan(str(identity.plan)).includes(self.plan):
            raise AppError(ErrorCode.FORBIDDEN, f"This takes the plan {self.plan}.")

    def _check_credential(self, identity: Identity, scope: Scope | None) -> None:
        if identity.kind == "clerk":
            return
        if self.session_only or (self.live and identity.kind == "legacy"):
            raise AppError(ErrorCode.FORBIDDEN, "This takes a Clerk session: sign in and send its token.")
        if identity.kind == "api-key":
            if scope is None:
                raise AppError(
                    ErrorCode.FORBIDDEN, "This is not for API keys: sign in and send a session token."
                )
            if scope not in identity.scopes:
                raise AppError(ErrorCode.INSUFFICIENT_SCOPE, f"This API key lacks the scope {scope}.")


PUBLIC = Policy(is_public=True)
SIGNED_IN = Policy()
