"""The caller as `/auth/me` shows them."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from backend.access.identity import Identity
from backend.models.choices import Plan, Role
from backend.schemas.base import Query
from backend.schemas.fields import Omittable
from backend.services.api_keys.scopes import Scope
from backend.services.users.accounts import Account


class UserOut(BaseModel):
    user_id: int
    clerk_user_id: str | None
    email: str | None
    email_verified: bool
    username: str | None
    first_name: str | None
    last_name: str | None
    image_url: str | None
    role: Role
    bio: str | None
    website: str | None
    social_links: dict[str, str]
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime


class SubscriptionOut(BaseModel):
    plan: Plan
    status: Literal["active", "past_due", "canceled"]
    period_start: datetime
    period_end: datetime | None

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls.model_validate(
            {
                "plan": account.plan,
                "status": account.plan_status,
                "period_start": account.plan_period_start,
                "period_end": account.plan_period_end,
            }
        )


class UsageOut(BaseModel):
    """This calendar month, UTC."""

    tokens_used: int
    tokens_limit: int
    tokens_remaining: int
    campaigns_created: int
    api_requests: int
    period_start: datetime
    period_end: datetime

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls.model_validate(
            {
                "tokens_used": account.tokens_used,
                "tokens_limit": account.tokens_limit,
                "tokens_remaining": account.tokens_remaining,
                "campaigns_created": account.campaigns_created,
                "api_requests": account.api_requests,
                "period_start": account.usage_period_start,
                "period_end": account.usage_period_end,
            }
        )


class OrganizationOut(BaseModel):
    """The active organization of the session, as Clerk's token names it."""

    org_id: str
    slug: str | None
    role: str | None
    permissions: list[str]


class SessionOut(BaseModel):
    """What the request came with.

    `kind`: clerk, api-key or legacy. `actor` is who impersonates the user, when somebody does; `scopes` is what an API
    key may be used for.
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
    def of(cls, identity: Identity, account: Account) -> Self:
        return cls.model_validate(
            {
                "user": account._asdict(),
                "subscription": SubscriptionOut.of(account),
                "usage": UsageOut.of(account),
                "session": {
                    "kind": identity.kind,
                    "session_id": identity.session_id,
                    "actor": identity.actor,
                    "organization": _organization(identity),
                    "scopes": sorted(identity.scopes) if identity.kind == "api-key" else None,
                },
            }
        )


def _organization(identity: Identity) -> dict[str, object] | None:
    if identity.org_id is None:
        return None
    return {
        "org_id": identity.org_id,
        "slug": identity.entitlements.org_slug,
        "role": identity.org_role,
        "permissions": sorted(identity.org_permissions),
    }


class GreetingQuery(Query):
    """A name that it does not know is refused: nobody would be asked of a misspelt session_id."""

    session_id: Omittable[str] = Field(
        default=None, description="A session of the caller: Clerk itself is asked whether it goes on."
    )


class Greeting(BaseModel):
    message: str
    user_id: int
    session_id: str | None
