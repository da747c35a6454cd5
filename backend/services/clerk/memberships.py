"""Memberships of organizations, as our copy has them."""

from datetime import datetime
from typing import NamedTuple

from backend.database.prepared_reads import PreparedRead


class Membership(NamedTuple):
    """What a user is in an organization. `permissions`: full names, Clerk's own too. `updated_at`: by Clerk's clock."""

    role: str | None
    updated_at: datetime
    permissions: list[str]


# $1: Clerk user id, $2: Clerk organization id. What was deleted has neither. Whoever left and came back has a new
# membership, maybe before we hear that the old one is gone.
FIND_MEMBERSHIP: PreparedRead[Membership] = PreparedRead(
    """
    SELECT role, updated_at,
           jsonb_path_query_array(data, 'strict $.permissions[*] ? (@.type() == "string")', '{}', true) AS permissions
    FROM clerk.organization_memberships WHERE user_id = $1 AND organization_id = $2
    ORDER BY updated_at DESC, id DESC LIMIT 1
    """,
    Membership,
)
