"""Reading the envelope of a Clerk event."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from backend.services.clerk.payloads import LAST_MILLISECOND, Unprocessable, read_identifier

# Clerk documents milliseconds; its own examples hold seconds. No date before 1973 is meant in milliseconds.
FIRST_MILLISECONDS = 100_000_000_000
MAX_TYPE_LENGTH = 100


class ClerkEvent(NamedTuple):
    """An event whose envelope could be read. `subject_id` is the Clerk id of the user it is about, when it is."""

    type: str
    subject_id: str | None
    occurred_at: datetime | None
    data: dict[str, Any]


USER_EVENTS = frozenset({"user.created", "user.updated", "user.deleted"})
SESSION_STARTS = frozenset({"session.created"})
SESSION_ENDS = frozenset({"session.ended", "session.removed", "session.revoked"})
SUBSCRIPTION_EVENTS = frozenset(
    {"subscription.created", "subscription.updated", "subscription.active", "subscription.pastDue"}
)
# `created` is in Clerk's announcement and types, not in its specification.
ITEM_EVENTS = frozenset(
    f"subscriptionItem.{verb}"
    for verb in (
        *("created", "updated", "upcoming", "incomplete", "active", "freeTrialEnding"),
        *("pastDue", "canceled", "abandoned", "ended"),
    )
)


def read_event(body: bytes) -> ClerkEvent:
    """Raises Unprocessable for what no repetition can cure."""
    try:
        envelope = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Unprocessable("the body is not JSON") from None
    if not isinstance(envelope, dict):
        raise Unprocessable("the body is not an object")
    kind = envelope.get("type")
    if (
        not isinstance(kind, str)
        or not kind.isascii()
        or not kind.isprintable()
        or not 0 < len(kind) <= MAX_TYPE_LENGTH
    ):
        raise Unprocessable("type is missing or not a name")
    data = envelope.get("data")
    if not isinstance(data, dict):
        data = {}
    return ClerkEvent(kind, _subject(kind, data), _occurred_at(envelope), data)


def _subject(kind: str, data: dict[str, Any]) -> str | None:
    """The user's id, as far as it can be read: an event without one is refused when it is applied."""
    if kind in USER_EVENTS:
        field = "id"
    elif kind in SESSION_STARTS or kind in SESSION_ENDS:
        field = "user_id"
    elif kind in SUBSCRIPTION_EVENTS or kind in ITEM_EVENTS:
        payer = data.get("payer")
        data, field = payer if isinstance(payer, dict) else {}, "user_id"
    else:
        return None
    try:
        return read_identifier(data, field)
    except Unprocessable:
        return None


def _occurred_at(envelope: dict[str, Any]) -> datetime | None:
    value = envelope.get("timestamp")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_MILLISECOND:
        return None
    return datetime.fromtimestamp(value / 1000 if value >= FIRST_MILLISECONDS else value, UTC)
