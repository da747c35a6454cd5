"""`/v1/client/sign_ins`."""

from typing import Literal

from flask import Blueprint, Response

from clerk_emulator import passwords, sign_ins, tickets
from clerk_emulator.context import begin_change
from clerk_emulator.frontend_api.answers import answer_change
from clerk_emulator.frontend_api.forms import Form, Password, read_form
from clerk_emulator.frontend_api.identity import require_client
from clerk_emulator.frontend_api.payloads import sign_in_payload

blueprint = Blueprint("sign_ins", __name__, url_prefix="/client/sign_ins")


class SignInForm(Form):
    identifier: str | None = None
    strategy: Literal["password", "email_code", "reset_password_email_code", "ticket"] | None = None
    password: str | None = None
    ticket: str | None = None


class FirstFactorForm(Form):
    strategy: str
    email_address_id: str | None = None
    password: str | None = None
    code: str | None = None


class ResetPasswordForm(Form):
    password: Password
    sign_out_of_other_sessions: bool | None = None


@blueprint.post("")
def create_sign_in() -> Response:
    form = read_form(SignInForm)
    if form.ticket or form.strategy == sign_ins.TICKET:
        return _sign_in_by_ticket(form.ticket or "")
    with begin_change() as change:
        client = require_client(change.db)
        user = sign_ins.identify(change.db, form.identifier) if form.identifier else None
        sign_in = sign_ins.create(change, client, user, form.identifier)
        if user and form.strategy in {sign_ins.EMAIL_CODE, sign_ins.RESET_PASSWORD}:
            sign_ins.prepare(change, sign_in, form.strategy)
        response = answer_change(change, sign_in_payload(change, sign_in), client["id"])
    return _attempt_password(sign_in["id"], form.password) if user and form.password else response


@blueprint.get("/<sign_in_id>")
def get_sign_in(sign_in_id: str) -> Response:
    with begin_change() as change:
        sign_in = sign_ins.find(change.db, require_client(change.db), sign_in_id)
        return answer_change(change, sign_in_payload(change, sign_in))


@blueprint.post("/<sign_in_id>/prepare_first_factor")
def prepare_first_factor(sign_in_id: str) -> Response:
    form = read_form(FirstFactorForm)
    with begin_change() as change:
        client = require_client(change.db)
        sign_in = sign_ins.find(change.db, client, sign_in_id)
        sign_ins.prepare(change, sign_in, form.strategy, form.email_address_id)
        return answer_change(change, sign_in_payload(change, sign_in), client["id"])


@blueprint.post("/<sign_in_id>/attempt_first_factor")
def attempt_first_factor(sign_in_id: str) -> Response:
    form = read_form(FirstFactorForm)
    if form.strategy == sign_ins.PASSWORD:
        return _attempt_password(sign_in_id, form.password or "")
    with begin_change() as change:
        client = require_client(change.db)
        sign_in = sign_ins.find(change.db, client, sign_in_id)
        refusal = sign_ins.attempt_code(change, client, sign_in, form.strategy, form.code or "")
        sign_in = sign_ins.find(change.db, client, sign_in_id)
        response = answer_change(change, sign_in_payload(change, sign_in), client["id"])
    if refusal:
        raise refusal
    return response


@blueprint.post("/<sign_in_id>/reset_password")
def reset_password(sign_in_id: str) -> Response:
    form = read_form(ResetPasswordForm)
    passwords.refuse_weak(form.password)
    columns = passwords.user_columns(form.password)
    with begin_change() as change:
        client = require_client(change.db)
        sign_in = sign_ins.find(change.db, client, sign_in_id)
        sign_ins.reset_password(change, client, sign_in, columns, sign_out=form.sign_out_of_other_sessions is not False)
        sign_in = sign_ins.find(change.db, client, sign_in_id)
        return answer_change(change, sign_in_payload(change, sign_in), client["id"])


def _attempt_password(sign_in_id: str, password: str) -> Response:
    with begin_change() as change:
        sign_in = sign_ins.find(change.db, require_client(change.db), sign_in_id)
        user = sign_ins.require_doubtful_user(change.db, sign_in)
    passwords.refuse_wrong(user, password)
    with begin_change() as change:
        client = require_client(change.db)
        sign_in = sign_ins.find(change.db, client, sign_in_id)
        sign_ins.complete(change, client, sign_in, sign_ins.PASSWORD)
        sign_in = sign_ins.find(change.db, client, sign_in_id)
        return answer_change(change, sign_in_payload(change, sign_in), client["id"])


def _sign_in_by_ticket(token: str) -> Response:
    with begin_change() as change:
        client = require_client(change.db)
        ticket, user = tickets.redeem(change.db, token)
        sign_in = sign_ins.create(change, client, user, None)
        sign_ins.complete(
            change, client, sign_in, sign_ins.TICKET, actor=ticket["actor"], lifetime=ticket["session_lifetime"]
        )
        sign_in = sign_ins.find(change.db, client, sign_in["id"])
        return answer_change(change, sign_in_payload(change, sign_in), client["id"])
