"""The list of a user's campaigns, page by page: each page is a walk through indexes, however deep it lies."""

import base64
import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Row, TextClause, text

from backend.models.campaign import BY_CODE_POINT, FOLDED_NAME
from backend.services.campaigns import CAMPAIGN, Campaign, Status
from backend.services.core.encoding import decode_base64url

LAST_ID = 2**63 - 1
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
            position = cls._make(json.loads(decode_base64url(cursor.encode("ascii"))))
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


FOLDED = f"{FOLDED_NAME} {BY_CODE_POINT}"
PART = """
(SELECT {columns}, {folded} AS folded FROM campaigns c WHERE {conditions} ORDER BY {order} LIMIT :limit)
"""
TAGGED = """
(SELECT {columns}, {folded} AS folded
 FROM (SELECT campaign_id FROM campaign_tags WHERE {conditions} ORDER BY {order} LIMIT :limit) t
 JOIN campaigns c ON c.campaign_id = t.campaign_id)
"""


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
    statement, values = select_campaigns(user_id, wanted, sort, limit=limit + 1, after=after)
    rows = connection.execute(statement, values).all()
    cursor = position_of(rows[limit - 1], sort).encode() if len(rows) > limit else None
    return CampaignPage([Campaign._make(row[:-1]) for row in rows[:limit]], cursor)


def position_of(row: Row[Any], sort: Sort) -> Position:
    """`row`: of the statement below."""
    place = row.folded if sort.is_by_name else row.created_at.astimezone(UTC).isoformat()
    return Position(sort, row.campaign_id, place)


def select_campaigns(
    user_id: int, wanted: CampaignFilter, sort: Sort, *, limit: int, after: Position | None = None
) -> tuple[TextClause, dict[str, object]]:
    """The statement of one page, and its values.

    Where no status is named there is a part for each one: they are merged in the order that all are in.
    """
    values: dict[str, object] = {**wanted._asdict(), "user_id": user_id, "limit": limit}
    place = FOLDED if sort.is_by_name else "created_at"
    direction, beyond = ("DESC", "<") if sort.startswith("-") else ("ASC", ">")
    order = f"{place} {direction}, campaign_id {direction}"
    conditions = "user_id = :user_id"
    if after is not None:
        values |= {"campaign_id": after.campaign_id, "place": after.place}
        bound = ":place" if sort.is_by_name else "CAST(:place AS timestamptz)"
        conditions += f" AND ({place}, campaign_id) {beyond} ({bound}, :campaign_id)"
    if wanted.search is not None:
        values["beginning"] = _escape_wildcards(wanted.search) + "%"
        conditions += f" AND {FOLDED} LIKE lower(:beginning)"
    if wanted.tag is not None:
        part, kinds = TAGGED, ["tag = :tag"]
    elif sort.is_by_name:
        part, kinds = PART, ["deleted_at IS NULL"]
    else:
        statuses = Status if wanted.status is None else [wanted.status]
        part, kinds = PART, [f"deleted_at IS NULL AND status = '{status}'" for status in statuses]
    parts = (
        part.format(columns=CAMPAIGN, folded=FOLDED, conditions=f"{kind} AND {conditions}", order=order)
        for kind in kinds
    )
    shown_order = order.replace(FOLDED, "folded")
    statement = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS page ORDER BY {shown_order} LIMIT :limit"  # noqa: S608
    return text(statement), values


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


def _escape_wildcards(search: str) -> str:
    return search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
