"""`/v1/users/{id}/verify_password` and `/remove_password`."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from clerk_emulator import passwords, sessions, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.errors import ClerkError
from clerk_emulator.payloads import user_payload

blueprint = Blueprint("user_passwords", __name__, url_prefix="/users/<user_id>")


class PasswordBody(Body):
    password: str


class RemovePasswordBody(Body):
    sign_out_of_other_sessions: bool | None = None


@blueprint.post("/verify_password")
def verify_password(user_id: str) -> Response:
    password = read_body(PasswordBody).password
    with current_emulator().store.transaction() as db:
        user = users.find(db, user_id)
    if user["password_hash"] is None:
        raise _no_password_set()
    if not passwords.is_right(user, password):
        raise ClerkError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "incorrect_password",
            "incorrect password",
            "The provided password is not the one the user has set",
        )
    return jsonify(verified=True)


@blueprint.post("/remove_password")
def remove_password(user_id: str) -> Response:
    sign_out = read_body(RemovePasswordBody).sign_out_of_other_sessions
    with begin_change() as change:
        user = users.find(change.db, user_id)
        if user["password_hash"] is None:
            raise _no_password_set()
        user = users.update(change, user, passwords.user_columns(None))
        if sign_out:
            sessions.close_all(change, user_id, "revoked")
        return jsonify(user_payload(change.db, user, change.emulator.url))


def _no_password_set() -> ClerkError:
    return ClerkError(
        HTTPStatus.BAD_REQUEST,
        "no_password_set",
        "no password set",
        "This user does not have a password set for their account",
    )
