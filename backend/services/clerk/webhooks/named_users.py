"""Whom and what a kept event names, whatever its form: `user.merged` is in no specification."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from backend.models import User

# Clerk deletes who was merged: whom what belonged to them goes to is still to be told.
MERGED = "user.merged"
CLERK_USER_ID = re.compile("user_[A-Za-z0-9_]{1,250}")
# Clerk's ids. `external_id` is none, and may be an address.
_IS_ID = re.compile(r"(?!external_id$)([a-z_]+_)?ids?")
_ID = re.compile(r"[a-z]+_[A-Za-z0-9_]{1,100}")


class NamedUser(NamedTuple):
    """`user_id`: None for somebody who never came here."""

    clerk_user_id: str
    user_id: int | None
    is_deleted: bool


def find_ids(payload: str) -> list[tuple[str, str]]:
    """Clerk's ids in the body of an event, as they come, each with the way to it, as `data.user.id`: members that are
    named as ids, and those of users whatever they are called. They say whom it is about, no more.

    Empty where the body cannot be read.
    """
    try:
        return list(_walk(json.loads(payload), ""))
    except (ValueError, RecursionError):
        return []


def find_user_ids(payload: str) -> list[str]:
    """The Clerk ids of users in it, each once, as they come."""
    return list(dict.fromkeys(each for _, each in find_ids(payload) if CLERK_USER_ID.fullmatch(each)))


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


def _walk(value: object, name: str, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for member, inner in value.items():
            yield from _walk(inner, member, f"{path}.{member}" if path else member)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, name, f"{path}.{number}")
    elif isinstance(value, str) and (
        CLERK_USER_ID.fullmatch(value) or (_IS_ID.fullmatch(name) and _ID.fullmatch(value))
    ):
        yield path, value
