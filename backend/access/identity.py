"""One identity for every request, whichever credential it came with."""

from dataclasses import dataclass, field
from typing import Literal, Unpack

from backend.access.active_organization import ActiveOrganization
from backend.access.authorization import Demands, is_authorized
from backend.access.credentials import Kind
from backend.models.roles_plans_scopes import Scope
from backend.services.clerk.memberships import Membership
from backend.services.core.entitlements import NO_ENTITLEMENTS, Entitlements
from backend.services.users.accounts import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is calling. Signed out, everything but `kind` is empty, as in Clerk's auth object.

    `account` is the row that the same statement read. `session_id`, `actor` (the Clerk id of whoever impersonates the
    user) and the organization come with a Clerk session token only; `api_key_id` and `scopes` with an API key only,
    those that they include too.
    """

    kind: Kind | Literal["anonymous"]
    account: Account | None = field(default=None, repr=False)
    user_id: int | None = None
    clerk_user_id: str | None = None
    session_id: str | None = None
    actor: str | None = None
    role: str | None = None
    plan: str | None = None
    entitlements: Entitlements = NO_ENTITLEMENTS
    organization: ActiveOrganization | None = field(default=None, repr=False, compare=False)
    api_key_id: int | None = None
    scopes: frozenset[Scope] = frozenset()

    @property
    def is_authenticated(self) -> bool:
        return self.user_id is not None

    @property
    def key(self) -> str | int | None:
        """Of the account; None of nobody."""
        return self.account.key if self.account else None

    @property
    def org_id(self) -> str | None:
        return self.entitlements.org_id

    @property
    def org_role(self) -> str | None:
        return self.entitlements.org_role

    @property
    def org_permissions(self) -> frozenset[str]:
        return self.entitlements.org_permissions

    @property
    def membership(self) -> Membership | None:
        """In the active organization, as our copy has it now. None without one: the user left, or has just joined."""
        return self.organization.membership if self.organization else None

    @property
    def org_plan(self) -> str | None:
        """Slug of the plan that the active organization pays for, as our copy of Clerk Billing has it now."""
        return self.organization.plan if self.organization else None

    def has(self, **demands: Unpack[Demands]) -> bool:
        """Clerk's `has()`: whether the session token grants all that is asked, in the active organization.

        `role` is the organization's (`org:admin`), `plan` one of Clerk Billing. An API key or legacy token has none.
        """
        return is_authorized(self.is_authenticated, self.entitlements, **demands)


ANONYMOUS = Identity(kind="anonymous")
