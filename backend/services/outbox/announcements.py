"""What this application tells others of: written into the outbox with what it tells of, in the same transaction.

Whether anybody asked is an option of the connection (ASKED). Where nobody did, nothing is written and nothing is read.
"""

import json
import time
import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select, text

from backend.database.statements import Statement
from backend.models import User

# The execution option of a connection that says who asked: the names of the destinations, by event.
ASKED = "announced_to"
# Svix tries for 28 hours. Who signed up earlier than that did not do so now: an installation that has had its users for
# years, and adopts this backend, welcomes none of them.
RECENT = timedelta(days=2)


class AppEvent(StrEnum):
    """The events, as they are named to those who get them. Their `data` holds ids only."""

    USER_SIGNED_UP = "app/user.signed_up"
    USER_UPDATED = "app/user.updated"
    USER_DELETED = "app/user.deleted"
    SUBSCRIPTION_CHANGED = "app/subscription.changed"
    MEMBERSHIP_CREATED = "app/membership.created"
    MEMBERSHIP_UPDATED = "app/membership.updated"
    MEMBERSHIP_DELETED = "app/membership.deleted"


INSERT = Statement("""
INSERT INTO outbox (event_id, destination, type, data)
SELECT e.event_id, d.destination, :type, e.data::jsonb
FROM unnest(:event_ids::text[], :data::text[]) AS e (event_id, data),
     unnest(:destinations::text[]) AS d (destination)
ON CONFLICT (event_id, destination) DO NOTHING
""")


def destinations_of(connection: Connection, event: AppEvent) -> Collection[str]:
    """Who asked for the event."""
    asked: Mapping[AppEvent, Collection[str]] = connection.get_execution_options().get(ASKED, {})
    return asked.get(event, ())


def announce(connection: Connection, event: AppEvent, *told: Mapping[str, object]) -> None:
    """Write down that this happened to each of `told`, which are their ids."""
    if destinations_of(connection, event):
        _write(connection, event, {f"evt_{uuid.uuid4().hex}": each for each in told})


def announce_user(connection: Connection, event: AppEvent, user_id: int) -> None:
    """The same of a user of whom only our own id is known."""
    if destinations_of(connection, event):
        clerk_user_id = connection.execute(select(User.clerk_user_id).where(User.user_id == user_id)).scalar()
        announce(connection, event, ids_of_user(user_id, clerk_user_id))


def announce_profiles(
    connection: Connection, written: Iterable[Row[Any]], known: Collection[str], signed_up_at: Mapping[str, int]
) -> None:
    """Of users whose profile was written. With the first profile that comes of a user, whatever brought it, the user
    has signed up, if that was at Clerk of late; everything else is an update.

    `written`: user_id, clerk_user_id. `known`: the Clerk ids of those who had a profile before. `signed_up_at`: by
    Clerk id, in Unix milliseconds.
    """
    signed_up: dict[str, Mapping[str, object]] = {}
    updated = []
    oldest = (time.time() - RECENT.total_seconds()) * 1000
    for row in written:
        ids = ids_of_user(row.user_id, row.clerk_user_id)
        if row.clerk_user_id not in known and signed_up_at.get(row.clerk_user_id, 0) >= oldest:
            # Always the same id: a user who was erased and comes again does not sign up twice.
            signed_up[f"signed_up_{row.clerk_user_id}"] = ids
        else:
            updated.append(ids)
    _write(connection, AppEvent.USER_SIGNED_UP, signed_up)
    announce(connection, AppEvent.USER_UPDATED, *updated)


def announce_memberships(connection: Connection, event: AppEvent, column: str, ids: Collection[str]) -> None:
    """Of the live memberships whose `column` is one of the ids."""
    if ids and destinations_of(connection, event):
        found = text(f"""
            SELECT id AS membership_id, organization_id, user_id AS clerk_user_id FROM clerk.organization_memberships
            WHERE {column} = ANY (:ids) AND deleted_at IS NULL ORDER BY id
        """)  # noqa: S608 - the column is ours
        announce(connection, event, *(dict(row) for row in connection.execute(found, {"ids": list(ids)}).mappings()))


def ids_of_user(user_id: int, clerk_user_id: str | None) -> dict[str, object]:
    return {"user_id": user_id, "clerk_user_id": clerk_user_id}


def _write(connection: Connection, event: AppEvent, told: Mapping[str, Mapping[str, object]]) -> None:
    """`told`: by event id. An event that is there already stays as it is."""
    destinations = destinations_of(connection, event)
    if told and destinations:
        data = [json.dumps(each) for each in told.values()]
        INSERT.run(connection, type=event, event_ids=list(told), data=data, destinations=list(destinations))
