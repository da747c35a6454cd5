"""The ledger of events: each is applied once, and none that Clerk signed is ever lost."""

import logging
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, update
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.contextvars import bind_contextvars

from backend.database.locks import lock_user
from backend.database.rows import columns_of, read_row
from backend.database.statements import PreparedStatement, Statement
from backend.database.transactions import Transact, UnknownOutcomeError, describe_fault
from backend.models import User, WebhookEvent
from backend.services.clerk.mirror.apply import WEBHOOK, Mirror, Outcome
from backend.services.clerk.payloads import Unprocessable
from backend.services.clerk.webhooks.events import (
    EVENT_TYPES,
    SECRET_TYPES,
    ClerkEvent,
    HandlerError,
    apply_event,
    check_instance,
    read_event,
)
from backend.services.clerk.webhooks.named_users import MERGED, without_all_but_ids

DUPLICATE = "duplicate"
DEAD = "dead"
FAILED = "failed"
UNRESOLVED = (FAILED, DEAD)
# Svix tries 8 times in 28 hours. The last of them is told 200: the event waits in the ledger for a fix and a resend.
MAX_ATTEMPTS = 8
NEWEST_SHOWN = 20
# What the copy calls the ways that the ledger knows.
COPIED_BY = {"svix": WEBHOOK, "inngest": "inngest"}

# Of what is there already: what could not be applied, and what was ignored as long as nothing was done with its type.
# The payload of the latter is there until it is too old for that.
COUNTS_AGAIN = """
known.status IN ('failed', 'dead') OR (known.status = 'ignored' AND known.payload IS NOT NULL AND :is_used)
"""
# What is claimed is applied, unless something else comes of it, which is rare: one row is written once.
# now() is the time at which the transaction began, which is that of received_at.
CLAIM = PreparedStatement(f"""
INSERT INTO webhook_events AS known (event_id, source, type, subject_id, occurred_at, status, processed_at)
VALUES (:event_id, :source, :type, :subject_id, :occurred_at, 'applied', clock_timestamp())
ON CONFLICT (event_id) DO UPDATE
SET status = 'applied', processed_at = clock_timestamp(), attempts = known.attempts + 1, error = NULL, payload = NULL
WHERE {COUNTS_AGAIN}
RETURNING event_id
""")  # noqa: S608 - all of it is ours
RECORD_TROUBLE = Statement(f"""
INSERT INTO webhook_events AS known
       (event_id, source, type, subject_id, occurred_at, status, error, payload, processed_at)
VALUES (:event_id, :source, :type, :subject_id, :occurred_at, :status, :error, :payload, now())
ON CONFLICT (event_id) DO UPDATE
SET status = CASE WHEN known.attempts + 1 >= :max_attempts THEN 'dead' ELSE excluded.status END,
    attempts = known.attempts + 1, error = excluded.error, processed_at = now()
WHERE {COUNTS_AGAIN}
RETURNING status
""")  # noqa: S608 - all of it is ours

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """What the ledger has of an event before anything came of it."""

    event_id: str
    source: str
    type: str | None = None
    subject_id: str | None = None
    occurred_at: datetime | None = None

    @property
    def is_used(self) -> bool:
        """Whether something is done with events of this type."""
        return self.type in EVENT_TYPES

    @property
    def values(self) -> dict[str, Any]:
        return self._asdict() | {"is_used": self.is_used}


class LedgerEntry(NamedTuple):
    """What users see of an event about them."""

    event_id: str
    type: str
    status: str
    occurred_at: datetime | None
    received_at: datetime
    processed_at: datetime | None


def read_newest(connection: Connection, clerk_user_id: str | None) -> list[LedgerEntry]:
    """The newest events about a user and the user's sessions and subscription, newest first; none about nobody."""
    if clerk_user_id is None:
        return []
    return [read_row(LedgerEntry, row) for row in connection.execute(select_newest(clerk_user_id))]


def select_newest(clerk_user_id: str) -> Select[Any]:
    """Read from the end of the user's part of an index: the same few blocks, however many events there are."""
    return (
        select(*columns_of(WebhookEvent, LedgerEntry))
        .where(WebhookEvent.subject_id == clerk_user_id)
        .order_by(WebhookEvent.received_at.desc(), WebhookEvent.event_id.desc())
        .limit(NEWEST_SHOWN)
    )


