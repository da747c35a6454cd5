"""The caller as `/auth/me` shows them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from backend.access.identity import Identity
from backend.services.users import Account


class UserOut(BaseModel):
    user_id: int
    clerk_user_id: str
    email: str | None
    email_verified: bool
    username: str | None
    first_name: str | None
    last_name: str | None
    image_url: str | None
    role: str
    bio: str | None
    website: str | None
    social_links: dict[str, object]
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime


class SubscriptionOut(BaseModel):
    plan: str
    status: str
    period_start: datetime
    period_end: datetime | None


class UsageOut(BaseModel):
    """This calendar month, UTC."""

    tokens_used: int
    tokens_limit: int
    tokens_remaining: int
    campaigns_created: int
    api_requests: int
    period_start: datetime
    period_end: datetime


class SessionOut(BaseModel):
    """The session the request came with; `actor` is who impersonates the user, when somebody does."""

    session_id: str | None
    actor: str | None


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
                "subscription": {
                    "plan": account.plan,
                    "status": account.plan_status,
                    "period_start": account.plan_period_start,
                    "period_end": account.plan_period_end,
                },
                "usage": {
                    "tokens_used": account.tokens_used,
                    "tokens_limit": account.tokens_limit,
                    "tokens_remaining": account.tokens_remaining,
                    "campaigns_created": account.campaigns_created,
                    "api_requests": account.api_requests,
                    "period_start": account.usage_period_start,
                    "period_end": account.usage_period_end,
                },
                "session": {"session_id": identity.session_id, "actor": identity.actor},
            }
        )
