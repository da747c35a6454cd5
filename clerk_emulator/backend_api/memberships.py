"""Memberships of an organization, of a user, and all there are."""

import sqlite3
from typing import Any

from flask import Blueprint, Response, jsonify

from clerk_emulator import memberships, metadata, organizations, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.membership_filters import select_page
from clerk_emulator.backend_api.organizations import OrganizationMetadataBody
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.organization_payloads import membership_payload, membership_payloads

blueprint = Blueprint("memberships", __name__)


class RoleBody(Body):
    role: str


class NewMembershipBody(OrganizationMetadataBody):
    user_id: str
    role: str


@blueprint.get("/organization_memberships")
def list_memberships() -> Response:
    with current_emulator().store.transaction() as db:
        return _page(db)


@blueprint.get("/users/<user_id>/organization_memberships")
def list_memberships_of_user(user_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _page(db, "user_id", users.find(db, user_id)["id"])


@blueprint.get("/organizations/<organization_id>/memberships")
def list_members(organization_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _page(db, "organization_id", organizations.find(db, organization_id)["id"])


@blueprint.post("/organizations/<organization_id>/memberships")
def create_membership(organization_id: str) -> Response:
    body = read_body(NewMembershipBody)
    given = body.model_dump(include={"public_metadata", "private_metadata"}, exclude_none=True)
    with begin_change() as change:
        organization = organizations.find(change.db, organization_id)
        user = users.find(change.db, body.user_id)
        return _answer(change.db, memberships.create(change, organization, user, body.role, given))


@blueprint.patch("/organizations/<organization_id>/memberships/<user_id>")
def update_membership(organization_id: str, user_id: str) -> Response:
    columns = read_body(RoleBody).model_dump()
    with begin_change() as change:
        membership = memberships.find(change.db, organization_id, user_id)
        return _answer(change.db, memberships.update(change, membership, columns))


@blueprint.patch("/organizations/<organization_id>/memberships/<user_id>/metadata")
def merge_metadata(organization_id: str, user_id: str) -> Response:
    patch = read_body(OrganizationMetadataBody).model_dump(exclude_none=True)
    with begin_change() as change:
        membership = memberships.find(change.db, organization_id, user_id)
        merged = metadata.merged_columns(membership, patch)
        return _answer(change.db, memberships.update(change, membership, merged))


@blueprint.delete("/organizations/<organization_id>/memberships/<user_id>")
def delete_membership(organization_id: str, user_id: str) -> Response:
    with begin_change() as change:
        membership = memberships.find(change.db, organization_id, user_id)
        return jsonify(memberships.delete(change, membership))


def _page(db: sqlite3.Connection, owner: str | None = None, owner_id: str | None = None) -> Response:
    page, total = select_page(db, owner, owner_id)
    return jsonify(data=membership_payloads(db, page, current_emulator().url), total_count=total)


def _answer(db: sqlite3.Connection, membership: sqlite3.Row) -> Response:
    return jsonify(_payload(db, membership))


def _payload(db: sqlite3.Connection, membership: sqlite3.Row) -> dict[str, Any]:
    return membership_payload(db, membership, current_emulator().url)
