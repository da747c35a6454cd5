"""The list of a user's campaigns, page by page: each page is a walk through one index, however deep it lies."""

import base64
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Row, TextClause, text

from backend.models.base import LAST_ID, UNSTORABLE
from backend.services.campaigns.campaigns import Campaign, Status
from backend.services.core.encoding import decode_base64url
from backend.services.pages import cut_page

LONGEST_CURSOR = 2_000


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
    """Where a page ends. `place`: what the list is sorted by, the time of creation or the name as its index has it."""

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


# First the page's place in its index, which holds all that is asked for; then its rows, each by its primary key: a few
# blocks and four a row, for every page. Text, because SQLAlchemy takes 1 ms to build it of expressions.
COLUMNS = ", ".join(f"c.{name} AS {name}" for name in Campaign._fields)
SELECT = """
SELECT {columns}, c.folded_name AS folded_name
FROM (SELECT {order} FROM {table} WHERE {conditions} ORDER BY {sorted_by} LIMIT :limit) AS page
JOIN campaigns c ON c.campaign_id = page.campaign_id
ORDER BY {shown_by}
"""
BY_TIME, BY_NAME = ("created_at", "campaign_id"), ("folded_name", "campaign_id")
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
    statement, values = select_campaigns(user_id, wanted, sort, limit=limit + 1, after=after)
    rows = connection.execute(statement, values).all()
    found = [Campaign(**{name: getattr(row, name) for name in Campaign._fields}) for row in rows]
    page, has_more = cut_page(found, limit)
    return CampaignPage(page, position_of(rows[len(page) - 1], sort).encode() if has_more else None)


def position_of(row: Row[Any], sort: Sort) -> Position:
    """`row`: of the statement below."""
    place = row.folded_name if sort.is_by_name else row.created_at.astimezone(UTC).isoformat()
    return Position(sort, row.campaign_id, place)


def select_campaigns(
    user_id: int, wanted: CampaignFilter, sort: Sort, *, limit: int, after: Position | None = None
) -> tuple[TextClause, dict[str, object]]:
    """The statement of one page, and its values."""
    values: dict[str, object] = {**wanted._asdict(), "user_id": user_id, "limit": limit, "last": LAST}
    direction, beyond = ("DESC", "<") if sort.startswith("-") else ("ASC", ">")
    table, order, conditions = _choose_index(wanted, sort)
    if after is not None:
        values |= {"campaign_id": after.campaign_id, "place": after.place}
        place, kind = ("folded_name", "text") if sort.is_by_name else ("created_at", "timestamptz")
        conditions.append(f"({place}, campaign_id) {beyond} (CAST(:place AS {kind}), :campaign_id)")
    if wanted.search is not None:
        conditions += _search(sort, is_first=after is None)
    statement = SELECT.format(
        columns=COLUMNS,
        order=", ".join(order),
        table=table,
        conditions=" AND ".join(["user_id = :user_id", *conditions]),
        sorted_by=", ".join(f"{column} {direction}" for column in order),
        shown_by=", ".join(f"page.{column} {direction}" for column in order),
    )
    return text(statement), values


def _choose_index(wanted: CampaignFilter, sort: Sort) -> tuple[str, tuple[str, ...], list[str]]:
    """The table, the columns by which the index has what is wanted in order, and the condition."""
    if wanted.tag is not None:
        return "campaign_tags", BY_TIME, ["tag = :tag"]
    if sort.is_by_name:
        return "campaigns", BY_NAME, ["deleted_at IS NULL"]
    if wanted.status is not None:
        return "campaigns", BY_TIME, ["deleted_at IS NULL", "status = :status"]
    # Sorted by what is the same in all of them: else PostgreSQL does not see that the index has them in order.
    return "campaigns", ("deleted_at", *BY_TIME), ["deleted_at IS NULL"]


def _search(sort: Sort, *, is_first: bool) -> list[str]:
    """That the name begins with what is searched for.

    A later page begins at its position alone: with a second bound on that side PostgreSQL may begin at the other one,
    and read all that lies between. A position in another search has nothing after it.
    """
    at_least, at_most = "{} >= lower(:search)", "{} <= lower(:search) || :last"
    begin, end = (at_most, at_least) if sort.startswith("-") else (at_least, at_most)
    position = "folded_name" if is_first else 'CAST(:place AS text) COLLATE "C"'
    return [begin.format(position), end.format("folded_name")]


def _is_place(place: object, sort: Sort) -> bool:
    if not isinstance(place, str):
        return False
    if sort.is_by_name:
        return not UNSTORABLE.search(place)
    try:
        time = datetime.fromisoformat(place)
    except ValueError:
        return False
    # In one spelling, and none that PostgreSQL could not read.
    return time.tzinfo == UTC and time.isoformat() == place
