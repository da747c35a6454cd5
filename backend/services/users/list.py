"""The list of users that admins look through: newest first, page by page."""

import re
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, TextClause, text

from backend.database.rows import read_row
from backend.models.base import ID
from backend.models.roles_plans_scopes import Plan, Role
from backend.models.subscription import HAS_LAPSED
from backend.models.user import SEARCHED
from backend.services.pages import cut_page
from backend.services.plans.subscriptions import PLAN_NOW


class UserStatus(StrEnum):
    """A user may be deactivated (by an admin here), banned (at Clerk) and deprovisioned (by the directory of a company)
    at once, and is then found by each.
    """

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    BANNED = "banned"
    DEPROVISIONED = "deprovisioned"
    DELETED = "deleted"


class UserFilter(NamedTuple):
    """Which users to list; every part that is there must hold.

    `search`: what e-mail address, phone number, username, first or last name begins with, in any letter case; or
    exactly a user_id or Clerk id. Without a `status` all but the deleted ones are listed.
    """

    search: str | None = None
    role: Role | None = None
    plan: Plan | None = None
    status: UserStatus | None = None


class ListedUser(NamedTuple):
    """`plan`: the one that counts now; None until a user is complete."""

    user_id: int
    clerk_user_id: str | None
    email: str | None
    email_verified: bool
    phone: str | None
    username: str | None
    first_name: str | None
    last_name: str | None
    role: str
    plan: str | None
    is_active: bool
    banned: bool
    deprovisioned: bool
    locked: bool
    last_login_at: datetime | None
    created_at: datetime
    deleted_at: datetime | None


class UserPage(NamedTuple):
    """`next_before`: the `before` of the next page; None at the end."""

    users: list[ListedUser]
    next_before: int | None


# Nobody writes down that a plan has ended until its user comes again (end_lapsed): a list changes nothing.
COLUMNS = ", ".join(f"{PLAN_NOW} AS plan" if name == "plan" else f"u.{name}" for name in ListedUser._fields)
LIST = f"""
SELECT {COLUMNS}
FROM users u LEFT JOIN subscriptions s ON s.user_id = u.user_id
WHERE {{conditions}}
ORDER BY u.user_id DESC
LIMIT :limit
"""  # noqa: S608 - all of it is ours

STATES = {
    None: "u.deleted_at IS NULL",
    UserStatus.ACTIVE: "u.deleted_at IS NULL AND u.is_active AND NOT (u.banned OR u.deprovisioned)",
    UserStatus.DEACTIVATED: "u.deleted_at IS NULL AND NOT u.is_active",
    UserStatus.BANNED: "u.deleted_at IS NULL AND u.banned",
    UserStatus.DEPROVISIONED: "u.deleted_at IS NULL AND u.deprovisioned",
    # No tombstone is active: said so that ix_users_switched_off finds them, and not a walk through all users.
    UserStatus.DELETED: "u.deleted_at IS NOT NULL AND NOT u.is_active",
}
ON_FREE = f"(s.plan = :plan OR {HAS_LAPSED})"
ON_PAID = f"s.plan = :plan AND {HAS_LAPSED} IS NOT TRUE"
MATCHES = [f"lower({text}) LIKE lower(:beginning)" for text in SEARCHED.values()] + ["u.clerk_user_id = :search"]


def list_users(connection: Connection, users: UserFilter, *, limit: int, before: int | None = None) -> UserPage:
    """At most `limit` users, those with the highest user_id below `before`."""
    statement, values = select_users(users, limit=limit + 1, before=before)
    found = [read_row(ListedUser, row) for row in connection.execute(statement, values)]
    page, has_more = cut_page(found, limit)
    return UserPage(page, page[-1].user_id if has_more else None)


def select_users(users: UserFilter, *, limit: int, before: int | None = None) -> tuple[TextClause, dict[str, object]]:
    """The statement of one page, and its values: only the conditions asked for, so that each finds its index."""
    conditions = [STATES[users.status]]
    values: dict[str, object] = {"limit": limit}
    if users.search is not None:
        values |= {"search": users.search, "beginning": _escape_wildcards(users.search) + "%"}
        matches = MATCHES
        if re.fullmatch(ID, users.search):
            values["user_id"] = int(users.search)
            matches = [*MATCHES, "u.user_id = :user_id"]
        conditions.append(f"({' OR '.join(matches)})")
    if users.role is not None:
        values["role"] = users.role
        conditions.append("u.role = :role")
    if users.plan is not None:
        values["plan"] = users.plan
        conditions.append(ON_FREE if users.plan == Plan.FREE else ON_PAID)
    if before is not None:
        values["before"] = before
        conditions.append("u.user_id < :before")
        if users.plan is not None:
            # PostgreSQL does not conclude this by itself, and would read the index of plans from its end.
            conditions.append("s.user_id < :before")
    return text(LIST.format(conditions=" AND ".join(conditions))), values


def _escape_wildcards(search: str) -> str:
    return search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
