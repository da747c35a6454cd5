"""The caller's API keys."""

from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import current_actor, get_current_user_id
from backend.api.http.idempotency import Work, idempotent_secret
from backend.api.http.operation import operation
from backend.container import current_services, in_transaction
from backend.errors import ErrorCode
from backend.schemas.api_key import KeyIn, KeyOut, KeysOut, NewKeyOut, RotationIn
from backend.schemas.base import PageQuery
from backend.services.api_keys import keys as api_keys
from backend.services.api_keys.keys import ApiKey, MintedKey
from backend.services.idempotency import ApiResponse

blueprint = Blueprint("api_keys", __name__)


@blueprint.post("")
@operation(NewKeyOut, HTTPStatus.CREATED, refuses=[ErrorCode.QUOTA_EXCEEDED])
@idempotent_secret
def create_key(body: KeyIn) -> Work:
    """Make a key. Its text is in this answer and nowhere else."""
    actor, user_id, minted = current_actor(), get_current_user_id(), _mint()

    def work(connection: Connection) -> ApiResponse:
        made = api_keys.create_key(
            connection, actor, user_id, minted, body.name, body.scopes, body.expires_at
        )
        return _created(made, minted)

    return work


@blueprint.get("")
@operation(KeysOut)
def list_keys(query: PageQuery) -> KeysOut:
    """One page of the caller's keys, newest first, with those that have ended."""
    user_id, before = get_current_user_id(), int(query.cursor or api_keys.NEWEST)
    # One more than asked for tells whether there is another page.
    found = in_transaction(
        lambda connection: api_keys.list_keys(connection, user_id, before=before, limit=query.limit + 1)
    )
    page = found[: query.limit]
    cursor = str(page[-1].key_id) if len(found) > len(page) else None
    return KeysOut(keys=[KeyOut.of(key) for key in page], next_cursor=cursor)


@blueprint.get("/<id:key_id>")
@operation(KeyOut)
def get_key(key_id: int) -> KeyOut:
    """One key of the caller."""
    user_id = get_current_user_id()
    return KeyOut.of(in_transaction(lambda connection: api_keys.find_key(connection, key_id, owner=user_id)))


@blueprint.post("/<id:key_id>/rotate")
@operation(NewKeyOut, HTTPStatus.CREATED, refuses=[ErrorCode.QUOTA_EXCEEDED])
@idempotent_secret
def rotate_key(key_id: int, body: RotationIn) -> Work:
    """Replace a key. The old one works on during the overlap."""
    actor, user_id, minted = current_actor(), get_current_user_id(), _mint()

    def work(connection: Connection) -> ApiResponse:
        made = api_keys.rotate_key(
            connection,
            actor,
            key_id,
            minted,
            owner=user_id,
            overlap=timedelta(seconds=body.overlap_seconds),
            expires_at=body.expires_at,
        )
        return _created(made, minted)

    return work


@blueprint.delete("/<id:key_id>")
@operation()
def revoke_key(key_id: int) -> None:
    """End a key for good."""
    actor, user_id = current_actor(), get_current_user_id()
    in_transaction(lambda connection: api_keys.revoke_key(connection, actor, key_id, owner=user_id))


def _mint() -> MintedKey:
    return MintedKey.of(current_services().key_form)


def _created(key: ApiKey, minted: MintedKey) -> ApiResponse:
    body = NewKeyOut.with_secret(key, minted.key).model_dump_json()
    return ApiResponse(HTTPStatus.CREATED, body, url_for("api_keys.get_key", key_id=key.key_id))
