"""Campaigns of users: making, reading, changing, deleting and restoring one. Another user's does not exist."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

from backend.errors import AppError, ErrorCode
from backend.models.usage_metrics import MONTH_START
from backend.services.campaigns.templates import read_preset
from backend.services.plans.catalogue import PLANS
from backend.services.plans.quotas import quota_exceeded
from backend.services.plans.renewal import read_plan
from backend.services.users.accounts import complete_user

RESTORABLE = timedelta(days=30)


class Status(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ARCHIVED = "archived"


# What a campaign may become by a change. Out of the archive leads restoring alone.
NEXT: Mapping[Status, tuple[Status, ...]] = MappingProxyType(
    {
        Status.DRAFT: (Status.ACTIVE, Status.ARCHIVED),
        Status.ACTIVE: (Status.PAUSED, Status.COMPLETED, Status.ARCHIVED),
        Status.PAUSED: (Status.ACTIVE, Status.COMPLETED, Status.ARCHIVED),
        Status.COMPLETED: (Status.ARCHIVED,),
        Status.ARCHIVED: (),
    }
)


class Campaign(NamedTuple):
    """The fields are the columns of CAMPAIGN, in order."""

    campaign_id: int
    user_id: int
    name: str
    description: str | None
    status: str
    channel: str
    budget_minor: int | None
    budget_currency: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    tags: list[str]
    template_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


Versions = frozenset[str] | None  # which a change may begin from; None: any

CAMPAIGN = ", ".join(f"c.{name}" for name in Campaign._fields)
EMPTY: Mapping[str, object] = MappingProxyType(
    dict.fromkeys(("description", "budget_minor", "budget_currency", "starts_at", "ends_at", "template_id"))
    | {"tags": []}
)

# All of the SQL below is ours; values are parameters.
FIND = f"SELECT {CAMPAIGN} FROM campaigns c WHERE campaign_id = :campaign_id AND user_id = :user_id"  # noqa: S608
READ = text(f"{FIND} AND deleted_at IS NULL")
LOCK = text(f"{FIND} AND deleted_at IS NULL FOR NO KEY UPDATE")
LOCK_RESTORABLE = text(f"{FIND} AND coalesce(deleted_at > now() - :restorable, true) FOR NO KEY UPDATE")

COUNT = text("SELECT count(*) FROM campaigns WHERE user_id = :user_id AND deleted_at IS NULL")

# One statement: the usage of the month never differs from the campaigns that were made.
INSERT = text(f"""
WITH c AS (
    INSERT INTO campaigns (user_id, name, description, channel, budget_minor, budget_currency, starts_at, ends_at, tags,
                           template_id)
    VALUES (:user_id, :name, :description, :channel, :budget_minor, :budget_currency, :starts_at, :ends_at,
            CAST(:tags AS text[]), :template_id)
    RETURNING *
), tagged AS (
    INSERT INTO campaign_tags (campaign_id, tag, user_id, created_at)
    SELECT campaign_id, unnest(tags), user_id, created_at FROM c
), counted AS (
    UPDATE usage_metrics SET campaigns_created = campaigns_created + 1, updated_at = now()
    WHERE user_id = :user_id AND period_start = {MONTH_START}
)
SELECT {CAMPAIGN} FROM c
""")  # noqa: S608
UPDATE = text(f"""
UPDATE campaigns c
SET name = :name, description = :description, status = :status, channel = :channel, budget_minor = :budget_minor,
    budget_currency = :budget_currency, starts_at = :starts_at, ends_at = :ends_at, tags = CAST(:tags AS text[]),
    deleted_at = CASE WHEN :is_deleted THEN now() END, version = version + 1, updated_at = clock_timestamp()
WHERE campaign_id = :campaign_id
RETURNING {CAMPAIGN}
""")  # noqa: S608
UNTAG = text("DELETE FROM campaign_tags WHERE campaign_id = :campaign_id")
TAG = text("""
INSERT INTO campaign_tags (campaign_id, tag, user_id, created_at)
SELECT :campaign_id, tag, :user_id, :created_at FROM unnest(CAST(:tags AS text[])) AS tag
""")


def create_campaign(connection: Connection, user_id: int, given: Mapping[str, Any]) -> Campaign:
    """Make a draft. `given`: columns and values; what it does not name is taken over from the template, if it names one.

    The caller holds the row of the user. Raises AppError: 402 for a plan that allows no more, 422 for a template that is
    not there.
    """
    _check_quota(connection, user_id)
    # The month may have begun after this request came in: its usage is made now.
    complete_user(connection, user_id=user_id)
    values: dict[str, Any] = {**EMPTY}
    if given.get("template_id") is not None:
        values |= read_preset(connection, user_id, given["template_id"])
    row = connection.execute(INSERT, values | dict(given) | {"user_id": user_id}).one()
    return Campaign._make(row)


def read_campaign(connection: Connection, user_id: int, campaign_id: int) -> Campaign:
    """Raises AppError (404): the same for another user's and a deleted one as for none."""
    row = connection.execute(READ, {"campaign_id": campaign_id, "user_id": user_id}).first()
    if row is None:
        raise _unknown()
    return Campaign._make(row)


