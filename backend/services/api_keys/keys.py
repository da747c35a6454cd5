"""API keys of users: making, listing, rotating, revoking them, and noting their use."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from sqlalchemy import Connection, text

from backend.errors import AppError, ErrorCode
from backend.models.api_key import IS_USABLE
from backend.models.base import LAST_ID
from backend.services.api_keys.form import LAST, KeyForm
from backend.services.audit import Action, Actor, record
from backend.services.plans.catalogue import PLANS
from backend.services.plans.quotas import quota_exceeded
from backend.services.plans.renewal import read_plan
from backend.services.users.accounts import lock_owner

NEWEST = LAST_ID  # a cursor before the newest key
LONGEST_LIFE = timedelta(days=3_653)  # ten years, with up to three leap days


class ApiKey(NamedTuple):
    """A key as its owner may see it. The fields are the columns of KEY, in order."""

    key_id: int
    user_id: int
    name: str
    prefix: str
    last_four: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: int | None
    is_usable: bool


class MintedKey(NamedTuple):
    """A key that nobody else has seen yet, and what is stored of it."""

    key: str
    prefix: str
    last_four: str
    key_hash: str

    @classmethod
    def of(cls, form: KeyForm) -> Self:
        key = form.generate()
        return cls(key, form.prefix, key[-LAST:], form.digest(key))


KEY = f"""
key_id, user_id, name, prefix, last_four, scopes, created_at, expires_at, revoked_at, last_used_at, replaced_by,
{IS_USABLE}
"""
# All of the SQL below is ours; values are parameters.
FIND = text(f"SELECT {KEY} FROM api_keys WHERE key_id = :key_id AND user_id = coalesce(:owner, user_id)")  # noqa: S608
LIST = text(f"""
SELECT {KEY} FROM api_keys WHERE user_id = :user_id AND key_id < :before ORDER BY key_id DESC LIMIT :limit
""")  # noqa: S608
COUNT_USABLE = text(f"SELECT count(*) FROM api_keys WHERE user_id = :user_id AND {IS_USABLE}")  # noqa: S608
INSERT = text(f"""
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, expires_at)
VALUES (:user_id, :name, :prefix, :last_four, :key_hash, CAST(:scopes AS text[]),
        coalesce(CAST(:expires_at AS timestamptz), now() + CAST(:life AS interval)))
