"""What an operator does with the outbox: look at it, and have events sent again."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, update

from backend.database.rows import columns_of, read_row
from backend.models import OutboxEvent


class OutboxEntry(NamedTuple):
    outbox_id: int
    event_id: str
    type: str
    destination: str
    status: str
    attempts: int
    error: str | None
    created_at: datetime
    next_at: datetime
    settled_at: datetime | None


def list_entries(connection: Connection, status: str | None, limit: int) -> list[OutboxEntry]:
    """The newest of this status, newest first; without one, of those that were not sent."""
    wanted = OutboxEvent.status != "sent" if status is None else OutboxEvent.status == status
    newest = select(*columns_of(OutboxEvent, OutboxEntry)).where(wanted).order_by(OutboxEvent.outbox_id.desc())
    return [read_row(OutboxEntry, row) for row in connection.execute(newest.limit(limit))]


def to_replay(event_ids: Collection[str]) -> ColumnElement[bool]:
    """Which entries: those of these events, also sent ones; without any, all that were given up."""
    return OutboxEvent.event_id.in_(event_ids) if event_ids else OutboxEvent.status == "dead"


def count_replay(connection: Connection, event_ids: Collection[str]) -> int:
    return connection.execute(select(func.count()).select_from(OutboxEvent).where(to_replay(event_ids))).scalar_one()


def replay(connection: Connection, event_ids: Collection[str]) -> int:
    """Have them sent again, with as many attempts as new ones; return how many that are."""
    anew = {"status": "pending", "attempts": 0, "next_at": func.now(), "settled_at": None}
    return connection.execute(update(OutboxEvent).where(to_replay(event_ids)).values(anew)).rowcount
