"""Bringing the events of the outbox to their destinations: each at least once, by one node at a time."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from backend.database.statements import Statement
from backend.database.transactions import Transact, describe_fault
from backend.services.outbox.announcements import AppEvent

# The pauses are 30 s, 1 min, 2 min and so on, up to 6 h: 26 hours in all. The first is longer than an attempt may take:
# while that is under way nobody else begins one.
MAX_ATTEMPTS = 14
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=6)

# Says also when the next attempt is due, should this one end without a word: its worker was killed.
CLAIM = Statement("""
UPDATE outbox SET attempts = attempts + 1, next_at = now() + least(:first * 2 ^ least(attempts, 20), :longest)
WHERE outbox_id = (
    SELECT outbox_id FROM outbox WHERE destination = :destination AND status = 'pending' AND next_at <= now()
    ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING outbox_id, event_id, type, data, created_at
""")
MARK_SENT = Statement("""
UPDATE outbox SET status = 'sent', settled_at = now(), error = NULL
WHERE outbox_id = :outbox_id AND status = 'pending'
RETURNING outbox_id
""")
MARK_FAILED = Statement("""
UPDATE outbox
SET error = :error, next_at = greatest(next_at, now() + :pause),
    status = CASE WHEN attempts < :most THEN status ELSE 'dead' END,
    settled_at = CASE WHEN attempts < :most THEN NULL ELSE now() END
WHERE outbox_id = :outbox_id AND status = 'pending'
RETURNING status
""")

log = logging.getLogger(__name__)


class Delivery(NamedTuple):
    """An event on its way to one destination."""

    outbox_id: int
    event_id: str
    type: str
    data: dict[str, Any]
    created_at: datetime


class Refused(Exception):
    """The destination did not take the event. `pause`: how long it wants to be left alone."""

    def __init__(self, reason: str, pause: timedelta = timedelta()) -> None:
        super().__init__(reason)
        self.pause = pause


class Destination(Protocol):
    """Somebody who asked for events."""

    @property
    def name(self) -> str: ...

    @property
    def events(self) -> Collection[AppEvent]: ...

    def deliver(self, transact: Transact, delivery: Delivery) -> None:
        """Bring it there and mark it as sent. Raises whatever goes wrong."""
        ...


def deliver_next(transact: Transact, destination: Destination) -> bool | None:
    """Make one attempt: whether it succeeded; None when nothing is due. Raises database errors."""
    delivery = transact(lambda connection: _claim(connection, destination))
    if delivery is None:
        return None
    try:
        destination.deliver(transact, delivery)
    except Exception as error:  # noqa: BLE001 - it is logged, and the event is kept
        _note_failure(transact, destination, delivery, error)
        return False
    return True


def mark_sent(connection: Connection, delivery: Delivery) -> bool:
    """False when somebody else has done so: an attempt that took too long was made again."""
    return MARK_SENT.run(connection, outbox_id=delivery.outbox_id).first() is not None


def _claim(connection: Connection, destination: Destination) -> Delivery | None:
    pauses = {"first": FIRST_PAUSE, "longest": LONGEST_PAUSE}
    row = CLAIM.run(connection, destination=destination.name, **pauses).first()
    return None if row is None else Delivery._make(row)


def _note_failure(transact: Transact, destination: Destination, delivery: Delivery, error: Exception) -> None:
    reason, pause = type(error).__name__, timedelta()
    told = f"Event {delivery.event_id} ({delivery.type}) did not reach {destination.name}"
    if isinstance(error, Refused):
        reason, pause = str(error), error.pause
        log.warning("%s: %s.", told, reason)
    elif isinstance(error, DBAPIError):
        log.warning("%s: %s.", told, describe_fault(error))
    else:
        log.warning("%s.", told, exc_info=error)
    values = {"outbox_id": delivery.outbox_id, "error": reason, "pause": pause, "most": MAX_ATTEMPTS}
    if transact(lambda connection: MARK_FAILED.run(connection, **values).scalar()) == "dead":
        log.error("%s in %d attempts: given up. See `flask outbox list`.", told, MAX_ATTEMPTS)