def receive_event(
    transact: Transact,
    mirror: Mirror,
    event_id: str,
    source: str,
    body: bytes,
    *,
    signed_at: int,
    instance_ids: tuple[str, ...],
) -> str:
    """Apply a verified event and return its status: an Outcome, "duplicate", "dead" or "failed".

    `signed_at`: of this delivery, in Unix seconds. `instance_ids`: of the Clerk instance whose events count; empty when
    it is not known. Everything but "failed" is settled and committed. Raises what the database raises while it is away.
    """
    row = Row(event_id, source)
    bind_contextvars(event_id=event_id)  # for the line of the request in the log
    try:
        event = read_event(body, signed_at)
        row = Row(event_id, source, event.type, event.subject_id, event.occurred_at)
        bind_contextvars(event_type=event.type)
        check_instance(event, instance_ids)
        told = mirror.told_by(COPIED_BY[source])
        status = transact(lambda connection: _apply_once(connection, told, row, event, body), user=event.subject_id)
    except (OperationalError, InterfaceError, InternalError, PoolTimeout, UnknownOutcomeError):
        raise
    except (Unprocessable, DataError) as error:
        reason = str(error) if isinstance(error, Unprocessable) else type(error.orig).__name__
        status = _record_trouble(transact, row, body, DEAD, reason)
    except Exception as error:  # noqa: BLE001 - it is logged, and the event is kept
        # A bug of ours must not lose the event: it is kept, and Svix delivers it again after the fix.
        _log_fault(error)
        reason = str(error) if isinstance(error, HandlerError) else type(error).__name__
        status = _record_trouble(transact, row, body, FAILED, reason)
    bind_contextvars(outcome=status)
    mirror.note_event(source, row.type if row.is_used else None, status, row.occurred_at)
    return status


def _log_fault(error: Exception) -> None:
    """With the traceback, but not the database's own words: they repeat the row, address and all."""
    if isinstance(error, DBAPIError):
        log.error("The event could not be applied: %s.", describe_fault(error))
    else:
        log.error("The event could not be applied.", exc_info=error)


def _apply_once(connection: Connection, mirror: Mirror, row: Row, event: ClerkEvent, body: bytes) -> str:
    """Claim and apply in one transaction: a crash leaves neither, and of parallel deliveries one waits."""
    if CLAIM.run(connection, **row.values).first() is None:
        return DUPLICATE
    outcome = apply_event(mirror, connection, event)
    if outcome is not Outcome.APPLIED:
        kept = None if row.is_used else _what_may_stay(connection, row, body.decode())
        values = {"status": outcome.value, "payload": kept}
        connection.execute(update(WebhookEvent).where(WebhookEvent.event_id == row.event_id).values(values))
    return outcome.value


def _record_trouble(transact: Transact, row: Row, body: bytes, status: str, reason: str) -> str:
    """Keep the event with its reason, in a transaction of its own that survives the rollback of the work.

    Returns the status that it has now.
    """
    payload = body.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")

    def record(connection: Connection) -> str:
        kept = _what_may_stay(connection, row, payload)
        trouble = {"status": status, "error": reason, "payload": kept, "max_attempts": MAX_ATTEMPTS}
        return RECORD_TROUBLE.run(connection, **row.values, **trouble).scalar() or DUPLICATE

    return transact(record, user=row.subject_id)


def _what_may_stay(connection: Connection, row: Row, payload: str) -> str | None:
    """Nothing that is for the eyes of one person, or personal data of a deleted user."""
    if row.type in SECRET_TYPES:
        return None
    if not _is_deleted(connection, row.subject_id):
        return payload
    return without_all_but_ids(payload) if row.type == MERGED else None


def _is_deleted(connection: Connection, clerk_user_id: str | None) -> bool:
    if clerk_user_id is None:
        return False
    # Locked, or a delete between this check and the insert would leave the payload.
    lock_user(connection, clerk_user_id)
    tombstone = select(User.user_id).where(User.clerk_user_id == clerk_user_id, User.deleted_at.is_not(None))
    return connection.execute(tombstone).first() is not None
