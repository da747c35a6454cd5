"""`/v1/me`: the account of whoever is signed in."""

from http import HTTPStatus

from flask import Blueprint, Response

from clerk_emulator import accounts, email_addresses, metadata, passwords, sessions, users
from clerk_emulator.context import begin_change
from clerk_emulator.errors import ClerkError
from clerk_emulator.fields import ShortText, Username
from clerk_emulator.frontend_api.answers import answer_change
from clerk_emulator.frontend_api.forms import Form, FormMetadata, Password, read_form
from clerk_emulator.frontend_api.identity import require_session, require_user
from clerk_emulator.frontend_api.payloads import user_payload

blueprint = Blueprint("me", __name__, url_prefix="/me")


class MetadataForm(Form):
    unsafe_metadata: FormMetadata | None = None


class ProfileForm(MetadataForm):
    first_name: ShortText | None = None
    last_name: ShortText | None = None
    username: Username | None = None
    primary_email_address_id: str | None = None


class PasswordForm(Form):
    current_password: str | None = None
    new_password: Password
    sign_out_of_other_sessions: bool | None = None


class RemovedPasswordForm(Form):
    current_password: str


@blueprint.get("")
def get_me() -> Response:
    with begin_change() as change:
        return answer_change(change, user_payload(change, require_user(change.db)))


@blueprint.patch("")
def update_me() -> Response:
    columns = read_form(ProfileForm).model_dump(exclude_unset=True)
    with begin_change() as change:
        user = require_user(change.db)
        if "username" in columns and columns["username"] is None:
            email_addresses.refuse_last_identification(email_addresses.proved(change.db, user))
        updated = users.update(change, user, columns)
        # After that: an address that is not the user's is refused as such.
        if email_address_id := columns.get("primary_email_address_id"):
            email_addresses.refuse_unproved(change.db, email_address_id)
        return answer_change(change, user_payload(change, updated))


@blueprint.patch("/metadata")
def merge_metadata() -> Response:
    patch = read_form(MetadataForm).unsafe_metadata or {}
    with begin_change() as change:
        user = require_user(change.db)
        merged = metadata.merged_columns(user, {"unsafe_metadata": patch})
        return answer_change(change, user_payload(change, users.update(change, user, merged)))


@blueprint.delete("")
def delete_me() -> Response:
    with begin_change() as change:
        user = require_user(change.db)
        if not user["delete_self_enabled"]:
            message = "This user may not delete their account."
            raise ClerkError(HTTPStatus.FORBIDDEN, "user_delete_self_not_enabled", message, message)
        return answer_change(change, accounts.delete(change, user))


@blueprint.post("/change_password")
def change_password() -> Response:
    form = read_form(PasswordForm)
    passwords.refuse_weak(form.new_password, "new_password")
    session_id = _prove_password(form.current_password)
    columns = passwords.user_columns(form.new_password)
    with begin_change() as change:
        session = sessions.find_active(change.db, session_id)
        user = users.update(change, users.find(change.db, session["user_id"]), columns)
        if form.sign_out_of_other_sessions:
            sessions.close_all(change, user["id"], "revoked", but=session_id)
        return answer_change(change, user_payload(change, user))


@blueprint.post("/remove_password")
def remove_password() -> Response:
    session_id = _prove_password(read_form(RemovedPasswordForm).current_password)
    with begin_change() as change:
        session = sessions.find_active(change.db, session_id)
        user = users.find(change.db, session["user_id"])
        return answer_change(change, user_payload(change, users.update(change, user, passwords.user_columns(None))))


def _prove_password(password: str | None) -> str:
    """Demand the password of a user who has one; return the session that proved it.

    The change is for that session: another tab may make another user's the active one meanwhile.
    """
    with begin_change() as change:
        session = require_session(change.db)
        user = users.find(change.db, session["user_id"])
    if user["password_hash"] is not None:
        passwords.refuse_wrong(user, password or "", "current_password")
    return str(session["id"])
