"""Campaigns as clients send and see them."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from backend.models.base import LARGEST
from backend.schemas.base import CURSOR, Output, PageQuery
from backend.schemas.fields import Line, Omittable, Time
from backend.schemas.preset import PresetChanges, PresetOut, Tag
from backend.services.campaigns.campaigns import Status
from backend.services.campaigns.list import CampaignFilter, Position, Sort

FIRST_TIME, END_OF_TIMES = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _check_span(time: datetime) -> datetime:
    if not FIRST_TIME <= time < END_OF_TIMES:
        raise ValueError(f"must lie in the years {FIRST_TIME.year} to {END_OF_TIMES.year - 1}")
    return time


ONE_FILTER = "One of status, tag and search at a time."
Moment = Annotated[Time, AfterValidator(_check_span)]


class CampaignChanges(PresetChanges):
    """The members to set. A budget is set as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Late spring sale"}]})

    status: Omittable[Status] = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None


class CampaignIn(PresetChanges):
    """A campaign to make. With a template its members stand for those that were not sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["name", "channel"]},
                {"required": ["template_id"], "properties": {"template_id": {"type": "integer"}}},
            ],
            "examples": [
                {
                    "name": "Spring sale",
                    "channel": "email",
                    "budget": {"amount_minor": 125_000, "currency": "EUR"},
                    "starts_at": "2027-03-01T09:00:00Z",
                    "tags": ["spring"],
                }
            ],
        }
    )

    starts_at: Moment | None = None
    ends_at: Moment | None = None
    template_id: int | None = Field(default=None, ge=1, le=LARGEST)

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.template_id is None and (self.name is None or self.channel is None):
            raise ValueError("name and channel are needed, unless template_id names a template that has them")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must be after starts_at")
        return self


class CampaignQuery(PageQuery):
    """Which campaigns to list, and in which order: newest first; by name when `search` is there."""

    status: Omittable[Status] = Field(default=None, description=ONE_FILTER)
    tag: Omittable[Tag] = Field(default=None, description=ONE_FILTER)
    search: Omittable[Line] = Field(
        default=None, description=f"The beginning of the name, letter case aside. {ONE_FILTER}"
    )
    sort: Omittable[Sort] = Field(
        default=None, description="By name or -name with search; by created_at or -created_at with status or tag."
    )
    cursor: Omittable[Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]+$", max_length=2_000)]] = Field(
        default=None, description=CURSOR
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if sum(part is not None for part in self.filter) > 1:
            raise ValueError("status, tag and search cannot be combined: name one of them")
        if self.search is not None and not self.order.is_by_name:
            raise ValueError("what is searched by name is sorted by name or -name")
        if self.order.is_by_name and (self.status or self.tag):
            raise ValueError("status and tag go with the sort created_at or -created_at")
        if self.cursor is not None:
            Position.decode(self.cursor, self.order)
        return self

    @property
    def filter(self) -> CampaignFilter:
        return CampaignFilter(self.status, self.tag, self.search)

    @property
    def order(self) -> Sort:
        return self.sort or (Sort.NEWEST if self.search is None else Sort.NAME)

    @property
    def after(self) -> Position | None:
        return None if self.cursor is None else Position.decode(self.cursor, self.order)


class CampaignOut(PresetOut):
    campaign_id: int
    user_id: int
    status: Status
    starts_at: datetime | None
    ends_at: datetime | None
    template_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class CampaignsOut(Output):
    """A page. `next_cursor` is null on the last one."""

    campaigns: list[CampaignOut]
    next_cursor: str | None
