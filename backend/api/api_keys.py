"""The caller's API keys."""

from datetime import timedelta

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import current_actor, get_current_user_id
from backend.api.http.operation import Created, operation
from backend.container import current_services
from backend.errors import ErrorCode
from backend.schemas.api_key import KeyIn, KeyOut, KeysOut, NewKeyOut, RotationIn
from backend.schemas.base import PageQuery
from backend.services.api_keys import keys
from backend.services.api_keys.keys import ApiKey, MintedKey

blueprint = Blueprint("api_keys", __name__)


@blueprint.post("")
@operation(NewKeyOut, is_idempotent=True, shows_secret=True, refuses=[ErrorCode.QUOTA_EXCEEDED])
def create_key(connection: Connection, body: KeyIn) -> Created:
    """Make a key. Its text is in this answer and nowhere else."""
    actor, user_id, minted = current_actor(), get_current_user_id(), _mint()
    made = keys.create_key(connection, actor, user_id, minted, body.name, body.scopes, body.expires_at)
    return _created(made, minted)


@blueprint.get("")
@operation(KeysOut)
def list_keys(connection: Connection, query: PageQuery) -> dict[str, object]:
    """One page of the caller's keys, newest first, with those that have ended."""
    user_id, before = get_current_user_id(), query.before or keys.NEWEST
    # One more than asked for tells whether there is another page.
    found = keys.list_keys(connection, user_id, before=before, limit=query.limit + 1)
    page = found[: query.limit]
    return {"keys": page, "next_before": page[-1].key_id if len(found) > len(page) else None}


@blueprint.get("/<id:key_id>")
@operation(KeyOut)
def get_key(connection: Connection, key_id: int) -> ApiKey:
    """One key of the caller."""
    return keys.find_key(connection, key_id, owner=get_current_user_id())


@blueprint.post("/<id:key_id>/rotate")
@operation(NewKeyOut, is_idempotent=True, shows_secret=True, refuses=[ErrorCode.QUOTA_EXCEEDED])
def rotate_key(connection: Connection, key_id: int, body: RotationIn) -> Created:
    """Replace a key. The old one works on during the overlap."""
    actor, user_id, minted = current_actor(), get_current_user_id(), _mint()
    overlap, expires_at = timedelta(seconds=body.overlap_seconds), body.expires_at
    made = keys.rotate_key(connection, actor, key_id, minted, owner=user_id, overlap=overlap, expires_at=expires_at)
    return _created(made, minted)


@blueprint.delete("/<id:key_id>")
@operation()
def revoke_key(connection: Connection, key_id: int) -> None:
    """End a key for good."""
    keys.revoke_key(connection, current_actor(), key_id, owner=get_current_user_id())


def _mint() -> MintedKey:
    return MintedKey.of(current_services().key_form)


def _created(key: ApiKey, minted: MintedKey) -> Created:
    return Created(key._asdict() | {"key": minted.key}, url_for(".get_key", key_id=key.key_id))
