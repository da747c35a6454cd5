"""The events of Clerk: their envelope, and one table that says what each type does."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from backend.database.statements import Statement
from backend.services.clerk import billing, sessions
from backend.services.clerk.mirror.apply import Mirror, Outcome, apply_object, apply_profile, delete_object
from backend.services.clerk.mirror.erase import delete_user
from backend.services.clerk.mirror.kinds import KINDS, Kind, follow
from backend.services.clerk.mirror.objects import Ties
from backend.services.clerk.payloads import LAST_MILLISECOND, SKEW, Unprocessable, to_instant
from backend.services.core.claims import IDENTIFIER

# Clerk documents milliseconds; its own examples hold seconds. No date before 1973 is meant in milliseconds.
FIRST_MILLISECONDS = 100_000_000_000
# Messages to people: codes, links and addresses, which are nobody's business but theirs. They leave only a line.
SECRET_TYPES = frozenset({"email.created", "sms.created"})
OTHER_INSTANCE = "instance_id names another Clerk instance than ours (CLERK_INSTANCE_ID)"
EVENT_TYPE = re.compile(r"[\x20-\x7e]{1,100}")
NOTE_HANDLED = Statement("""
INSERT INTO handled_events AS known (digest, source) VALUES (:digest, :source)
ON CONFLICT (digest) DO UPDATE SET handled_at = now() WHERE known.source = 'webhook' AND excluded.source = 'webhook'
RETURNING digest
""")


Apply = Callable[[Mirror, Connection, dict[str, Any], int], Outcome]


def _objects(kind: Kind, verbs: Iterable[str] = ("created", "updated")) -> dict[str, Apply]:
    """The events of objects from which nothing follows but the copy."""
    ties = {"created": Ties.LOSE}
    told: dict[str, Apply] = {
        f"{kind.event}.{verb}": partial(apply_object, kind=kind, ties=ties.get(verb, Ties.WIN_WHERE_OTHER))
        for verb in verbs
    }
    return told | {f"{kind.event}.deleted": partial(delete_object, kind=kind)}


_LIST = partial(billing.apply, is_list=True)
_ITEM = partial(billing.apply, is_list=False)

# What each type does: brings our copy up to its `data`, as of a time. Every other type is stored as ignored.
EVENT_TYPES: Mapping[str, Apply] = {
    "user.created": partial(apply_profile, ties=Ties.LOSE),
    "user.updated": partial(apply_profile, ties=Ties.WIN_WHERE_OTHER),
    "user.deleted": delete_user,
    "session.created": sessions.start_session,
    **dict.fromkeys(("session.ended", "session.removed", "session.revoked"), sessions.end_session),
    **dict.fromkeys((f"subscription.{verb}" for verb in ("created", "updated", "active", "pastDue")), _LIST),
    # `created` is in Clerk's announcement and types, not in its specification.
    **dict.fromkeys(
        (
            f"subscriptionItem.{verb}"
            for verb in (
                *("created", "updated", "upcoming", "incomplete", "active", "freeTrialEnding", "pastDue"),
                *("canceled", "abandoned", "ended"),
            )
        ),
        _ITEM,
    ),
    **_objects(KINDS["organizations"]),
    **_objects(KINDS["organization_memberships"]),
    **_objects(KINDS["organization_invitations"], ("created", "accepted", "revoked")),
    **_objects(KINDS["organization_domains"]),
    **_objects(KINDS["roles"]),
    **_objects(KINDS["permissions"]),
    **_objects(KINDS["waitlist_entries"]),
}
_KINDS = {kind.event: kind for kind in KINDS.values()}
# What the application itself does, by type: see on_event().
_HANDLERS: defaultdict[str, list["EventHandler"]] = defaultdict(list)


class ClerkEvent(NamedTuple):
    """An event whose envelope could be read. `subject_id` is the Clerk id of the user it is about, when it is.

    `as_of`: when Clerk said it, in Unix milliseconds. `instance_id`: the Clerk instance that it names, unchecked.
    """

    type: str
    subject_id: str | None
    occurred_at: datetime | None
    as_of: int
    instance_id: object
    data: dict[str, Any]


def apply_event(mirror: Mirror, connection: Connection, event: ClerkEvent) -> Outcome:
    """Bring our copy up to what the event says, whichever way it came. Raises Unprocessable for what stays wrong."""
    apply = EVENT_TYPES.get(event.type)
    outcome = Outcome.IGNORED if apply is None else apply(mirror, connection, event.data, event.as_of)
    handlers = _HANDLERS.get(event.type, ())
    if not handlers:
        return outcome
    is_first = _is_first(connection, event, mirror.source)
    for handler in handlers if is_first else ():
        _handle(handler, connection, event)
    return Outcome.of(is_first) if outcome is Outcome.IGNORED else outcome


EventHandler = Callable[[Connection, ClerkEvent], None]
H = TypeVar("H", bound=EventHandler)


class HandlerError(Exception):
    """A handler of the application failed. The text names it and the kind of error."""


def on_event(*types: str) -> Callable[[H], H]:
    """Let a function run with each event of these types, known to us or not, in the transaction of the event.

    It runs after our copy was brought up to the event, also when that was newer already; once, also where the event
    comes by Svix and by Inngest. What it raises undoes all of it: the event is failed, and sent again. It may run again
    with the same event, so whatever it does it does through the connection.
    """
    if wrong := [each for each in types if not EVENT_TYPE.fullmatch(each)] or not types:
        raise ValueError(f"on_event takes types of Clerk's events, like user.created: {wrong}")

    def register(handler: H) -> H:
        for each in types:
            _HANDLERS[each].append(handler)
        return handler

    return register


def _is_first(connection: Connection, event: ClerkEvent, source: str) -> bool:
    """False when it has come the other way already. A repetition by the same one has the same id, or is another event;
    but Inngest may give a new id to what Svix sends again.
    """
    told = json.dumps([event.type, event.data], sort_keys=True)
    digest = hashlib.sha256(told.encode()).hexdigest()
    return NOTE_HANDLED.run(connection, digest=digest, source=source).first() is not None


def _handle(handler: EventHandler, connection: Connection, event: ClerkEvent) -> None:
    """Raises HandlerError, and what the database raises while it is away."""
    try:
        handler(connection, event)
    except (OperationalError, InterfaceError, InternalError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not the event's fault
        # What the database says of a statement repeats its values.
        cause = None if isinstance(error, DBAPIError) else error
        raise HandlerError(f"{type(error).__name__} in {handler.__module__}.{handler.__qualname__}") from cause


def read_event(body: bytes, signed_at: int) -> ClerkEvent:
    """Raises Unprocessable for what no repetition can cure.

    `signed_at`: Unix seconds, of this delivery. The event may be older: when an old one is sent again, Svix signs it
    anew. Its own `timestamp` tells, unless it is none or lies ahead of the signature.
    """
    try:
        envelope = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Unprocessable("the body is not JSON") from None
    if not isinstance(envelope, dict):
        raise Unprocessable("the body is not an object")
    kind = envelope.get("type")
    if not isinstance(kind, str) or not EVENT_TYPE.fullmatch(kind):
        raise Unprocessable("type is missing or not a name")
    data = envelope["data"] if isinstance(envelope.get("data"), dict) else {}
    occurred_at = _occurred_at(envelope.get("timestamp"))
    if occurred_at is not None and occurred_at > signed_at * 1000 + SKEW:
        occurred_at = None
    return ClerkEvent(
        type=kind,
        subject_id=_subject_id(kind, data),
        occurred_at=None if occurred_at is None else to_instant(occurred_at),
        as_of=signed_at * 1000 if occurred_at is None else occurred_at,
        instance_id=envelope.get("instance_id"),
        data=data,
    )


def check_instance(event: ClerkEvent, instance_ids: tuple[str, ...]) -> None:
    """Raises Unprocessable for an event of another Clerk instance; where either side is unknown it passes."""
    if instance_ids and event.instance_id and event.instance_id not in instance_ids:
        raise Unprocessable(OTHER_INSTANCE)


def _subject_id(kind: str, data: dict[str, Any]) -> str | None:
    """The id of the user that the event is about, else of the object, as far as it can be read: an event without one is
    refused when it is applied. Of a type that we do not know, too: what it says of a user goes with the user.
    """
    told = _KINDS.get(kind.partition(".")[0])
    found = (
        told and told.owner_of(data),
        *(follow(data, members) for members in (("user_id",), ("payer", "user_id"), ("public_user_data", "user_id"))),
        data.get("id"),
    )
    return next((value for value in found if isinstance(value, str) and IDENTIFIER.fullmatch(value)), None)


def _occurred_at(timestamp: object) -> int | None:
    """In Unix milliseconds. None when it says nothing: 0 is a time that was never set."""
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or not 0 < timestamp <= LAST_MILLISECOND:
        return None
    return timestamp if timestamp >= FIRST_MILLISECONDS else timestamp * 1000
