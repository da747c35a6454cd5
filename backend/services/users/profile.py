"""The part of a user's profile that is ours and the user's own: bio, website, links. The rest is Clerk's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, update

from backend.database.rows import columns_of, read_row
from backend.errors import AppError, ErrorCode
from backend.models import User
from backend.services.outbox.announcements import AppEvent, announce_user


class OwnProfile(NamedTuple):
    """`updated_at`: of the whole row."""

    bio: str | None
    website: str | None
    social_links: dict[str, object]
    updated_at: datetime


def change_profile(connection: Connection, user_id: int, changes: Mapping[str, Any]) -> OwnProfile:
    """Set the fields that `changes` names. `updated_at` moves only when one of them becomes another.

    Raises AppError (401) for a user who is gone.
    """
    live = select(*columns_of(User, OwnProfile)).where(User.user_id == user_id, User.deleted_at.is_(None))
    row = connection.execute(live.with_for_update(key_share=True)).first()
    if row is None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
    old = read_row(OwnProfile, row)
    new = old._replace(**changes)
    if new == old:
        return old
    written = update(User).where(User.user_id == user_id)
    written = written.values(new._asdict() | {"updated_at": func.now()})
    changed = new._replace(updated_at=connection.execute(written.returning(User.updated_at)).scalar_one())
    announce_user(connection, AppEvent.USER_UPDATED, user_id)
    return changed
