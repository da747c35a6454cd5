"""Writing objects into the copy: the one place that decides what is newer.

Newest wins by Clerk's own time, whatever the order of arrival, and a delete is final. So it is for what belongs to a
user or an organization that was deleted.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from backend.database.statements import Statement
from backend.services.clerk.billing_payloads import OVER, STAGES
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.payloads import MAX_AHEAD, ClerkObject, Identifier, Past, Payload, read_payload
from backend.services.outbox.announcements import AppEvent, announce_memberships

MEMBERSHIPS = "organization_memberships"
# What goes with what is deleted: the column that leads there.
MEMBERSHIPS_OF = {MEMBERSHIPS: "id", "users": "user_id", "organizations": "organization_id"}


class Ties(StrEnum):
    """What counts of two states with the same time of Clerk's.

    What tells of a creation loses: Clerk may send it with the time of an update, in any order. An update and a list win
    where they differ, so that what comes again, or the other way too, changes nothing. A repair wins.
    """

    LOSE = "lose"
    WIN = "win"
    WIN_WHERE_OTHER = "win where other"


class _Object(Payload):
    id: Identifier
    updated_at: Past | None = None


def read_object(data: dict[str, Any], as_of: int) -> ClerkObject:
    """`as_of`: when Clerk said it; that is its time where it names none. Raises Unprocessable."""
    read = read_payload(_Object, data, as_of)
    return ClerkObject.of(read.id, as_of if read.updated_at is None else read.updated_at, data)


def write_objects(
    connection: Connection, kind: Kind, objects: Collection[ClerkObject], source: str, ties: Ties
) -> frozenset[str]:
    """Write what is newer than the copy, each id at most once; return those ids.

    The caller holds the lock of whom the objects belong to.
    """
    if not objects:
        return frozenset()
    written = UPSERTS[kind.name].run(connection, **parameters(kind, objects, source, ties)).all()
    if kind.name == MEMBERSHIPS:
        created = [row.id for row in written if row.is_created]
        announce_memberships(connection, AppEvent.MEMBERSHIP_CREATED, "id", created)
        updated = [row.id for row in written if not row.is_created]
        announce_memberships(connection, AppEvent.MEMBERSHIP_UPDATED, "id", updated)
    return frozenset(row.id for row in written)


def parameters(kind: Kind, objects: Iterable[ClerkObject], source: str, ties: Ties) -> dict[str, object]:
    """The values of an upsert."""
    objects = list(objects)
    return {
        "ids": [each.id for each in objects],
        "data": [each.json for each in objects],
        "times": [each.updated_at for each in objects],
        "users": [kind.owner_of(each.data) for each in objects],
        "organizations": [kind.organization_of(each.data) for each in objects],
        "source": source,
        "ties": ties.value,
        "max_ahead": MAX_AHEAD,
    }


def delete_objects(connection: Connection, kind: Kind, ids: Collection[str], source: str) -> frozenset[str]:
    """Make tombstones, also of what was never seen, and of all that belongs to it; return what had none before."""
    if kind.name == "users":
        ADDRESSED.run(connection, ids=list(ids), source=source)
    if whose := MEMBERSHIPS_OF.get(kind.name):
        announce_memberships(connection, AppEvent.MEMBERSHIP_DELETED, whose, ids)
    deleted = frozenset(DELETES[kind.name].run(connection, ids=list(ids), source=source).scalars())
    if deleted and kind.name in BELONGINGS:
        BELONGINGS[kind.name].run(connection, ids=list(deleted), source=source)
    return deleted


_AT = "timestamptz 'epoch' + o.updated_at * interval '1 millisecond'"
_STAGES = ", ".join(f"'{stage}'" for stage in STAGES)
# Of two states of one millisecond that events tell: of an item the later stage counts, then the larger plan and the
# longer period; of two lists one that is over, then whichever is the larger. The order of arrival changes none of that.
_RANK = f"""
(array_position(ARRAY[{_STAGES}], {{0}}.status), coalesce({{0}}.plan, ''),
 coalesce(({{0}}.data ->> 'period_start')::numeric, 0), ({{0}}.data ->> 'period_end') IS NULL,
 coalesce(({{0}}.data ->> 'period_end')::numeric, 0))
