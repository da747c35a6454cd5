"""`/v1/phone_numbers`."""

import sqlite3

from flask import Blueprint, Response, jsonify

from clerk_emulator import phone_numbers, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.fields import PhoneNumber
from clerk_emulator.payloads import phone_number_payload

blueprint = Blueprint("phone_numbers", __name__, url_prefix="/phone_numbers")


class PhoneNumberChangesBody(Body):
    verified: bool | None = None
    primary: bool | None = None
    reserved_for_second_factor: bool | None = None


class NewPhoneNumberBody(PhoneNumberChangesBody):
    user_id: str
    phone_number: PhoneNumber


@blueprint.post("")
def create_phone_number() -> Response:
    body = read_body(NewPhoneNumberBody)
    changes = body.model_dump(exclude={"user_id", "phone_number"}, exclude_none=True)
    with begin_change() as change:
        phone = phone_numbers.add(change, users.find(change.db, body.user_id), body.phone_number, changes)
        return _answer(change.db, phone["id"])


@blueprint.get("/<phone_number_id>")
def get_phone_number(phone_number_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _answer(db, phone_number_id)


@blueprint.patch("/<phone_number_id>")
def update_phone_number(phone_number_id: str) -> Response:
    changes = read_body(PhoneNumberChangesBody).model_dump(exclude_none=True)
    with begin_change() as change:
        phone_numbers.update(change, phone_numbers.find(change.db, phone_number_id), changes)
        return _answer(change.db, phone_number_id)


@blueprint.delete("/<phone_number_id>")
def delete_phone_number(phone_number_id: str) -> Response:
    with begin_change() as change:
        phone_numbers.remove(change, phone_numbers.find(change.db, phone_number_id))
    return jsonify(object="phone_number", id=phone_number_id, deleted=True)


def _answer(db: sqlite3.Connection, phone_number_id: str) -> Response:
    return jsonify(phone_number_payload(db, phone_numbers.find(db, phone_number_id)))
