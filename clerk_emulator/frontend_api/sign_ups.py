"""`/v1/client/sign_ups`."""

import json
from typing import Any, Literal

from flask import Blueprint, Response
from werkzeug.security import generate_password_hash

from clerk_emulator import passwords, sign_ups
from clerk_emulator.context import begin_change
from clerk_emulator.fields import EmailAddress, ShortText, Username
from clerk_emulator.frontend_api.answers import answer_change
from clerk_emulator.frontend_api.forms import Form, FormMetadata, NotEmulated, Password, VerificationForm, read_form
from clerk_emulator.frontend_api.identity import require_client
from clerk_emulator.frontend_api.payloads import sign_up_payload

blueprint = Blueprint("sign_ups", __name__, url_prefix="/client/sign_ups")


_NOT_COLUMNS = {"password", "unsafe_metadata", "strategy", "phone_number", "web3_wallet", "transfer"}


class SignUpForm(Form):
    strategy: Literal["password", "email_code"] | None = None
    phone_number: NotEmulated = None
    web3_wallet: NotEmulated = None
    transfer: NotEmulated = None
    email_address: EmailAddress | None = None
    username: Username | None = None
    first_name: ShortText | None = None
    last_name: ShortText | None = None
    locale: ShortText | None = None
    password: Password | None = None
    unsafe_metadata: FormMetadata | None = None

    def columns(self) -> dict[str, Any]:
        """Give what was sent as columns of the sign_ups table; hashes a password, so call it before the transaction."""
        columns = self.model_dump(exclude_unset=True, exclude=_NOT_COLUMNS)
        if self.unsafe_metadata is not None:
            columns["unsafe_metadata"] = json.dumps(self.unsafe_metadata)
        if self.password is not None:
            passwords.refuse_weak(self.password)
            columns["password_hash"] = generate_password_hash(self.password)
        return columns


@blueprint.post("")
def create_sign_up() -> Response:
    columns = read_form(SignUpForm).columns()
    with begin_change() as change:
        client = require_client(change.db)
        sign_up = sign_ups.create(change, client, columns)
        return answer_change(change, sign_up_payload(change.db, sign_up), client["id"])


@blueprint.get("/<sign_up_id>")
def get_sign_up(sign_up_id: str) -> Response:
    with begin_change() as change:
        sign_up = sign_ups.find(change.db, require_client(change.db), sign_up_id)
        return answer_change(change, sign_up_payload(change.db, sign_up))


@blueprint.patch("/<sign_up_id>")
def update_sign_up(sign_up_id: str) -> Response:
    columns = read_form(SignUpForm).columns()
    with begin_change() as change:
        client = require_client(change.db)
        sign_up = sign_ups.find_open(change.db, client, sign_up_id)
        sign_up = sign_ups.update(change, client, sign_up, columns)
        return answer_change(change, sign_up_payload(change.db, sign_up), client["id"])


@blueprint.post("/<sign_up_id>/prepare_verification")
def prepare_verification(sign_up_id: str) -> Response:
    with begin_change() as change:
        client = require_client(change.db)
        sign_up = sign_ups.find_open(change.db, client, sign_up_id)
        sign_ups.prepare(change, sign_up, read_form(VerificationForm).strategy)
        return answer_change(change, sign_up_payload(change.db, sign_up), client["id"])


@blueprint.post("/<sign_up_id>/attempt_verification")
def attempt_verification(sign_up_id: str) -> Response:
    form = read_form(VerificationForm)
    with begin_change() as change:
        client = require_client(change.db)
        sign_up = sign_ups.find_open(change.db, client, sign_up_id)
        refusal = sign_ups.attempt(change, client, sign_up, form.strategy, form.code or "")
        sign_up = sign_ups.find(change.db, client, sign_up_id)
        response = answer_change(change, sign_up_payload(change.db, sign_up), client["id"])
    if refusal:
        raise refusal
    return response
