"""The part of a user's profile that is ours and the user's own: bio, website, links. The rest is Clerk's."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from backend.errors import AppError, ErrorCode


class OwnProfile(NamedTuple):
    """The fields are the columns of LOCK, in order."""

    bio: str | None
    website: str | None
    social_links: dict[str, object]
    updated_at: datetime


LOCK = text("""
SELECT bio, website, social_links, updated_at FROM users
WHERE user_id = :user_id AND deleted_at IS NULL
FOR NO KEY UPDATE
""")
CHANGE = text("""
UPDATE users
SET bio = :bio, website = :website, social_links = CAST(:social_links AS jsonb), updated_at = now()
WHERE user_id = :user_id
RETURNING updated_at
""")


def change_profile(connection: Connection, user_id: int, changes: Mapping[str, Any]) -> OwnProfile:
    """Set the fields that `changes` names. `updated_at` moves only when one of them becomes another.

    Raises AppError (401) for a user who is gone.
    """
    row = connection.execute(LOCK, {"user_id": user_id}).first()
    if row is None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
    old = OwnProfile._make(row)
    new = old._replace(**changes)
    if new == old:
        return old
    values = new._asdict() | {"social_links": json.dumps(new.social_links), "user_id": user_id}
    return new._replace(updated_at=connection.execute(CHANGE, values).scalar_one())
