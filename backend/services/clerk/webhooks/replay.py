"""Applying events of the ledger again, as if they were delivered once more."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, or_, select, tuple_

from backend.database.rows import columns_of, read_row
from backend.database.statements import Statement
from backend.database.transactions import Transact
from backend.models import WebhookEvent
from backend.services.clerk.mirror.apply import Mirror, Outcome
from backend.services.clerk.webhooks.events import EVENT_TYPES, OTHER_INSTANCE
from backend.services.clerk.webhooks.ledger import DEAD, FAILED, receive_event
from backend.services.clerk.webhooks.list import EventFilter

REPLAYABLE = (DEAD, FAILED, Outcome.IGNORED.value)
PAGE = 100
FIRST_PAUSE = timedelta(minutes=1)
DOUBLINGS = 6  # to about an hour

# What failed is due after a pause that doubles; and each unresolved one that nobody has tried for `:running`, for as
# long as this process runs: it may have the code or the setting that was missing. Whoever takes an event notes the
# time: nobody else takes it then, and if the process ends on the way it is due again later.
TAKE_DUE = Statement("""
UPDATE webhook_events SET processed_at = now() WHERE event_id = ANY (ARRAY(
    SELECT event_id FROM webhook_events
    WHERE payload IS NOT NULL AND status = ANY (:statuses::text[]) AND processed_at <= now() - CASE status
          WHEN 'failed' THEN least(:first_pause::interval * 2 ^ least(attempts - 1, :doublings), :running::interval)
          ELSE :running::interval END
    ORDER BY received_at LIMIT :most FOR UPDATE SKIP LOCKED
))
RETURNING event_id, source, payload, error, occurred_at, received_at
""")


class KeptEvent(NamedTuple):
    event_id: str
    source: str
    payload: str
    error: str | None
    occurred_at: datetime | None
    received_at: datetime


def take_due(connection: Connection, statuses: tuple[str, ...], running: timedelta, most: int) -> list[KeptEvent]:
    """Events that are to be applied again by themselves now, and for nobody else to take."""
    pauses = {"first_pause": FIRST_PAUSE, "doublings": DOUBLINGS, "running": running}
    return [read_row(KeptEvent, row) for row in TAKE_DUE.run(connection, statuses=list(statuses), **pauses, most=most)]


def select_kept(events: EventFilter) -> Select[Any]:
    """Those that can be applied again, the oldest first."""
    is_used = or_(WebhookEvent.status != Outcome.IGNORED.value, WebhookEvent.type.in_(EVENT_TYPES))
    return (
        select(*columns_of(WebhookEvent, KeptEvent))
        .where(*events.conditions, WebhookEvent.status.in_(REPLAYABLE), WebhookEvent.payload.is_not(None), is_used)
        .order_by(WebhookEvent.received_at, WebhookEvent.event_id)
    )


def count_kept(connection: Connection, events: EventFilter) -> int:
    return connection.execute(select(func.count()).select_from(select_kept(events).subquery())).scalar_one()


def replay_all(
    transact: Transact, mirror: Mirror, events: EventFilter, instance_ids: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Apply each again, as replay() does; its id and its status."""
    place = tuple_(WebhookEvent.received_at, WebhookEvent.event_id)
    page = select_kept(events).limit(PAGE)
    following = page
    while kept := transact(partial(_read, statement=following)):
        for event in kept:
            yield event.event_id, replay(transact, mirror, event, instance_ids)
        following = page.where(place > (kept[-1].received_at, kept[-1].event_id))


def replay(transact: Transact, mirror: Mirror, event: KeptEvent, instance_ids: tuple[str, ...]) -> str:
    """As receive_event(). It was signed no later than it came, but for clocks that differ: its own time was checked.

    What is known to be another instance's waits until ours is known.
    """
    if event.error == OTHER_INSTANCE and not instance_ids:
        return DEAD
    said_at = max(event.received_at, event.occurred_at or event.received_at)
    return receive_event(
        transact,
        mirror,
        event.event_id,
        event.source,
        event.payload.encode(),
        signed_at=int(said_at.timestamp()),
        instance_ids=instance_ids,
    )


def _read(connection: Connection, statement: Select[Any]) -> list[KeptEvent]:
    return [read_row(KeptEvent, row) for row in connection.execute(statement)]
