"""What happens when Clerk deletes a user: a tombstone without personal data, which nothing brings back."""

from typing import Any

from sqlalchemy import Connection, Table, delete, func, null, text, update
from sqlalchemy.dialects.postgresql import insert

from backend.database.locks import delete_unlocked, lock_user
from backend.models import ApiKey, Base, CampaignTemplate, ClerkBilling, Subscription, User, WebhookEvent
from backend.services.clerk.mirror.apply import Mirror, Outcome
from backend.services.clerk.payloads import Subject, read_payload

# All that users write is their personal data. With a campaign go its tags; a stored response shows what was written. Of
# these so many go with the event: 600,000 campaigns take longer than a statement may, and so at each repetition. From
# the tombstone on nobody can read what is left: it goes with the next purge, and a response when it has expired.
ERASED_AT_ONCE = 10_000
ERASE_CAMPAIGNS = delete_unlocked(
    "campaigns", "FROM campaigns t WHERE user_id = :user_id ORDER BY deleted_at, created_at, campaign_id"
)
ERASE_RESPONSES = delete_unlocked(
    "idempotency_keys", "FROM idempotency_keys t WHERE user_id = :user_id ORDER BY method, path, key"
)
ERASED = "erased"


def delete_user(_mirror: Mirror, connection: Connection, data: dict[str, Any], _as_of: int) -> Outcome:
    return Outcome.of(erase_user(connection, read_payload(Subject, data).id))


def erase_user(connection: Connection, clerk_user_id: str) -> bool:
    """Make a tombstone of the user, also of one that was never seen. False when there was one already."""
    lock_user(connection, clerk_user_id)
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
    canceled = {"status": "canceled", "updated_at": func.now()}
    connection.execute(update(Subscription).where(Subscription.user_id == user_id).values(canceled))
    # The keys themselves stay: whoever still sends one is told that the user was deleted.
    connection.execute(update(ApiKey).where(ApiKey.user_id == user_id).values(without_personal_data(ApiKey)))
    for erase in (ERASE_CAMPAIGNS, ERASE_RESPONSES):
        connection.execute(erase, {"user_id": user_id, "limit": ERASED_AT_ONCE})
    connection.execute(delete(CampaignTemplate).where(CampaignTemplate.user_id == user_id))
    connection.execute(delete(ClerkBilling).where(ClerkBilling.clerk_user_id == clerk_user_id))
    connection.execute(
        update(WebhookEvent)
        .where(WebhookEvent.subject_id == clerk_user_id, WebhookEvent.payload.is_not(None))
        .values(without_personal_data(WebhookEvent))
    )
    return True


def without_personal_data(model: type[Base]) -> dict[str, Any]:
    """What to set in a row that stays: nothing, the column's default, or a word where neither is possible."""
    table: Table = model.__table__  # type: ignore[assignment] # every model here is a table
    personal = [column for column in table.c if column.info.get("personal")]
    empty = {column.name: ERASED if column.server_default is None else text("DEFAULT") for column in personal}
    return empty | {column.name: null() for column in personal if column.nullable}