RETURNING {KEY}
""")  # noqa: S608
END_AFTER = text("""
UPDATE api_keys SET expires_at = least(expires_at, now() + CAST(:overlap AS interval)) WHERE key_id = :key_id
""")
NOTE_REPLACEMENT = text("UPDATE api_keys SET replaced_by = :replaced_by WHERE key_id = :key_id")
REVOKE = text(
    "UPDATE api_keys SET revoked_at = now() WHERE key_id = :key_id AND revoked_at IS NULL RETURNING 1"
)

# A request waits neither for another one of the same key that is noting its use (SKIP LOCKED), nor for a migration
# that locks the table against writing (NOWAIT).
NOTE_USE = text("""
LOCK TABLE api_keys IN ROW EXCLUSIVE MODE NOWAIT;
UPDATE api_keys SET last_used_at = now()
WHERE key_id = (
    SELECT key_id FROM api_keys
    WHERE key_id = :key_id AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    FOR NO KEY UPDATE SKIP LOCKED
)
""")


def create_key(
    connection: Connection,
    actor: Actor,
    user_id: int,
    minted: MintedKey,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> ApiKey:
    """Store a new key of a user.

    Raises AppError: 401 for a user who is gone, 402 for one who has enough, 422 for a time that is over.
    """
    lock_owner(connection, user_id)
    _check_expiry(expires_at)
    _check_room(connection, user_id)
    values = {
        "user_id": user_id,
        "name": name,
        "scopes": list(scopes),
        "expires_at": expires_at,
        "life": None,
    }
    key = _insert(connection, minted, values)
    record(connection, actor, Action.API_KEY_CREATED, user_id, **_noted(key))
    return key


def rotate_key(
    connection: Connection,
    actor: Actor,
    key_id: int,
    minted: MintedKey,
    *,
    owner: int | None,
    overlap: timedelta,
    expires_at: datetime | None,
) -> ApiKey:
    """Store a new key of the same name and scopes; the old one ends after the overlap, if not sooner.

    `owner`: the user it must belong to; None for an operator, who may rotate any. Without `expires_at` the new key
    lives as long as the old one was to live. Raises AppError: 404 for no such key, 409 for one that has ended, 402.
    """
    user_id = find_key(connection, key_id, owner=owner).user_id
    lock_owner(connection, user_id)
    old = find_key(connection, key_id, owner=user_id)
    if old.replaced_by is not None:
        # Its end is not the one it was made with any more; and of two rotations at once one is enough.
        raise AppError(ErrorCode.CONFLICT, f"This API key was rotated already: see key {old.replaced_by}.")
    if not old.is_usable:
        raise AppError(ErrorCode.CONFLICT, "This API key was revoked or has expired. Make a new one.")
    _check_expiry(expires_at)
    # Without overlap one goes and one comes: also who has more than the plan allows can replace a leaked key.
    if overlap:
        _check_room(connection, user_id)
    connection.execute(END_AFTER, {"key_id": key_id, "overlap": overlap})
    values = {
        "user_id": user_id,
        "name": old.name,
        "scopes": old.scopes,
        "expires_at": expires_at,
        "life": old.expires_at and old.expires_at - old.created_at,
    }
    key = _insert(connection, minted, values)
    connection.execute(NOTE_REPLACEMENT, {"key_id": key_id, "replaced_by": key.key_id})
    record(
        connection,
        actor,
        Action.API_KEY_ROTATED,
        user_id,
        **_noted(key),
        replaced_key_id=key_id,
        replaced_last_four=old.last_four,
    )
    return key


def revoke_key(connection: Connection, actor: Actor, key_id: int, *, owner: int | None) -> None:
    """End a key for good; one that was revoked before stays so. Raises AppError (404)."""
    key = find_key(connection, key_id, owner=owner)
    if connection.execute(REVOKE, {"key_id": key_id}).first() is not None:
        record(connection, actor, Action.API_KEY_REVOKED, key.user_id, **_noted(key))


def find_key(connection: Connection, key_id: int, *, owner: int | None) -> ApiKey:
    """Raises AppError (404): the same for the key of another user as for none."""
    row = connection.execute(FIND, {"key_id": key_id, "owner": owner}).first()
    if row is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such API key: the list shows which there are.")
    return ApiKey._make(row)


def list_keys(
    connection: Connection, user_id: int, *, before: int = NEWEST, limit: int | None = None
) -> list[ApiKey]:
    """The user's keys with an id below `before`, newest first, also those that have ended."""
    rows = connection.execute(LIST, {"user_id": user_id, "before": before, "limit": limit})
    return [ApiKey._make(row) for row in rows]


def note_use(connection: Connection, key_id: int) -> None:
    """Note that a key was used, at most once a minute. Raises OperationalError rather than wait for a lock."""
    connection.execute(NOTE_USE, {"key_id": key_id})


def _check_expiry(expires_at: datetime | None) -> None:
    """Here and not where the body is read: a request that comes again is to get its answer also when that time is over."""
    now = datetime.now(UTC)
    if expires_at is not None and not now < expires_at <= now + LONGEST_LIFE:
        errors = [{"path": "expires_at", "message": "must lie in the future, at most ten years ahead"}]
        raise AppError(ErrorCode.VALIDATION, "The key would not live.", members={"errors": errors})


def _check_room(connection: Connection, user_id: int) -> None:
    plan = read_plan(connection, user_id)
    limit = PLANS[plan].api_keys
    used = connection.execute(COUNT_USABLE, {"user_id": user_id}).scalar_one()
    # A script that makes keys in a loop stops here, on any plan (OWASP API6).
    if used >= limit:
        raise quota_exceeded(
            f"The plan {plan} has at most {limit} usable API keys. Revoke one, or rotate one without overlap.",
            limit=limit,
            used=used,
        )


def _insert(connection: Connection, minted: MintedKey, values: dict[str, object]) -> ApiKey:
    stored = {"prefix": minted.prefix, "last_four": minted.last_four, "key_hash": minted.key_hash}
    return ApiKey._make(connection.execute(INSERT, values | stored).one())


def _noted(key: ApiKey) -> dict[str, object]:
    """What the audit trail tells of a key."""
    return {"key_id": key.key_id, "last_four": key.last_four, "scopes": key.scopes}
