"""What happens when Clerk deletes a user: a tombstone without personal data, which nothing brings back."""

from typing import Any

from sqlalchemy import Connection, Table, TextClause, func, null, select, text, update
from sqlalchemy.dialects.postgresql import insert

from backend.database.locks import delete_unlocked, lock_user
from backend.models import Base, Subscription, User, WebhookEvent
from backend.resources import OWNED, AtErasure, Owned
from backend.services.clerk.mirror.apply import Mirror, Outcome
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.objects import delete_objects
from backend.services.clerk.payloads import Subject, read_payload
from backend.services.clerk.webhooks.named_users import MERGED, without_all_but_ids
from backend.services.outbox.announcements import AppEvent, announce, ids_of_user

# All that users write is their personal data. A stored response shows it, too. Of each table so many rows go with the
# event: 600,000 take longer than a statement may, and so at each repetition. From the tombstone on nobody can read what
# is left: it goes with the next purge, and belongings, which may be another user's yet, with the first one after the
# retention.
ERASED_AT_ONCE = 10_000


def delete_user(mirror: Mirror, connection: Connection, data: dict[str, Any], _as_of: int) -> Outcome:
    return Outcome.of(erase_user(mirror, connection, read_payload(Subject, data).id))


def erase_user(mirror: Mirror, connection: Connection, clerk_user_id: str) -> bool:
    """Make a tombstone of the user, also of one that was never seen. False when there was one already."""
    lock_user(connection, clerk_user_id)
    delete_objects(connection, KINDS["users"], [clerk_user_id], mirror.source)
    deleted = {"deleted_at": func.now(), "is_active": False}
    made = insert(User).values(deleted | {"clerk_user_id": clerk_user_id, "provisioned_by": "webhook"})
    erased = made.on_conflict_do_update(
        index_elements=[User.clerk_user_id],
        set_=without_personal_data(User) | deleted | {"updated_at": func.now()},
        where=User.deleted_at.is_(None),
    )
    user_id = connection.execute(erased.returning(User.user_id)).scalar()
    if user_id is None:
        return False
    announce(connection, AppEvent.USER_DELETED, ids_of_user(user_id, clerk_user_id))
    canceled = {"status": "canceled", "updated_at": func.now()}
    connection.execute(update(Subscription).where(Subscription.user_id == user_id).values(canceled))
    for owned in OWNED:
        if owned.at_erasure is AtErasure.DELETE and not (owned.is_belonging and mirror.retention):
            connection.execute(delete_rows(owned), {"user_id": user_id, "limit": ERASED_AT_ONCE})
    kept = WebhookEvent.payload.is_not(None) & (WebhookEvent.subject_id == clerk_user_id)
    merged = kept & (WebhookEvent.type == MERGED)
    for event in connection.execute(select(WebhookEvent.event_id, WebhookEvent.payload).where(merged)).all():
        named = update(WebhookEvent).where(WebhookEvent.event_id == event.event_id)
        connection.execute(named.values(payload=without_all_but_ids(event.payload)))
    personal = update(WebhookEvent).where(kept, WebhookEvent.type.is_distinct_from(MERGED))
    connection.execute(personal.values(without_personal_data(WebhookEvent)))
    return True


def delete_rows(owned: Owned) -> TextClause:
    """The statement that deletes at most `:limit` rows of `:user_id`."""
    return delete_unlocked(owned.table, f"FROM {owned.table} t WHERE user_id = :user_id ORDER BY {owned.order}")


def without_personal_data(model: type[Base]) -> dict[str, Any]:
    """What to set in a row that stays: nothing, or the column's default."""
    table: Table = model.__table__  # type: ignore[assignment] # every model here is a table
    personal = [column for column in table.c if column.info.get("personal")]
    return {column.name: null() if column.nullable else text("DEFAULT") for column in personal}
