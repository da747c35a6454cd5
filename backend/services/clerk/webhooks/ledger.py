"""The ledger of events: each is applied once, and none that Clerk signed is ever lost."""

import logging
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.database.locks import lock_user
from backend.database.rows import columns_of, read_row
from backend.database.statements import PreparedStatement
from backend.database.transactions import Transact, UnknownOutcomeError, describe_fault
from backend.models import User, WebhookEvent
from backend.services.clerk.mirror.apply import Mirror, Outcome
from backend.services.clerk.payloads import Unprocessable
from backend.services.clerk.webhooks.events import SECRET_TYPES, ClerkEvent, apply_event, check_instance, read_event

DUPLICATE = "duplicate"
DEAD = "dead"
FAILED = "failed"
UNRESOLVED = (FAILED, DEAD)
# Svix tries 8 times in 28 hours. The last of them is told 200: the event waits in the ledger for a fix and a resend.
MAX_ATTEMPTS = 8
NEWEST_SHOWN = 20

# What is claimed is applied, unless something else comes of it, which is rare: one row is written once.
# now() is the time at which the transaction began, which is that of received_at.
CLAIM = PreparedStatement("""
INSERT INTO webhook_events AS known (event_id, source, type, subject_id, occurred_at, status, processed_at)
VALUES (:event_id, :source, :type, :subject_id, :occurred_at, 'applied', clock_timestamp())
ON CONFLICT (event_id) DO UPDATE
SET status = 'applied', processed_at = clock_timestamp(), attempts = known.attempts + 1, error = NULL, payload = NULL
WHERE known.status IN ('failed', 'dead')
RETURNING event_id
""")

log = logging.getLogger(__name__)


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
    row: dict[str, Any] = {"event_id": event_id, "source": source}
    try:
        event = read_event(body, signed_at)
        row |= {"type": event.type, "subject_id": event.subject_id, "occurred_at": event.occurred_at}
        check_instance(event, instance_ids)
        status = transact(lambda connection: _apply_once(connection, mirror, row, event, body), user=event.subject_id)
    except (OperationalError, InterfaceError, InternalError, PoolTimeout, UnknownOutcomeError):
        raise
    except (Unprocessable, DataError) as error:
        reason = str(error) if isinstance(error, Unprocessable) else type(error.orig).__name__
        status = _record_trouble(transact, row, body, DEAD, reason)
    except Exception as error:  # noqa: BLE001 - it is logged, and the event is kept
        # A bug of ours must not lose the event: it is kept, and Svix delivers it again after the fix.
        _log_fault(event_id, error)
        status = _record_trouble(transact, row, body, FAILED, type(error).__name__)
    log.info("Event %s (%s): %s.", event_id, row.get("type", "unreadable"), status)
    return status


def _log_fault(event_id: str, error: Exception) -> None:
    """With the traceback, but not the database's own words: they repeat the row, address and all."""
    if isinstance(error, DBAPIError):
        log.error("Event %s could not be applied: %s.", event_id, describe_fault(error))
    else:
        log.error("Event %s could not be applied.", event_id, exc_info=error)


def _apply_once(connection: Connection, mirror: Mirror, row: dict[str, Any], event: ClerkEvent, body: bytes) -> str:
    """Claim and apply in one transaction: a crash leaves neither, and of parallel deliveries one waits."""
    if CLAIM.run(connection, **row).first() is None:
        return DUPLICATE
    outcome = apply_event(mirror, connection, event)
    if outcome is not Outcome.APPLIED:
        kept = body.decode() if outcome is Outcome.IGNORED and event.type not in SECRET_TYPES else None
        values = {"status": outcome.value, "payload": kept}
        connection.execute(update(WebhookEvent).where(WebhookEvent.event_id == row["event_id"]).values(values))
    return outcome.value


def _record_trouble(transact: Transact, row: dict[str, Any], body: bytes, status: str, reason: str) -> str:
    """Keep the event with its reason, in a transaction of its own that survives the rollback of the work.

    Returns the status that it has now.
    """
    trouble = row | {"status": status, "error": reason, "processed_at": func.now()}
    payload = body.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
    attempts = WebhookEvent.attempts + 1
    again = {
        "attempts": attempts,
        "error": reason,
        "processed_at": func.now(),
        "status": case((attempts >= MAX_ATTEMPTS, DEAD), else_=status),
    }

    def record(connection: Connection) -> str | None:
        is_kept = not _is_deleted(connection, row.get("subject_id"))
        return _write_unresolved(connection, trouble | ({"payload": payload} if is_kept else {}), again)

    return transact(record, user=row.get("subject_id")) or DUPLICATE


def _write_unresolved(connection: Connection, row: dict[str, Any], again: dict[str, Any]) -> str | None:
    """Insert the event, or change what could not be applied before as `again` says. Returns its status.

    None when it was dealt with already.
    """
    inserted = insert(WebhookEvent).values(row)
    written = inserted.on_conflict_do_update(
        index_elements=["event_id"], set_=again, where=WebhookEvent.status.in_(UNRESOLVED)
    )
    status: str | None = connection.execute(written.returning(WebhookEvent.status)).scalar()
    return status


def _is_deleted(connection: Connection, clerk_user_id: str | None) -> bool:
    """Whether the payload would be personal data of a deleted user, which is not kept."""
    if clerk_user_id is None:
        return False
    # Locked, or a delete between this check and the insert would leave the payload.
    lock_user(connection, clerk_user_id)
    tombstone = select(User.user_id).where(User.clerk_user_id == clerk_user_id, User.deleted_at.is_not(None))
    return connection.execute(tombstone).first() is not None
