"""The ledger as an operator reads it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from backend.database.rows import columns_of, read_row
from backend.models import WebhookEvent


class EventFilter(NamedTuple):
    """Which events are meant; every part that is there must hold. `subject_id`: Clerk's, of whom or what it tells."""

    ids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    type: str | None = None
    subject_id: str | None = None
    since: datetime | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = []
        if self.ids:
            wanted.append(WebhookEvent.event_id.in_(self.ids))
        if self.statuses:
            wanted.append(WebhookEvent.status.in_(self.statuses))
        if self.type is not None:
            wanted.append(WebhookEvent.type == self.type)
        if self.subject_id is not None:
            wanted.append(WebhookEvent.subject_id == self.subject_id)
        if self.since is not None:
            wanted.append(WebhookEvent.received_at >= self.since)
        return wanted


class ListedEvent(NamedTuple):
    """All that is known of an event but its payload, which is personal data."""

    received_at: datetime
    event_id: str
    type: str | None
    subject_id: str | None
    status: str
    attempts: int
    error: str | None
    source: str
    occurred_at: datetime | None
    processed_at: datetime | None


def list_events(connection: Connection, events: EventFilter, limit: int) -> list[ListedEvent]:
    """The newest first."""
    found = (
        select(*columns_of(WebhookEvent, ListedEvent))
        .where(*events.conditions)
        .order_by(WebhookEvent.received_at.desc(), WebhookEvent.event_id.desc())
        .limit(limit)
    )
    return [read_row(ListedEvent, row) for row in connection.execute(found)]


def read_payload_of(connection: Connection, event_id: str) -> str | None:
    return connection.execute(select(WebhookEvent.payload).where(WebhookEvent.event_id == event_id)).scalar()
