"""The caller as `/auth/me` shows them."""

from datetime import datetime
from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, Field

from backend.access.identity import Identity
from backend.models.roles_plans_scopes import Plan, Role, Scope
from backend.schemas.base import Output, Query
from backend.schemas.fields import Omittable
from backend.services.users.accounts import Account


class NamedUserOut(Output):
    user_id: int
    clerk_user_id: str | None
    email: str | None
    email_verified: bool
    username: str | None
    first_name: str | None
    last_name: str | None


class UserOut(NamedUserOut):
    phone: str | None
    phone_verified: bool
    image_url: str | None
    role: Role
    bio: str | None
    website: str | None
    social_links: dict[str, str]
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime


class SubscriptionOut(Output):
    plan: Plan
    status: Literal["active", "past_due", "canceled"] = Field(validation_alias="plan_status")
    period_start: datetime = Field(validation_alias="plan_period_start")
    period_end: datetime | None = Field(validation_alias="plan_period_end")


class UsageOut(Output):
    """This calendar month, UTC."""

    tokens_used: int
    tokens_limit: int
    tokens_remaining: int
    campaigns_created: int
    api_requests: int
    period_start: datetime = Field(validation_alias="usage_period_start")
    period_end: datetime = Field(validation_alias="usage_period_end")


class OrganizationOut(Output):
    """The active organization of the session, as Clerk's token names it."""

    org_id: str
    slug: str | None = Field(validation_alias="org_slug")
    role: str | None = Field(validation_alias="org_role")
    permissions: Annotated[list[str], BeforeValidator(sorted)] = Field(validation_alias="org_permissions")


class SessionOut(BaseModel):
    """What the request came with.

    `kind`: clerk, api-key or legacy. `actor` is who impersonates the user, when somebody does; `scopes` is what an API
    key may be used for, with those that its own include.
    """

    kind: Literal["clerk", "api-key", "legacy"]
    session_id: str | None
    actor: str | None
    organization: OrganizationOut | None
    scopes: list[Scope] | None


class AccountOut(BaseModel):
    user: UserOut
    subscription: SubscriptionOut
    usage: UsageOut
    session: SessionOut

    @classmethod
    def of(cls, identity: Identity) -> Self:
        """Of a caller, whose account is settled. One function: each call costs, and every page asks."""
        account = cast("Account", identity.account)
        return cls.model_validate(
            {
                "user": account._asdict() | account.profile._asdict(),
                "subscription": account,
                "usage": account,
                "session": {
                    "kind": identity.kind,
                    "session_id": identity.session_id,
                    "actor": identity.actor,
                    "organization": identity.entitlements if identity.entitlements.org_id else None,
                    "scopes": sorted(identity.scopes) if identity.kind == "api-key" else None,
                },
            }
        )


class GreetingQuery(Query):
    """A name that it does not know is refused: nobody would be asked of a misspelt session_id."""

    session_id: Omittable[str] = Field(
        default=None, description="The session that the token belongs to: Clerk itself is asked whether it goes on."
    )


class Greeting(BaseModel):
    message: str
    user_id: int
    session_id: str | None