"""
_LIST_RANK = f"({{0}}.status IN ({', '.join(repr(stage) for stage in sorted(OVER))}), {{0}}.data -> 'items')"
_TIES = {
    "subscriptions": f"(:ties = 'win' OR {_LIST_RANK.format('excluded')} > {_LIST_RANK.format('held')})",
    "subscription_items": f"(:ties = 'win' OR {_RANK.format('excluded')} > {_RANK.format('held')})",
}
_TIE = "(:ties = 'win' OR (:ties = 'win where other' AND held.data IS DISTINCT FROM excluded.data))"
# Scalar subqueries, not NOT EXISTS: that would be planned as a join, which reads whole tables while they are small, and
# a prepared plan stays as they grow.
_HAS_LIVE_USER = "coalesce((SELECT deleted_at IS NULL FROM users WHERE clerk_user_id = o.user_id), true)"
_HAS_LIVE_ORGANIZATION = (
    "coalesce((SELECT deleted_at IS NULL FROM clerk.organizations WHERE id = o.organization_id), true)"
)
# The row of a user tells, too: an older release wrote only that.
_IS_NOT_KNOWN_BETTER = f"""
coalesce((
    SELECT p.deleted_at IS NULL AND (
        p.clerk_updated_at IS NULL OR p.clerk_updated_at < {_AT} OR p.clerk_updated_at > now() + :max_ahead::interval
        OR (p.clerk_updated_at = {_AT} AND :ties <> 'lose')
    ) FROM users p WHERE p.clerk_user_id = o.id
), true)
"""  # noqa: S608 - all of it is ours


def _upsert(kind: Kind) -> Statement:
    """A time that lies ahead says nothing: no state may keep later ones away for ever."""
    conditions = []
    if kind.name == "users":
        conditions.append(_IS_NOT_KNOWN_BETTER)
    if kind.user_id:
        conditions.append(_HAS_LIVE_USER)
    if kind.organization_id:
        conditions.append(_HAS_LIVE_ORGANIZATION)
    return Statement(f"""
    INSERT INTO {kind.table} AS held (id, data, updated_at, source)
    SELECT o.id, o.data::jsonb, {_AT}, :source::text
    FROM unnest(:ids::text[], :data::text[], :times::bigint[], :users::text[], :organizations::text[])
         AS o (id, data, updated_at, user_id, organization_id)
    WHERE {" AND ".join(conditions) or "true"}
    ON CONFLICT (id) DO UPDATE
    SET data = excluded.data, updated_at = excluded.updated_at, source = excluded.source, seen_at = now()
    WHERE held.deleted_at IS NULL AND (
        held.updated_at < excluded.updated_at OR held.updated_at > now() + :max_ahead::interval
        OR (held.updated_at = excluded.updated_at AND {_TIES.get(kind.name, _TIE)})
    )
    RETURNING id, xmax = 0 AS is_created
    """)  # noqa: S608 - all of it is ours


def _delete(kind: Kind) -> Statement:
    return Statement(f"""
    INSERT INTO {kind.table} AS held (id, updated_at, source, deleted_at)
    SELECT id, now(), :source, now() FROM unnest(:ids::text[]) AS o (id)
    ON CONFLICT (id) DO UPDATE
    SET data = NULL, updated_at = excluded.updated_at, source = excluded.source, seen_at = now(), deleted_at = now()
    WHERE held.deleted_at IS NULL
    RETURNING id
    """)  # noqa: S608 - all of it is ours


def _delete_where(condition: str, kinds: Iterable[Kind]) -> Statement:
    gone = "data = NULL, updated_at = now(), source = :source, seen_at = now(), deleted_at = now()"
    updates = (f"UPDATE {kind.table} SET {gone} WHERE {condition} AND deleted_at IS NULL" for kind in kinds)  # noqa: S608
    return Statement("; ".join(updates))


UPSERTS = {name: _upsert(kind) for name, kind in KINDS.items()}
DELETES = {name: _delete(kind) for name, kind in KINDS.items()}
BELONGINGS = {
    "users": _delete_where("user_id = ANY (:ids)", [kind for kind in KINDS.values() if kind.user_id]),
    "organizations": _delete_where(
        "organization_id = ANY (:ids)", [kind for kind in KINDS.values() if kind.organization_id]
    ),
}
# What was sent to the address of a user who is to be deleted.
ADDRESSED = _delete_where(
    "email = ANY (SELECT email FROM clerk.users WHERE id = ANY (:ids))",
    [KINDS["organization_invitations"], KINDS["waitlist_entries"]],
)