def change_campaign(
    connection: Connection, user_id: int, campaign_id: int, changes: Mapping[str, Any], versions: Versions
) -> Campaign:
    """Set the named columns. What changes nothing makes no new version.

    Raises AppError: 404, 412 unless it has one of `versions`, 409 for a status that cannot follow, 422 for a period
    that ends before it starts.
    """
    campaign = _lock(connection, LOCK, user_id, campaign_id, versions)
    wanted = campaign._replace(**changes)
    if wanted == campaign:
        return campaign
    _check_next(Status(campaign.status), Status(wanted.status))
    if wanted.starts_at and wanted.ends_at and wanted.ends_at <= wanted.starts_at:
        errors = [{"path": "ends_at", "message": "must be after starts_at"}]
        raise AppError(ErrorCode.VALIDATION, "The period ends before it starts.", members={"errors": errors})
    return _store(connection, wanted, is_retagged=wanted.tags != campaign.tags)


def delete_campaign(connection: Connection, user_id: int, campaign_id: int, versions: Versions) -> None:
    """Hide it everywhere, at once; it no longer counts against the plan. Raises AppError (404, 412)."""
    campaign = _lock(connection, LOCK, user_id, campaign_id, versions)
    _store(connection, campaign, is_deleted=True, is_retagged=True)


def restore_campaign(connection: Connection, user_id: int, campaign_id: int, versions: Versions) -> Campaign:
    """Bring back a campaign that was deleted or archived, or both; an archived one becomes a draft. Any other one stays as it is:
    whoever asks twice gets it twice.

    The caller holds the row of the user. Raises AppError: 404, also 30 days after it was deleted; 412; 402 when the plan
    has no room.
    """
    campaign = _lock(connection, LOCK_RESTORABLE, user_id, campaign_id, versions)
    is_deleted, is_archived = campaign.deleted_at is not None, campaign.status == Status.ARCHIVED
    if not is_deleted and not is_archived:
        return campaign
    if is_deleted:
        _check_quota(connection, user_id)
    status = Status.DRAFT if is_archived else campaign.status
    return _store(connection, campaign._replace(status=status), is_retagged=is_deleted)


def _check_quota(connection: Connection, user_id: int) -> None:
    """The caller holds the row of the user: two creations would not see each other's campaign."""
    plan = read_plan(connection, user_id)
    limit = PLANS[plan].campaigns
    if limit is None:
        return
    used = connection.execute(COUNT, {"user_id": user_id}).scalar_one()
    if used >= limit:
        raise quota_exceeded(
            f"The plan {plan} has room for {limit} campaigns. Delete one, or change the plan.",
            limit=limit,
            used=used,
        )


def _lock(
    connection: Connection, statement: TextClause, user_id: int, campaign_id: int, versions: Versions
) -> Campaign:
    values = {"campaign_id": campaign_id, "user_id": user_id, "restorable": RESTORABLE}
    row = connection.execute(statement, values).first()
    if row is None:
        raise _unknown()
    campaign = Campaign._make(row)
    if versions is not None and str(campaign.version) not in versions:
        raise AppError(
            ErrorCode.PRECONDITION_FAILED,
            "The campaign has changed since you read it. Read it again, then change it.",
        )
    return campaign


def _check_next(present: Status, wanted: Status) -> None:
    if wanted not in {present, *NEXT[present]}:
        allowed = ", ".join(NEXT[present]) or "nothing by a change: restore it first"
        raise AppError(ErrorCode.CONFLICT, f"A campaign that is {present} can become {allowed}.")


def _store(
    connection: Connection, campaign: Campaign, *, is_retagged: bool, is_deleted: bool = False
) -> Campaign:
    values = campaign._asdict() | {"is_deleted": is_deleted}
    row = connection.execute(UPDATE, values).one()
    if is_retagged:
        connection.execute(UNTAG, values)
        if not is_deleted:
            connection.execute(TAG, values)
    return Campaign._make(row)


def _unknown() -> AppError:
    return AppError(ErrorCode.NOT_FOUND, "There is no such campaign: the list shows which there are.")
