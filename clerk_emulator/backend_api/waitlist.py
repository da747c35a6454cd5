"""`/v1/waitlist_entries`."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import waitlist
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.pages import like_query, one_of, select_page
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.fields import EmailAddress

blueprint = Blueprint("waitlist", __name__, url_prefix="/waitlist_entries")

_ORDERS = {"created_at": "created_at", "email_address": "email_address", "invited_at": "invited_at"}
_FILTERS = {"status": one_of("status", "status"), "query": like_query("id", "email_address")}


class NewEntryBody(Body):
    email_address: EmailAddress
    notify: bool | None = None  # accepted because Clerk's SDKs send it; no mail is sent here


class InvitationBody(Body):
    ignore_existing: bool | None = None  # likewise; there are no other invitations here


@blueprint.get("")
def list_entries() -> Response:
    with current_emulator().store.transaction() as db:
        page, total = select_page(db, "waitlist_entries", _ORDERS, _FILTERS)
        return jsonify(data=[waitlist.payload(row) for row in page], total_count=total)


@blueprint.post("")
def create_entry() -> Response:
    body = read_body(NewEntryBody)
    with begin_change() as change:
        return jsonify(waitlist.payload(waitlist.create(change, body.email_address)))


@blueprint.delete("/<entry_id>")
def delete_entry(entry_id: str) -> Response:
    with begin_change() as change:
        return jsonify(waitlist.delete(change, waitlist.find(change.db, entry_id)))


@blueprint.post("/<entry_id>/invite")
def invite(entry_id: str) -> Response:
    read_body(InvitationBody)
    with begin_change() as change:
        return jsonify(waitlist.payload(waitlist.invite(change, waitlist.find(change.db, entry_id))))


@blueprint.post("/<entry_id>/reject")
def reject(entry_id: str) -> Response:
    with begin_change() as change:
        return jsonify(waitlist.payload(waitlist.reject(change, waitlist.find(change.db, entry_id))))
