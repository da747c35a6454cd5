"""The list of a user's campaigns, page by page: each page is a walk through one index, however deep it lies."""

import base64
import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from operator import gt, lt
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Row, Select, asc, desc, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from backend import models
from backend.models import CampaignTag
from backend.models.base import LAST_ID
from backend.services.campaigns.campaigns import COLUMNS, LIVE, Campaign, Status
from backend.services.core.encoding import decode_base64url

LONGEST_CURSOR = 2_000
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # PostgreSQL holds no NUL, UTF-8 no half of a pair


class Sort(StrEnum):
    """With a minus: the last one first."""

    OLDEST = "created_at"
    NEWEST = "-created_at"
    NAME = "name"
    NAME_BACKWARDS = "-name"

    @property
    def is_by_name(self) -> bool:
        return self in {Sort.NAME, Sort.NAME_BACKWARDS}


class Position(NamedTuple):
    """Where a page ends. `place`: the time of creation, or the name as its index has it, by which the list is sorted."""

    sort: Sort
    campaign_id: int
    place: str

    def encode(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, cursor: str, sort: Sort) -> Self:
        """Raises ValueError for what `encode` did not write, and for the position in a list of another order."""
        problem = ValueError("not the next_cursor of a page with this sort")
        if len(cursor) > LONGEST_CURSOR:
            raise problem
        try:
            position = cls(*json.loads(decode_base64url(cursor.encode("ascii"))))
        except (ValueError, TypeError, RecursionError):
            raise problem from None
        # A true is an int to Python.
        is_id = type(position.campaign_id) is int and 0 < position.campaign_id <= LAST_ID
        if not is_id or not _is_place(position.place, sort):
            raise problem
        # Of another order, or spelled in another way.
        if position._replace(sort=sort).encode() != cursor:
            raise problem
        return position


class CampaignFilter(NamedTuple):
    """Which campaigns to list; at most one part is there. `search`: what the name begins with, in any letter case."""

    status: Status | None = None
    tag: str | None = None
    search: str | None = None


class CampaignPage(NamedTuple):
    """`next_cursor`: None at the end."""

    campaigns: list[Campaign]
    next_cursor: str | None


# Behind each name that begins with the text, which has at most 100 characters more.
LAST = "\U0010ffff" * 100


def list_campaigns(
    connection: Connection,
    user_id: int,
    wanted: CampaignFilter,
    sort: Sort,
    *,
    limit: int,
    after: Position | None = None,
) -> CampaignPage:
    """At most `limit` campaigns of the user, those that come after a position."""
    # One more than asked for tells whether there is a next page.
    rows = connection.execute(select_campaigns(user_id, wanted, sort, limit=limit + 1, after=after)).all()
    cursor = position_of(rows[limit - 1], sort).encode() if len(rows) > limit else None
    found = [Campaign(**{name: getattr(row, name) for name in Campaign._fields}) for row in rows[:limit]]
    return CampaignPage(found, cursor)


def position_of(row: Row[*tuple[Any, ...]], sort: Sort) -> Position:
    """`row`: of the statement below."""
    place = row.folded_name if sort.is_by_name else row.created_at.astimezone(UTC).isoformat()
    return Position(sort, row.campaign_id, place)


def select_campaigns(
    user_id: int, wanted: CampaignFilter, sort: Sort, *, limit: int, after: Position | None = None
) -> Select[*tuple[Any, ...]]:
    """The statement of one page: a campaign's columns, and its folded_name.

    First the page's place in its index, which holds all that is asked for here; then its rows, each by its primary key. So
    every page costs the same: a walk of a few blocks, and four blocks a row.
    """
    direct, is_beyond = (desc, lt) if sort.startswith("-") else (asc, gt)
    columns, conditions = _choose_index(user_id, wanted, sort)
    if after is not None:
        place = after.place if sort.is_by_name else datetime.fromisoformat(after.place)
        conditions.append(
            is_beyond(tuple_(*columns[-2:]), tuple_(literal(place), literal(after.campaign_id)))
        )
    if wanted.search is not None:
        conditions += _begins_with(wanted.search, sort, after)
    indexed = select(*columns).where(*conditions)
    page = indexed.order_by(*map(direct, columns)).limit(limit).subquery("page")
    found = select(*COLUMNS, models.Campaign.folded_name).select_from(page)
    found = found.join(models.Campaign, models.Campaign.campaign_id == page.c.campaign_id)
    return found.order_by(*map(direct, page.c))


def _choose_index(
    user_id: int, wanted: CampaignFilter, sort: Sort
) -> tuple[list[InstrumentedAttribute[Any]], list[ColumnElement[bool]]]:
    """The columns by which an index has what is wanted in order, and the condition. The last two make a position."""
    campaign = models.Campaign
    if wanted.tag is not None:
        is_tagged = [CampaignTag.user_id == user_id, CampaignTag.tag == wanted.tag]
        return [CampaignTag.created_at, CampaignTag.campaign_id], is_tagged
    is_own = [campaign.user_id == user_id, LIVE]
    if sort.is_by_name:
        return [campaign.folded_name, campaign.campaign_id], is_own
    by_time = [campaign.created_at, campaign.campaign_id]
    if wanted.status is not None:
        return by_time, [*is_own, campaign.status == wanted.status]
    # Sorted by what is the same in all of them: else PostgreSQL does not see that the index has them in order.
    return [campaign.deleted_at, *by_time], is_own


def _begins_with(search: str, sort: Sort, after: Position | None) -> list[ColumnElement[bool]]:
    """That the name begins with what is searched for.

    A later page begins at its position alone: with a second bound on that side PostgreSQL may begin at the other one, and read
    all that lies between. A position in another search has nothing after it.
    """
    name, lowest = models.Campaign.folded_name, func.lower(search)
    begin = name if after is None else literal(after.place).collate("C")
    if sort.startswith("-"):
        return [begin <= lowest + LAST, name >= lowest]
    return [begin >= lowest, name <= lowest + LAST]


def _is_place(place: object, sort: Sort) -> bool:
    if not isinstance(place, str):
        return False
    if sort.is_by_name:
        return not NO_TEXT.search(place)
    try:
        time = datetime.fromisoformat(place)
    except ValueError:
        return False
    # In one spelling, and none that PostgreSQL could not read.
    return time.tzinfo == UTC and time.isoformat() == place
