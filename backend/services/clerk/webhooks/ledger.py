"""The ledger of events: each is applied once, and none that Clerk signed is ever lost."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.database.locks import lock_user
from backend.database.prepared_reads import Transact, describe_fault
from backend.services.clerk.mirror.apply import Outcome
from backend.services.clerk.payloads import Unprocessable
from backend.services.clerk.webhooks.events import ClerkEvent, read_event

DUPLICATE = "duplicate"
DEAD = "dead"
FAILED = "failed"
# Svix tries 8 times in 28 hours. The last of them is told 200: the event waits in the ledger for a fix and a resend.
MAX_ATTEMPTS = 8
NEWEST_SHOWN = 20

Apply = Callable[[Connection, ClerkEvent], Outcome]

log = logging.getLogger(__name__)


# What could not be applied is taken up again when it is sent again; any other that is here was dealt with.
CLAIM_EVENT = text("""
INSERT INTO webhook_events (event_id, source, type, subject_id, status, occurred_at)
VALUES (:event_id, :source, :type, :subject_id, 'applied', :occurred_at)
ON CONFLICT (event_id) DO UPDATE SET
    status = 'applied', attempts = webhook_events.attempts + 1, error = NULL, payload = NULL
WHERE webhook_events.status IN ('failed', 'dead')
RETURNING event_id
""")

# now() is the time at which the transaction began, which is that of received_at.
SET_OUTCOME = text("""
UPDATE webhook_events SET status = :status, processed_at = clock_timestamp() WHERE event_id = :event_id
""")

# The payload of a deleted user is personal data: it is not kept.
RECORD_TROUBLE = text("""
INSERT INTO webhook_events (event_id, source, type, subject_id, status, error, payload, occurred_at, processed_at)
SELECT :event_id, :source, :type, :subject_id, :status, :error,
       CASE WHEN EXISTS (SELECT FROM users WHERE clerk_user_id = :subject_id AND deleted_at IS NOT NULL)
            THEN NULL ELSE :payload END,
       :occurred_at, now()
ON CONFLICT (event_id) DO UPDATE SET
    attempts = webhook_events.attempts + 1, error = excluded.error, processed_at = now(),
    status = CASE WHEN webhook_events.attempts + 1 >= :max_attempts THEN 'dead' ELSE excluded.status END
WHERE webhook_events.status IN ('failed', 'dead')
RETURNING status
""")

# Read from the end of the user's part of an index: the same few blocks, however many events there are.
READ_NEWEST = text(f"""
SELECT event_id, type, status, occurred_at, received_at, processed_at FROM webhook_events
WHERE subject_id = :clerk_user_id ORDER BY received_at DESC, event_id DESC LIMIT {NEWEST_SHOWN}
""")  # noqa: S608 - all of it is ours


class LedgerEntry(NamedTuple):
    """What users see of an event about them. The fields are the columns of READ_NEWEST, in order."""

    event_id: str
    type: str
    status: str
    occurred_at: datetime | None
    received_at: datetime
    processed_at: datetime | None


def read_newest(connection: Connection, clerk_user_id: str | None) -> list[LedgerEntry]:
    """The newest events about a user and the user's sessions and subscription, newest first; none about nobody."""
    return [
        LedgerEntry._make(row) for row in connection.execute(READ_NEWEST, {"clerk_user_id": clerk_user_id})
    ]


def receive_event(transact: Transact, apply: Apply, event_id: str, source: str, body: bytes) -> str:
    """Apply a verified event and return its status: an Outcome, "duplicate", "dead" or "failed".

    Everything but "failed" is settled and committed. Raises what the database raises while it is away.
    """
    event: ClerkEvent | None = None
    try:
        event = readable = read_event(body)
        status = transact(lambda connection: _apply_once(connection, apply, event_id, source, readable))
    except (OperationalError, InterfaceError, InternalError, PoolTimeout):
        raise
    except (Unprocessable, DataError) as error:
        reason = str(error) if isinstance(error, Unprocessable) else type(error.orig).__name__
        status = _record_trouble(transact, event_id, source, event, body, DEAD, reason)
    except Exception as error:  # noqa: BLE001 - it is logged, and the event is kept
        # A bug of ours must not lose the event: it is kept, and Svix delivers it again after the fix.
        _log_fault(event_id, error)
        status = _record_trouble(transact, event_id, source, event, body, FAILED, type(error).__name__)
    log.info("Event %s (%s): %s.", event_id, event.type if event else "unreadable", status)
    return status


def _log_fault(event_id: str, error: Exception) -> None:
    """With the traceback, but not the database's own words: they repeat the row, address and all."""
    if isinstance(error, DBAPIError):
        log.error("Event %s could not be applied: %s.", event_id, describe_fault(error))
    else:
        log.error("Event %s could not be applied.", event_id, exc_info=error)


def _apply_once(connection: Connection, apply: Apply, event_id: str, source: str, event: ClerkEvent) -> str:
    """Claim and apply in one transaction: a crash leaves neither, and of parallel deliveries one waits."""
    values = _ledger_row(event_id, source, event)
    if connection.execute(CLAIM_EVENT, values).first() is None:
        return DUPLICATE
    outcome = apply(connection, event)
    connection.execute(SET_OUTCOME, {"event_id": event_id, "status": outcome.value})
    return outcome.value


def _record_trouble(
    transact: Transact,
    event_id: str,
    source: str,
    event: ClerkEvent | None,
    body: bytes,
    status: str,
    reason: str,
) -> str:
    """Keep the event with its reason, in a transaction of its own that survives the rollback of the work."""
    values = _ledger_row(event_id, source, event) | {
        "status": status,
        "error": reason,
        "payload": body.decode("utf-8", "backslashreplace").replace("\x00", "\\x00"),
        "max_attempts": MAX_ATTEMPTS,
    }

    def record(connection: Connection) -> str | None:
        if event is not None and event.subject_id is not None:
            # Or a delete between the check and the insert would leave the payload.
            lock_user(connection, event.subject_id)
        recorded: str | None = connection.execute(RECORD_TROUBLE, values).scalar()
        return recorded

    return transact(record) or DUPLICATE


def _ledger_row(event_id: str, source: str, event: ClerkEvent | None) -> dict[str, object]:
    """The columns that do not depend on the outcome. `event` is None when the body could not be read."""
    return {
        "event_id": event_id,
        "source": source,
        "type": event.type if event else None,
        "subject_id": event.subject_id if event else None,
        "occurred_at": event.occurred_at if event else None,
    }
