"""Users as admins see and change them."""

from datetime import datetime
from typing import Self

from pydantic import ConfigDict, Field

from backend.models.roles_plans_scopes import Plan, Role
from backend.schemas.account import NamedUserOut, SubscriptionOut, UsageOut, UserOut
from backend.schemas.base import AtLeastOne, NextCursor, Output, PageQuery
from backend.schemas.fields import Line, Omittable
from backend.services.users.admin import Changes, UserRecord
from backend.services.users.list import UserFilter, UserStatus


class UserQuery(PageQuery):
    """Which users to list; every part that is there must hold."""

    search: Omittable[Line] = Field(
        default=None,
        description="What e-mail address, phone number, username, first or last name begins with; or exactly a user_id "
        "or Clerk id.",
    )
    role: Omittable[Role] = None
    plan: Omittable[Plan] = Field(default=None, description="The plan that counts now.")
    status: Omittable[UserStatus] = Field(
        default=None, description="Without it, all but the deleted ones. A user may be deactivated and banned at once."
    )

    @property
    def filter(self) -> UserFilter:
        return UserFilter(self.search, self.role, self.plan, self.status)


class UserChanges(AtLeastOne):
    """At least one member."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plan": Plan.PRO}]})

    role: Omittable[Role] = None
    plan: Omittable[Plan] = None
    is_active: Omittable[bool] = None

    @property
    def changes(self) -> Changes:
        return Changes(self.role, self.plan, self.is_active)


class ListedUserOut(NamedUserOut):
    role: Role
    plan: Plan | None
    is_active: bool
    phone: str | None
    banned: bool
    deprovisioned: bool
    locked: bool
    last_login_at: datetime | None
    created_at: datetime
    deleted_at: datetime | None


class UsersOut(Output):
    """A page, newest first. `next_cursor` is null on the last one."""

    users: list[ListedUserOut]
    next_cursor: NextCursor


class AdminUserOut(UserOut):
    """What /auth/me shows of a user, and what only admins see."""

    is_active: bool
    banned: bool
    deprovisioned: bool
    locked: bool
    deleted_at: datetime | None
    external_id: str | None
    provisioned_by: str
    last_logout_at: datetime | None
    clerk_updated_at: datetime | None


class AuditEventOut(Output):
    action: str
    source: str
    actor_user_id: int | None
    impersonator: str | None
    occurred_at: datetime
    details: dict[str, object]
    request_id: str | None


class UserRecordOut(Output):
    """`subscription` and `usage` are null until the user's first request, `usage` until the first one of this month."""

    user: AdminUserOut
    subscription: SubscriptionOut | None
    usage: UsageOut | None
    usable_api_keys: int
    events: list[AuditEventOut]

    @classmethod
    def of(cls, record: UserRecord) -> Self:
        account = record.account
        return cls.model_validate(
            {
                "user": account._asdict() | account.profile._asdict() | record._asdict(),
                "subscription": None if account.plan is None else account,
                "usage": None if account.tokens_used is None else account,
                "usable_api_keys": record.usable_api_keys,
                "events": record.events,
            }
        )
