"""Bringing our copy, and what follows from it, up to what Clerk says. The only writer of what Clerk owns."""

import contextlib
from collections.abc import Callable, Collection
from copy import copy
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection

from backend.database.locks import lock_user
from backend.services.clerk.linking import LinkRules
from backend.services.clerk.mirror.kinds import Kind
from backend.services.clerk.mirror.objects import Ties, delete_objects, read_object, write_objects
from backend.services.clerk.mirror.projection import address_to_lock, find_contested, lock_rows, project_user
from backend.services.clerk.payloads import ClerkObject, ClerkUser, Unprocessable, read_user
from backend.services.users.accounts import complete_user, insert_user

WEBHOOK = "webhook"
# Told of each event: its source, its type where something is done with that, what became of it, when it happened.
NoteEvent = Callable[[str, str | None, str, datetime | None], object]


class Outcome(StrEnum):
    """What an event did."""

    APPLIED = "applied"
    STALE = "stale"
    IGNORED = "ignored"

    @classmethod
    def of(cls, is_news: bool) -> Self:
        return cls("applied" if is_news else "stale")


class Mirror:
    """Keeps our copy of Clerk's users, by one set of rules. One an application.

    `source`: by which way that came which it is told now.
    """

    source = WEBHOOK

    def __init__(
        self, link_rules: LinkRules, retention: timedelta, note_event: NoteEvent = lambda *_event: None
    ) -> None:
        """`link_rules`: when a legacy row becomes a new user's. `retention`: how long what belonged to a deleted user
        waits for a merge or a restore.
        """
        self._link_rules = link_rules
        self.retention = retention
        self.note_event = note_event

    def told_by(self, source: str) -> Self:
        """The same, of what came by `source`."""
        told = copy(self)
        told.source = source
        return told

    def apply_user(self, connection: Connection, user: ClerkUser, *, ties: Ties) -> bool:
        """Insert or update the user and make it complete. False when our copy is newer, or the user is deleted."""
        rows = lock_rows(connection, user, self._link_rules, self.source, ties)
        if rows is None:
            return False
        project_user(connection, user, rows, self._link_rules, "webhook")
        return True

    def find_contested(self, connection: Connection, users: Collection[ClerkUser]) -> set[str]:
        """The Clerk ids of those of whom something is to be decided: linking, or who holds an address."""
        return find_contested(connection, users, self._link_rules)

    def ensure_user(
        self, connection: Connection, clerk_user_id: str, copy: object = None, as_of: int | None = None
    ) -> None:
        """An event may come before its user's: make the user then, from the copy that the event carries."""
        if isinstance(copy, dict) and copy.get("id") == clerk_user_id:
            # The copy is a courtesy; without it the event still counts.
            with contextlib.suppress(Unprocessable):
                self.apply_user(connection, read_user(copy, as_of), ties=Ties.LOSE)
                return
        insert_user(connection, clerk_user_id, "webhook")
        complete_user(connection, clerk_user_id)


def lock_profile(connection: Connection, user: ClerkUser) -> None:
    """Hold the advisory locks that writing the profile takes: before any lock on rows, or two could wait for ever."""
    lock_user(connection, user.clerk_user_id, address_to_lock(user))


def apply_profile(mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int, *, ties: Ties) -> Outcome:
    return Outcome.of(mirror.apply_user(connection, read_user(data, as_of), ties=ties))


def apply_object(
    mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int, *, kind: Kind, ties: Ties
) -> Outcome:
    told = read_object(data, as_of)
    lock_owners(connection, kind, told)
    return Outcome.of(bool(write_objects(connection, kind, [told], mirror.source, ties)))


def delete_object(mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int, *, kind: Kind) -> Outcome:
    told = read_object(data, as_of)
    lock_owners(connection, kind, told)
    return Outcome.of(bool(delete_objects(connection, kind, [told.id], mirror.source)))


def lock_owners(connection: Connection, kind: Kind, told: ClerkObject) -> None:
    """Let nobody delete meanwhile whom the object belongs to."""
    for owner in owners_of(kind, told):
        lock_user(connection, owner)


def owners_of(kind: Kind, told: ClerkObject) -> list[str]:
    """The Clerk ids of whom the object belongs to, always the user first; its own where it belongs to nobody."""
    owners = (kind.owner_of(told.data), kind.organization_of(told.data))
    return [owner for owner in owners if owner] or [told.id]
