"""What a reconcile has seen of the kind that it is at, in `sync_seen`: it may be done by one process after another."""

from collections.abc import Collection

from sqlalchemy import Connection, TextClause, text

from backend.database.statements import Statement
from backend.models.clerk_object import LOOKED_FOR
from backend.services.clerk.billing_payloads import OVER
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.mirror.pages import BILLING

FORGET = text("DELETE FROM sync_seen")
ADD = Statement("""
INSERT INTO sync_seen AS s (id, state)
SELECT id, CASE WHEN id = ANY (:different::text[]) THEN 'different' ELSE 'seen' END FROM unnest(:ids::text[]) AS o (id)
ON CONFLICT (id) DO UPDATE SET state = excluded.state WHERE s.state = 'seen' AND excluded.state = 'different'
RETURNING id, xmax = 0 AS is_new
""")
SELECT_DIFFERENT = Statement("SELECT id FROM sync_seen WHERE state = 'different' ORDER BY id LIMIT :limit")
SETTLE = Statement("""
UPDATE sync_seen SET state = 'seen' WHERE id = ANY (:ids::text[]) AND state <> 'seen' RETURNING id
""")


def forget(connection: Connection) -> None:
    connection.execute(FORGET)


def add(connection: Connection, ids: Collection[str], different: Collection[str]) -> frozenset[str]:
    """Note that these were listed; return those that had not been before. `different`: some of them."""
    added = ADD.run(connection, ids=sorted(ids), different=list(different))
    return frozenset(row.id for row in added if row.is_new)


def add_extra(connection: Connection, kind: Kind) -> tuple[int, int]:
    """Note what is live here and was not listed: how much is live, and how much of it that is."""
    live, added = connection.execute(ADD_EXTRA[kind.name], {"over": list(OVER)}).one()
    return live, added


def different(connection: Connection, limit: int) -> list[str]:
    return list(SELECT_DIFFERENT.run(connection, limit=limit).scalars())


def extra(connection: Connection, kind: Kind, limit: int) -> list[dict[str, str | None]]:
    """Some, with what leads to them at Clerk: id, user_id, organization_id."""
    return [dict(row) for row in connection.execute(SELECT_EXTRA[kind.name], {"limit": limit}).mappings()]


def settle(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    """Nothing is left to do for these; return those for which there was."""
    return frozenset(SETTLE.run(connection, ids=list(ids)).scalars())


def _add_extra(kind: Kind) -> TextClause:
    """Of billing only what is not over: Clerk need not list it."""
    only = "coalesce(status, '') <> ALL (:over)" if kind.name in BILLING else "CAST(:over AS text[]) IS NOT NULL"
    live = f"SELECT id FROM {kind.table} WHERE deleted_at IS NULL AND {only}"  # noqa: S608
    # Of a user of an older release, or of whom only a token is known, the copy has nothing.
    if kind.name == "users":
        live += " UNION SELECT clerk_user_id FROM users WHERE clerk_user_id IS NOT NULL AND deleted_at IS NULL"
    return text(f"""
    WITH live AS MATERIALIZED ({live}), added AS (
        INSERT INTO sync_seen (id, state)
        SELECT id, 'extra' FROM live WHERE NOT EXISTS (SELECT FROM sync_seen s WHERE s.id = live.id) RETURNING id
    )
    SELECT (SELECT count(*) FROM live), (SELECT count(*) FROM added)
    """)  # noqa: S608 - all of it is ours


def _select_extra(kind: Kind) -> TextClause:
    columns = [
        f"o.{name}" if name in LOOKED_FOR[kind.name] else f"NULL AS {name}" for name in ("user_id", "organization_id")
    ]
    return text(f"""
    SELECT s.id, {", ".join(columns)} FROM sync_seen s LEFT JOIN {kind.table} o ON o.id = s.id
    WHERE s.state = 'extra' ORDER BY s.id LIMIT :limit
    """)  # noqa: S608 - all of it is ours


ADD_EXTRA = {name: _add_extra(kind) for name, kind in KINDS.items()}
SELECT_EXTRA = {name: _select_extra(kind) for name, kind in KINDS.items()}
