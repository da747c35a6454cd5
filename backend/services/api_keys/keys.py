"""API keys of users: making, listing, rotating, revoking them, and noting their use."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from sqlalchemy import Boolean, Connection, func, insert, literal_column, select, text, update

from backend import models
from backend.database.rows import read_row
from backend.errors import AppError, ErrorCode
from backend.models.api_key import IS_USABLE
from backend.models.base import LAST_ID
from backend.resources import API_KEYS
from backend.services.api_keys.form import LAST, KeyForm
from backend.services.audit import Action, Actor, record
from backend.services.plans.quotas import check_quota, keep_newest
from backend.services.users.accounts import lock_owner

NEWEST = LAST_ID  # a cursor before the newest key
LONGEST_LIFE = timedelta(days=3_653)  # ten years, with up to three leap days


class ApiKey(NamedTuple):
    """A key as its owner may see it."""

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


USABLE = literal_column(IS_USABLE, Boolean)
COLUMNS = [*(models.ApiKey.__table__.c[name] for name in ApiKey._fields[:-1]), USABLE.label("is_usable")]

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
    check_quota(connection, user_id, API_KEYS)
    values = {"user_id": user_id, "name": name, "scopes": list(scopes), "expires_at": expires_at}
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
        check_quota(connection, user_id, API_KEYS)
    end: object = expires_at
    if end is None and old.expires_at is not None:
        end = func.now() + (old.expires_at - old.created_at)
    values = {"user_id": user_id, "name": old.name, "scopes": old.scopes, "expires_at": end}
    key = _insert(connection, minted, values)
    replaced = {"replaced_by": key.key_id, "expires_at": func.least(models.ApiKey.expires_at, func.now() + overlap)}
    connection.execute(update(models.ApiKey).where(models.ApiKey.key_id == key_id).values(replaced))
    record(
        connection,
        actor,
        Action.API_KEY_ROTATED,
        user_id,
        **_noted(key),
        replaced_key_id=key_id,
        replaced_last_four=old.last_four,
    )
    keep_newest(connection, user_id, API_KEYS)
    return key


def revoke_key(connection: Connection, actor: Actor, key_id: int, *, owner: int | None) -> None:
    """End a key for good; one that was revoked before stays so. Raises AppError (404)."""
    key = find_key(connection, key_id, owner=owner)
    unrevoked = (models.ApiKey.key_id == key_id) & models.ApiKey.revoked_at.is_(None)
    revoked = update(models.ApiKey).where(unrevoked).values(revoked_at=func.now())
    if connection.execute(revoked).rowcount:
        record(connection, actor, Action.API_KEY_REVOKED, key.user_id, **_noted(key))
        keep_newest(connection, key.user_id, API_KEYS)


def find_key(connection: Connection, key_id: int, *, owner: int | None) -> ApiKey:
    """Raises AppError (404): the same for the key of another user as for none."""
    found = select(*COLUMNS).where(models.ApiKey.key_id == key_id)
    if owner is not None:
        found = found.where(models.ApiKey.user_id == owner)
    row = connection.execute(found).first()
    if row is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such API key: the list shows which there are.")
    return read_row(ApiKey, row)


def list_keys(connection: Connection, user_id: int, *, before: int = NEWEST, limit: int | None = None) -> list[ApiKey]:
    """The user's keys with an id below `before`, newest first, also those that have ended."""
    older = (models.ApiKey.user_id == user_id) & (models.ApiKey.key_id < before)
    found = select(*COLUMNS).where(older).order_by(models.ApiKey.key_id.desc()).limit(limit)
    return [read_row(ApiKey, row) for row in connection.execute(found)]


def note_use(connection: Connection, key_id: int) -> None:
    """Note that a key was used, at most once a minute. Raises OperationalError rather than wait for a lock."""
    connection.execute(NOTE_USE, {"key_id": key_id})


def _check_expiry(expires_at: datetime | None) -> None:
    """Here and not where the body is read: a request that comes again gets its response also when that time is over."""
    now = datetime.now(UTC)
    if expires_at is not None and not now < expires_at <= now + LONGEST_LIFE:
        errors = [{"path": "expires_at", "message": "must lie in the future, at most ten years ahead"}]
        raise AppError(ErrorCode.VALIDATION, "The key would not live.", members={"errors": errors})


def _insert(connection: Connection, minted: MintedKey, values: dict[str, object]) -> ApiKey:
    stored = {"prefix": minted.prefix, "last_four": minted.last_four, "key_hash": minted.key_hash}
    inserted = insert(models.ApiKey).values(values | stored).returning(*COLUMNS)
    return read_row(ApiKey, connection.execute(inserted).one())


def _noted(key: ApiKey) -> dict[str, object]:
    """What the audit trail tells of a key."""
    return {"key_id": key.key_id, "last_four": key.last_four, "scopes": key.scopes}
