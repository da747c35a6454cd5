"""`/v1/email_addresses`."""

import sqlite3

from flask import Blueprint, Response, jsonify

from clerk_emulator import email_addresses, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.context import Change, begin_change, current_emulator
from clerk_emulator.fields import EmailAddress
from clerk_emulator.payloads import email_address_payload

blueprint = Blueprint("email_addresses", __name__, url_prefix="/email_addresses")

_ADMIN = "admin"


class EmailAddressChangesBody(Body):
    verified: bool | None = None
    primary: bool | None = None
    # Accepted because Clerk's SDKs send it; no e-mail is sent here.
    notify_primary_email_address_changed: bool | None = None


class NewEmailAddressBody(EmailAddressChangesBody):
    user_id: str
    email_address: EmailAddress


@blueprint.post("")
def create_email_address() -> Response:
    body = read_body(NewEmailAddressBody)
    with begin_change() as change:
        user = users.find(change.db, body.user_id)
        verified_by = _ADMIN if body.verified else None
        email = email_addresses.add(change, user, body.email_address, verified_by=verified_by)
        if body.primary:
            _make_primary(change, email)
        return _answer(change.db, email["id"])


@blueprint.get("/<email_address_id>")
def get_email_address(email_address_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _answer(db, email_address_id)


@blueprint.patch("/<email_address_id>")
def update_email_address(email_address_id: str) -> Response:
    body = read_body(EmailAddressChangesBody)
    with begin_change() as change:
        email = email_addresses.find(change.db, email_address_id)
        if body.verified:
            email_addresses.confirm(change, email_address_id, _ADMIN)
        elif body.verified is False:
            email_addresses.doubt(change, email)
        if body.primary:
            _make_primary(change, email)
        return _answer(change.db, email_address_id)


@blueprint.delete("/<email_address_id>")
def delete_email_address(email_address_id: str) -> Response:
    with begin_change() as change:
        email = email_addresses.find(change.db, email_address_id)
        email_addresses.remove(change, users.find(change.db, email["user_id"]), email)
    return jsonify(object="email_address", id=email_address_id, deleted=True)


def _make_primary(change: Change, email: sqlite3.Row) -> None:
    user = users.find(change.db, email["user_id"])
    if user["primary_email_address_id"] != email["id"]:
        email_addresses.refuse_unproved(change.db, email["id"])
        users.update(change, user, {"primary_email_address_id": email["id"]})


def _answer(db: sqlite3.Connection, email_address_id: str) -> Response:
    return jsonify(email_address_payload(db, email_addresses.find(db, email_address_id)))
