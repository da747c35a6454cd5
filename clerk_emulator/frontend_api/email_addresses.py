"""`/v1/me/email_addresses`."""

from flask import Blueprint, Response

from clerk_emulator import email_addresses
from clerk_emulator.context import begin_change
from clerk_emulator.fields import EmailAddress
from clerk_emulator.frontend_api.answers import answer, answer_change
from clerk_emulator.frontend_api.forms import Form, VerificationForm, read_form
from clerk_emulator.frontend_api.identity import require_user
from clerk_emulator.frontend_api.payloads import user_payload
from clerk_emulator.payloads import email_address_payload

blueprint = Blueprint("email_addresses", __name__, url_prefix="/me/email_addresses")


class EmailAddressForm(Form):
    email_address: EmailAddress


@blueprint.get("")
def list_email_addresses() -> Response:
    with begin_change() as change:
        return answer(user_payload(change, require_user(change.db))["email_addresses"])


@blueprint.post("")
def add_email_address() -> Response:
    address = read_form(EmailAddressForm).email_address
    with begin_change() as change:
        email = email_addresses.add(change, require_user(change.db), address)
        return answer_change(change, email_address_payload(change.db, email))


@blueprint.get("/<email_address_id>")
def get_email_address(email_address_id: str) -> Response:
    with begin_change() as change:
        email = email_addresses.find(change.db, email_address_id, user_id=require_user(change.db)["id"])
        return answer(email_address_payload(change.db, email))


@blueprint.delete("/<email_address_id>")
def remove_email_address(email_address_id: str) -> Response:
    with begin_change() as change:
        user = require_user(change.db)
        email = email_addresses.find(change.db, email_address_id, user_id=user["id"])
        email_addresses.remove(change, user, email)
        return answer_change(change, {"object": "email_address", "id": email["id"], "deleted": True})


@blueprint.post("/<email_address_id>/prepare_verification")
def prepare_verification(email_address_id: str) -> Response:
    strategy = read_form(VerificationForm).strategy
    with begin_change() as change:
        user = require_user(change.db)
        email = email_addresses.find(change.db, email_address_id, user_id=user["id"])
        email_addresses.prepare(change, user, email, strategy)
        return answer_change(change, email_address_payload(change.db, email))


@blueprint.post("/<email_address_id>/attempt_verification")
def attempt_verification(email_address_id: str) -> Response:
    code = read_form(VerificationForm).code or ""
    with begin_change() as change:
        user_id = require_user(change.db)["id"]
        email = email_addresses.find(change.db, email_address_id, user_id=user_id)
        refusal = email_addresses.attempt(change, email, code)
        email = email_addresses.find(change.db, email_address_id)
        response = answer_change(change, email_address_payload(change.db, email))
    if refusal:
        raise refusal
    return response
