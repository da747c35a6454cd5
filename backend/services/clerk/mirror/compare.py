"""Where our copy differs from what Clerk says."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from backend.database.statements import Statement
from backend.models.clerk_object import CLERK_TABLES, LOOKED_FOR
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.mirror.objects import read_object
from backend.services.clerk.mirror.projection import OWNED_BY_CLERK, TYPES, to_rows
from backend.services.clerk.payloads import MAX_AHEAD, ClerkObject, ClerkUser, Unprocessable, read_user

HOW = ("missing", "stale", "diverged")


class Differences(NamedTuple):
    """`how`: by id, one of HOW. `unusable`: objects that cannot be compared, with the reason."""

    how: dict[str, str]
    unusable: dict[str, str]

    @property
    def ids(self) -> list[str]:
        return list(self.how)


def compare(connection: Connection, kind: Kind, objects: Sequence[dict[str, Any]], as_of: int) -> Differences:
    """What is missing (also what was deleted here), stale (ours is older) or diverged (of one time, and other in what
    people look for or we decide by). Newer state here is no difference. `as_of`: as in apply_page().
    """
    told: list[ClerkObject] = []
    users: list[ClerkUser] = []
    unusable: dict[str, str] = {}
    members = MEMBERS[kind.name]
    for whole in objects:
        each = {name: value for name, value in whole.items() if name in members}
        try:
            if kind.name == "users":
                users.append(read_user(each, as_of))
                told.append(users[-1].object)
            else:
                told.append(read_object(each, as_of))
        except Unprocessable as error:
            unusable[str(each["id"])] = str(error)
    found = STATEMENTS[kind.name].run(
        connection,
        ids=[each.id for each in told],
        data=[each.json for each in told],
        # An object without a time of its own is as old as ours.
        times=[None if each.data.get("updated_at") is None else each.updated_at for each in told],
        max_ahead=MAX_AHEAD,
        **({"users": to_rows(user.columns for user in users)} if kind.name == "users" else {}),
    )
    return Differences({row.id: row.how for row in found}, unusable)


# Nobody holds a verified address twice: who has it unverified because another live user has it is as we decided.
_USER_IS_GONE = "p.user_id IS NULL OR p.deleted_at IS NOT NULL"
_AS_DECIDED = """
g.email_verified AND NOT p.email_verified AND EXISTS (
    SELECT FROM users r
    WHERE lower(r.email) = lower(g.email) AND r.email_verified AND r.deleted_at IS NULL AND r.user_id <> p.user_id
)
"""
_COMPARED = [name for name in OWNED_BY_CLERK if name != "email_verified"]
_USER_DIFFERS = f"""
({", ".join(f"p.{name}" for name in _COMPARED)}) IS DISTINCT FROM ({", ".join(f"g.{name}" for name in _COMPARED)})
OR (p.email_verified <> g.email_verified AND NOT ({_AS_DECIDED}))
"""
_USERS = f"""
LEFT JOIN jsonb_to_recordset(:users::jsonb) AS g (
    {", ".join(f"{name} {TYPES[name]}" for name in ("clerk_user_id", *OWNED_BY_CLERK))}
) ON g.clerk_user_id = o.id
LEFT JOIN users p ON p.clerk_user_id = o.id
"""


def _statement(kind: Kind) -> Statement:
    """By the expressions of the generated columns themselves."""
    table, is_user = CLERK_TABLES[kind.name], kind.name == "users"
    read = ", ".join(f"{table.c[name].computed.sqltext} AS {name}" for name in LOOKED_FOR[kind.name])  # type: ignore[union-attr]
    differs = " OR ".join(f"held.{name} IS DISTINCT FROM o.{name}" for name in LOOKED_FOR[kind.name])
    return Statement(f"""
    SELECT * FROM (
        SELECT o.id, CASE
            WHEN held.data IS NULL {f"OR {_USER_IS_GONE}" if is_user else ""} THEN 'missing'
            WHEN held.updated_at < o.updated_at OR held.updated_at > now() + :max_ahead::interval THEN 'stale'
            WHEN held.updated_at > o.updated_at THEN NULL
            WHEN {differs} {f"OR {_USER_DIFFERS}" if is_user else ""} THEN 'diverged'
        END AS how
        FROM (
            SELECT id, timestamptz 'epoch' + at * interval '1 millisecond' AS updated_at, {read}
            FROM (SELECT id, data::jsonb AS data, at
                  FROM unnest(:ids::text[], :data::text[], :times::bigint[]) AS t (id, data, at)) AS read
        ) AS o
        LEFT JOIN {kind.table} AS held ON held.id = o.id {_USERS if is_user else ""}
    ) AS compared WHERE how IS NOT NULL
    """)  # noqa: S608 - all of it is ours


def _members(kind: Kind) -> set[str]:
    """Of an object only these are compared: to send the rest would cost as much again."""
    fields = ClerkUser.model_fields.items() if kind.name == "users" else ()
    named = {each for path in LOOKED_FOR[kind.name].values() for each in re.findall(r"\$\.(\w+)", path)}
    return {"id", "updated_at"} | named | {field.alias or name for name, field in fields}


MEMBERS = {name: _members(kind) for name, kind in KINDS.items()}
STATEMENTS = {name: _statement(kind) for name, kind in KINDS.items()}
