"""Reading users."""

from datetime import datetime
from typing import NamedTuple

from backend.models.usage_metrics import MONTH_START
from backend.services.database import HotRead


class Account(NamedTuple):
    """All that a request needs to know of its caller. The fields are the columns of FIND_ACCOUNT, in order."""

    user_id: int
    clerk_user_id: str
    email: str | None
    email_verified: bool
    username: str | None
    first_name: str | None
    last_name: str | None
    image_url: str | None
    role: str
    is_active: bool
    banned: bool
    bio: str | None
    website: str | None
    social_links: dict[str, object]
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    plan: str | None
    plan_status: str | None
    plan_period_start: datetime | None
    plan_period_end: datetime | None
    tokens_used: int | None
    tokens_limit: int | None
    campaigns_created: int | None
    api_requests: int | None
    usage_period_start: datetime | None
    usage_period_end: datetime | None
    session_revoked: bool

    @property
    def tokens_remaining(self) -> int:
        return (self.tokens_limit or 0) - (self.tokens_used or 0)

    @property
    def is_complete(self) -> bool:
        """Whether subscription and usage are there. A tombstone needs none."""
        return self.deleted_at is not None or (self.plan is not None and self.tokens_used is not None)


# $1: Clerk user id, $2: session id. One statement a request, index scans only: every authenticated call pays it.
FIND_ACCOUNT = HotRead(
    f"""
SELECT u.user_id, u.clerk_user_id, u.email, u.email_verified, u.username, u.first_name, u.last_name, u.image_url,
       u.role, u.is_active, u.banned, u.bio, u.website, u.social_links, u.last_login_at, u.created_at, u.updated_at,
       u.deleted_at,
       s.plan, s.status, s.period_start, s.period_end,
       m.tokens_used, m.tokens_limit, m.campaigns_created, m.api_requests,
       m.period_start, m.period_end,
       EXISTS (SELECT FROM revoked_sessions r WHERE r.session_id = $2)
FROM users u
LEFT JOIN subscriptions s ON s.user_id = u.user_id
LEFT JOIN usage_metrics m ON m.user_id = u.user_id AND m.period_start = {MONTH_START}
WHERE u.clerk_user_id = $1
""",  # noqa: S608 - MONTH_START is our constant
    parameters=2,
)
