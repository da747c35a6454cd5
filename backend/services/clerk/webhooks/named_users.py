"""Which users a kept event names, whatever its form: `user.merged` is in no specification."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from backend.models import User

# Clerk deletes who was merged: whom what belonged to them goes to is still to be told.
MERGED = "user.merged"
CLERK_USER_ID = re.compile("user_[A-Za-z0-9_]{1,250}")


class NamedUser(NamedTuple):
    """`user_id`: None for somebody who never came here."""

    clerk_user_id: str
    user_id: int | None
    is_deleted: bool


def find_user_ids(payload: str) -> list[str]:
    """The Clerk ids of users that are values in the payload, each once, as they come; none where it is no JSON."""
    try:
        texts = list(_texts(json.loads(payload)))
    except (ValueError, RecursionError):
        return []
    return list(dict.fromkeys(text for text in texts if CLERK_USER_ID.fullmatch(text)))


def without_all_but_ids(payload: str) -> str:
    """What may stay of a payload that is about a deleted user."""
    return json.dumps({"data": find_user_ids(payload)})


def read_named_users(connection: Connection, payload: str) -> list[NamedUser]:
    """The users that the payload names, with what is known of them here."""
    ids = find_user_ids(payload)
    known = select(User.clerk_user_id, User.user_id, User.deleted_at).where(User.clerk_user_id.in_(ids))
    rows = {row.clerk_user_id: row for row in connection.execute(known)}
    return [
        NamedUser(each, rows[each].user_id, rows[each].deleted_at is not None)
        if each in rows
        else NamedUser(each, None, is_deleted=False)
        for each in ids
    ]


def _texts(told: object) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    for part in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        yield from _texts(part)
