"""The caller's API keys."""

from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint, Response, current_app, url_for
from pydantic import BaseModel

from backend.access.policies import current_actor, get_current_user_id
from backend.api.parsing import read_body, read_query
from backend.extensions import in_transaction
from backend.schemas.api_key import KeyIn, KeyOut, KeysOut, NewKeyOut, RotationIn
from backend.schemas.base import PageQuery
from backend.services import api_keys
from backend.services.api_keys import ApiKey, MintedKey

blueprint = Blueprint("api_keys", __name__)


@blueprint.post("")
def create_key() -> Response:
    """Make a key. Its text is in this answer and nowhere else."""
    wanted = read_body(KeyIn)
    actor, user_id, minted = current_actor(), get_current_user_id(), _mint()
    key = in_transaction(
        lambda connection: api_keys.create_key(
            connection, actor, user_id, minted, wanted.name, wanted.scopes, wanted.expires_at
        )
    )
    return _created(key, minted)


@blueprint.get("")
def list_keys() -> Response:
    """One page of the caller's keys, newest first, with those that have ended."""
    query, user_id = read_query(PageQuery), get_current_user_id()
    before = int(query.cursor or api_keys.NEWEST)
    # One more than asked for tells whether there is another page.
    found = in_transaction(
        lambda connection: api_keys.list_keys(connection, user_id, before=before, limit=query.limit + 1)
    )
    page = found[: query.limit]
    cursor = str(page[-1].key_id) if len(found) > len(page) else None
    return _json(KeysOut(keys=[KeyOut.of(key) for key in page], next_cursor=cursor))


@blueprint.get("/<id:key_id>")
def get_key(key_id: int) -> Response:
    """One key of the caller."""
    user_id = get_current_user_id()
    return _json(
        KeyOut.of(in_transaction(lambda connection: api_keys.find_key(connection, key_id, owner=user_id)))
    )


@blueprint.post("/<id:key_id>/rotate")
def rotate_key(key_id: int) -> Response:
    """Replace a key. The old one works on during the overlap."""
    wanted = read_body(RotationIn)
    actor, user_id, minted = current_actor(), get_current_user_id(), _mint()
    key = in_transaction(
        lambda connection: api_keys.rotate_key(
            connection,
            actor,
            key_id,
            minted,
            owner=user_id,
            overlap=timedelta(seconds=wanted.overlap_seconds),
            expires_at=wanted.expires_at,
        )
    )
    return _created(key, minted)


@blueprint.delete("/<id:key_id>")
def revoke_key(key_id: int) -> Response:
    """End a key for good."""
    actor, user_id = current_actor(), get_current_user_id()
    in_transaction(lambda connection: api_keys.revoke_key(connection, actor, key_id, owner=user_id))
    return Response(status=HTTPStatus.NO_CONTENT)


def _mint() -> MintedKey:
    return MintedKey.of(current_app.extensions["api_keys"])


def _created(key: ApiKey, minted: MintedKey) -> Response:
    response = _json(NewKeyOut.with_secret(key, minted.key), HTTPStatus.CREATED)
    response.headers["Location"] = url_for("api_keys.get_key", key_id=key.key_id)
    return response


def _json(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(body.model_dump_json(), status, content_type="application/json")
