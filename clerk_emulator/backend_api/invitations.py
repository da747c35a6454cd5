"""Invitations into an organization, of a user, and all there are."""

import sqlite3
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from clerk_emulator import invitations, organizations, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.organizations import OrganizationMetadataBody
from clerk_emulator.backend_api.pages import like_query, one_of, select_page
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.errors import not_found
from clerk_emulator.fields import EmailAddress

blueprint = Blueprint("invitations", __name__)

_DEFAULT_DAYS = 30
_ORDERS = {"created_at": "created_at", "email_address": "email_address"}
_FILTERS = {
    "status": one_of("status", "status"),
    "email_address": one_of("email_address", "email_address"),
    "query": like_query("email_address"),
}
_OF_ORGANIZATION = "/organizations/<organization_id>/invitations"


class NewInvitationBody(OrganizationMetadataBody):
    email_address: EmailAddress
    role: str
    inviter_user_id: str | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=365)] | None = None
    # Accepted because Clerk's SDKs send them; no mail is sent here, and there is no link in it.
    redirect_url: str | None = None
    notify: bool | None = None


class RevocationBody(Body):
    requesting_user_id: str | None = None


@blueprint.post(_OF_ORGANIZATION)
def create_invitation(organization_id: str) -> Response:
    body = read_body(NewInvitationBody)
    columns = body.model_dump(include={"email_address", "role", "public_metadata", "private_metadata"})
    columns["inviter_id"] = body.inviter_user_id
    days = body.expires_in_days or _DEFAULT_DAYS
    with begin_change() as change:
        organization = organizations.find(change.db, organization_id)
        return _answer(change.db, invitations.create(change, organization, columns, days=days))


@blueprint.get(_OF_ORGANIZATION)
def list_invitations_of_organization(organization_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _page(db, ("organization_id", organizations.find(db, organization_id)["id"]))


@blueprint.get(f"{_OF_ORGANIZATION}/<invitation_id>")
def get_invitation(organization_id: str, invitation_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _answer(db, _find(db, organization_id, invitation_id))


@blueprint.post(f"{_OF_ORGANIZATION}/<invitation_id>/revoke")
def revoke_invitation(organization_id: str, invitation_id: str) -> Response:
    read_body(RevocationBody)
    with begin_change() as change:
        return _answer(change.db, invitations.revoke(change, _find(change.db, organization_id, invitation_id)))


@blueprint.get("/organization_invitations")
def list_invitations() -> Response:
    with current_emulator().store.transaction() as db:
        return _page(db, with_organization=True)


@blueprint.get("/users/<user_id>/organization_invitations")
def list_invitations_of_user(user_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        owner = (
            "(SELECT user_id FROM email_addresses AS e WHERE e.email_address = organization_invitations.email_address)",
            users.find(db, user_id)["id"],
        )
        return _page(db, owner, with_organization=True)


def _find(db: sqlite3.Connection, organization_id: str, invitation_id: str) -> sqlite3.Row:
    invitation = invitations.find(db, invitation_id)
    if invitation["organization_id"] != organization_id:
        raise not_found("organization invitation", invitation_id)
    return invitation


def _page(db: sqlite3.Connection, owner: tuple[str, str] | None = None, *, with_organization: bool = False) -> Response:
    invitations.expire_overdue(db)
    page, total = select_page(db, "organization_invitations", _ORDERS, _FILTERS, owner)
    payload = invitations.payload_with_organization if with_organization else invitations.payload
    data: list[dict[str, Any]] = [payload(db, row, current_emulator().url) for row in page]
    return jsonify(data=data, total_count=total)


def _answer(db: sqlite3.Connection, invitation: sqlite3.Row) -> Response:
    return jsonify(invitations.payload(db, invitation, current_emulator().url))
