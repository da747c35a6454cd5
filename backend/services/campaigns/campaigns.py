"""Campaigns of users: making, reading, changing, deleting and restoring one. Another user's does not exist."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, or_, select, text, update

from backend import models
from backend.database.rows import columns_of, read_row
from backend.errors import AppError, ErrorCode
from backend.models import CampaignTag, UsageMetrics
from backend.models.campaign import RESTORABLE
from backend.models.usage_metrics import MONTH_START
from backend.resources import CAMPAIGNS
from backend.services.campaigns.templates import read_preset
from backend.services.plans.quotas import check_quota, keep_newest
from backend.services.users.accounts import complete_user


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
    """What its owner sees of it. The fields are columns of its model."""

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

COLUMNS = columns_of(models.Campaign, Campaign)
LIVE = models.Campaign.deleted_at.is_(None)
IS_RESTORABLE = or_(LIVE, models.Campaign.deleted_at > func.now() - RESTORABLE)


def create_campaign(connection: Connection, user_id: int, given: Mapping[str, Any]) -> Campaign:
    """Make a draft. `given`: columns and values; what it does not name is taken over from the template, if it names
    one.

    The caller holds the row of the user. Raises AppError: 402 for a plan that allows no more, 422 for a template that
    is not there.
    """
    check_quota(connection, user_id, CAMPAIGNS)
    # The month may have begun after this request came in: its usage is made now.
    complete_user(connection, user_id=user_id)
    template_id = given.get("template_id")
    preset = {} if template_id is None else read_preset(connection, user_id, template_id)
    inserted = insert(models.Campaign).values({**preset, **given, "user_id": user_id})
    campaign = read_row(Campaign, connection.execute(inserted.returning(*COLUMNS)).one())
    _insert_tags(connection, campaign)
    month = (UsageMetrics.user_id == user_id) & (UsageMetrics.period_start == text(MONTH_START))
    counted = {"campaigns_created": UsageMetrics.campaigns_created + 1, "updated_at": func.now()}
    connection.execute(update(UsageMetrics).where(month).values(counted))
    return campaign


def read_campaign(connection: Connection, user_id: int, campaign_id: int) -> Campaign:
    """Raises AppError (404): the same for another user's and a deleted one as for none."""
    return _read(connection, select_campaign(user_id, campaign_id))


def select_campaign(user_id: int, campaign_id: int, visible: ColumnElement[bool] = LIVE) -> Select[*tuple[Any, ...]]:
    """The statement that finds a campaign of the user, if it is `visible`."""
    own = models.Campaign.user_id == user_id
    return select(*COLUMNS).where(models.Campaign.campaign_id == campaign_id, own, visible)


def change_campaign(
    connection: Connection, user_id: int, campaign_id: int, changes: Mapping[str, Any], versions: Versions
) -> Campaign:
    """Set the named columns. What changes nothing makes no new version.

    Raises AppError: 404, 412 unless it has one of `versions`, 409 for a status that cannot follow, 422 for a period
    that ends before it starts.
    """
    campaign = _lock(connection, select_campaign(user_id, campaign_id), versions)
    wanted = campaign._replace(**changes)
    if wanted == campaign:
        return campaign
    _check_next(Status(campaign.status), Status(wanted.status))
    if wanted.starts_at and wanted.ends_at and wanted.ends_at <= wanted.starts_at:
        errors = [{"path": "ends_at", "message": "must be after starts_at"}]
        raise AppError(ErrorCode.VALIDATION, "The period ends before it starts.", members={"errors": errors})
    return _store(connection, campaign, changes)


def delete_campaign(connection: Connection, user_id: int, campaign_id: int, versions: Versions) -> None:
    """Hide it everywhere, at once; it no longer counts against the plan. Raises AppError (404, 412).

    The caller holds the row of the user.
    """
    campaign = _lock(connection, select_campaign(user_id, campaign_id), versions)
    # Not now(), which may be earlier than that of a delete which this one waited for.
    _store(connection, campaign, {"deleted_at": func.clock_timestamp()})
    keep_newest(connection, user_id, CAMPAIGNS)


def restore_campaign(connection: Connection, user_id: int, campaign_id: int, versions: Versions) -> Campaign:
    """Bring back a campaign that was deleted or archived, or both; an archived one becomes a draft. Any other one stays
    as it is: whoever asks twice gets it twice.

    The caller holds the row of the user. Raises AppError: 404, also 30 days after it was deleted, and when the plan
    does not keep so many; 412; 402 when the plan has no room.
    """
    campaign = _lock(connection, select_campaign(user_id, campaign_id, IS_RESTORABLE), versions)
    is_deleted, is_archived = campaign.deleted_at is not None, campaign.status == Status.ARCHIVED
    if not is_deleted and not is_archived:
        return campaign
    if is_deleted:
        check_quota(connection, user_id, CAMPAIGNS)
    status = Status.DRAFT if is_archived else campaign.status
    return _store(connection, campaign, {"status": status, "deleted_at": None})


def _read(connection: Connection, found: Select[*tuple[Any, ...]]) -> Campaign:
    row = connection.execute(found).first()
    if row is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such campaign: the list shows which there are.")
    return read_row(Campaign, row)


def _lock(connection: Connection, found: Select[*tuple[Any, ...]], versions: Versions) -> Campaign:
    campaign = _read(connection, found.with_for_update(key_share=True))
    if versions is not None and str(campaign.version) not in versions:
        raise AppError(
            ErrorCode.PRECONDITION_FAILED, "The campaign has changed since you read it. Read it again, then change it."
        )
    return campaign


def _check_next(present: Status, wanted: Status) -> None:
    if wanted not in {present, *NEXT[present]}:
        allowed = ", ".join(NEXT[present]) or "nothing by a change: restore it first"
        raise AppError(ErrorCode.CONFLICT, f"A campaign that is {present} can become {allowed}.")


def _store(connection: Connection, campaign: Campaign, changes: Mapping[str, Any]) -> Campaign:
    """Write the changes of a locked campaign as its next version."""
    version = {"version": models.Campaign.version + 1, "updated_at": func.clock_timestamp()}
    written = update(models.Campaign).where(models.Campaign.campaign_id == campaign.campaign_id)
    written = written.values({**changes, **version}).returning(*COLUMNS)
    stored = read_row(Campaign, connection.execute(written).one())
    if (stored.tags, stored.deleted_at) != (campaign.tags, campaign.deleted_at):
        connection.execute(delete(CampaignTag).where(CampaignTag.campaign_id == campaign.campaign_id))
        _insert_tags(connection, stored)
    return stored


def _insert_tags(connection: Connection, campaign: Campaign) -> None:
    """List the tags of a campaign in campaign_tags, where a deleted one has none."""
    if campaign.tags and campaign.deleted_at is None:
        same = {name: getattr(campaign, name) for name in ("campaign_id", "user_id", "created_at")}
        connection.execute(insert(CampaignTag), [same | {"tag": tag} for tag in campaign.tags])
