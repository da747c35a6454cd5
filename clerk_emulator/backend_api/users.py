"""`/v1/users`."""

import sqlite3
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from clerk_emulator import accounts, documents, merges, metadata, passwords, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.user_filters import Selection
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.errors import ClerkError
from clerk_emulator.fields import EmailAddress, Metadata, PhoneNumber, ShortText, Username
from clerk_emulator.payloads import user_payload

blueprint = Blueprint("users", __name__, url_prefix="/users")

_NOT_COLUMNS = {
    "email_address",
    "phone_number",
    "password",
    "skip_password_checks",
    "skip_user_requirement",
    # Accepted because Clerk's SDKs send them; they change nothing here.
    "skip_password_requirement",
    "skip_legal_checks",
    "bypass_client_trust",
    "notify_primary_email_address_changed",
}


class MetadataBody(Body):
    public_metadata: Metadata | None = None
    private_metadata: Metadata | None = None
    unsafe_metadata: Metadata | None = None


class UserBody(MetadataBody):
    external_id: ShortText | None = None
    username: Username | None = None
    first_name: ShortText | None = None
    last_name: ShortText | None = None
    locale: ShortText | None = None
    password: ShortText | None = None
    skip_password_checks: bool | None = None
    skip_legal_checks: bool | None = None
    bypass_client_trust: bool | None = None
    delete_self_enabled: bool = True
    create_organization_enabled: bool = True

    def columns(self) -> dict[str, Any]:
        """Give what was sent as columns of the users table."""
        columns = self.model_dump(exclude_unset=True, exclude=_NOT_COLUMNS)
        if "password" in self.model_fields_set:
            columns |= passwords.user_columns(self._checked_password())
        return columns

    def _checked_password(self) -> str | None:
        if self.password and not self.skip_password_checks:
            passwords.refuse_weak(self.password)
        return self.password or None


class NewUserBody(UserBody):
    email_address: list[EmailAddress] = Field(default_factory=list)
    phone_number: list[PhoneNumber] = Field(default_factory=list)
    skip_password_requirement: bool | None = None
    skip_user_requirement: bool | None = None


class UserChangesBody(UserBody):
    primary_email_address_id: str | None = None
    primary_phone_number_id: str | None = None
    notify_primary_email_address_changed: bool | None = None


class MergeBody(Body):
    from_user_id: str
    dry_run: bool = False


@blueprint.get("")
def list_users() -> Response:
    url = current_emulator().url
    with current_emulator().store.transaction() as db:
        page = [documents.of_user(db, user, url) for user in Selection().page(db)]
    return Response(f"[{','.join(page)}]", mimetype="application/json")


@blueprint.get("/count")
def count_users() -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(object="total_count", total_count=Selection().count(db))


@blueprint.post("")
def create_user() -> Response:
    body = read_body(NewUserBody)
    if not (body.email_address or body.phone_number or body.username or body.skip_user_requirement):
        raise ClerkError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "form_data_missing",
            "missing data",
            '["email_address"] data doesn\'t match user requirements set for this instance',
            param="email_address",
        )
    columns = body.columns()
    with begin_change() as change:
        return jsonify(_payload(change.db, users.create(change, columns, body.email_address, body.phone_number)))


@blueprint.get("/<user_id>")
def get_user(user_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(_payload(db, users.find(db, user_id)))


@blueprint.patch("/<user_id>")
def update_user(user_id: str) -> Response:
    columns = read_body(UserChangesBody).columns()
    with begin_change() as change:
        return jsonify(_payload(change.db, users.update(change, users.find(change.db, user_id), columns)))


@blueprint.patch("/<user_id>/metadata")
def merge_user_metadata(user_id: str) -> Response:
    patch = read_body(MetadataBody).model_dump(exclude_none=True)
    with begin_change() as change:
        user = users.find(change.db, user_id)
        merged = metadata.merged_columns(user, patch)
        return jsonify(_payload(change.db, users.update(change, user, merged)))


@blueprint.put("/<user_id>/metadata")
def replace_user_metadata(user_id: str) -> Response:
    """Replace what is sent; @clerk/backend makes two requests of an update with metadata, and this is one."""
    columns = read_body(MetadataBody).model_dump(exclude_unset=True)
    with begin_change() as change:
        return jsonify(_payload(change.db, users.update(change, users.find(change.db, user_id), columns)))


@blueprint.delete("/<user_id>")
def delete_user(user_id: str) -> Response:
    with begin_change() as change:
        return jsonify(accounts.delete(change, users.find(change.db, user_id)))


@blueprint.post("/<user_id>/merge")
def merge_user(user_id: str) -> Response:
    body = read_body(MergeBody)
    with begin_change() as change:
        change.db.execute("SAVEPOINT before")
        merged = merges.merge(change, users.find(change.db, user_id), users.find(change.db, body.from_user_id))
        if body.dry_run:
            change.db.execute("ROLLBACK TO before")
        return jsonify(merged)


@blueprint.post("/<user_id>/ban")
def ban_user(user_id: str) -> Response:
    with begin_change() as change:
        return jsonify(_payload(change.db, accounts.ban(change, users.find(change.db, user_id))))


@blueprint.post("/<user_id>/unban")
def unban_user(user_id: str) -> Response:
    return _set_flag(user_id, "banned", value=False)


@blueprint.post("/<user_id>/lock")
def lock_user(user_id: str) -> Response:
    return _set_flag(user_id, "locked", value=True)


@blueprint.post("/<user_id>/unlock")
def unlock_user(user_id: str) -> Response:
    return _set_flag(user_id, "locked", value=False)


def _set_flag(user_id: str, flag: accounts.Flag, *, value: bool) -> Response:
    with begin_change() as change:
        user = accounts.set_flag(change, users.find(change.db, user_id), flag, value=value)
        return jsonify(_payload(change.db, user))


def _payload(db: sqlite3.Connection, user: sqlite3.Row) -> dict[str, Any]:
    return user_payload(db, user, current_emulator().url)
