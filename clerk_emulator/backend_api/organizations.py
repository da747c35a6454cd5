"""`/v1/organizations`."""

import sqlite3
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from pydantic import Field, StringConstraints

from clerk_emulator import metadata, organizations
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.organization_filters import Selection
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.fields import Metadata
from clerk_emulator.organization_payloads import organization_payload

blueprint = Blueprint("organizations", __name__, url_prefix="/organizations")

_MAX_MEMBERSHIPS = 1_000_000

_Name = Annotated[str, StringConstraints(pattern=r"\S", max_length=256)]
_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,256}$")]
_Limit = Annotated[int, Field(ge=0, le=_MAX_MEMBERSHIPS)]


class OrganizationMetadataBody(Body):
    public_metadata: Metadata | None = None
    private_metadata: Metadata | None = None


class NewOrganizationBody(OrganizationMetadataBody):
    name: _Name
    slug: _Slug | None = None
    created_by: str | None = None
    max_allowed_memberships: _Limit | None = None


class OrganizationChangesBody(OrganizationMetadataBody):
    name: _Name | None = None
    slug: _Slug | None = None
    max_allowed_memberships: _Limit | None = None
    admin_delete_enabled: bool | None = None


@blueprint.post("")
def create_organization() -> Response:
    columns = read_body(NewOrganizationBody).model_dump(exclude_none=True)
    with begin_change() as change:
        return jsonify(_payload(change.db, organizations.create(change, columns)))


@blueprint.get("")
def list_organizations() -> Response:
    with current_emulator().store.transaction() as db:
        page, total = Selection().page(db)
        return jsonify(data=[_payload(db, organization) for organization in page], total_count=total)


@blueprint.get("/<id_or_slug>")
def get_organization(id_or_slug: str) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(_payload(db, organizations.find(db, id_or_slug)))


@blueprint.patch("/<organization_id>")
def update_organization(organization_id: str) -> Response:
    columns = read_body(OrganizationChangesBody).model_dump(exclude_none=True)
    with begin_change() as change:
        organization = organizations.find(change.db, organization_id)
        return jsonify(_payload(change.db, organizations.update(change, organization, columns)))


@blueprint.patch("/<organization_id>/metadata")
def merge_metadata(organization_id: str) -> Response:
    patch = read_body(OrganizationMetadataBody).model_dump(exclude_none=True)
    with begin_change() as change:
        organization = organizations.find(change.db, organization_id)
        merged = metadata.merged_columns(organization, patch)
        return jsonify(_payload(change.db, organizations.update(change, organization, merged)))


@blueprint.put("/<organization_id>/metadata")
def replace_metadata(organization_id: str) -> Response:
    columns = read_body(OrganizationMetadataBody).model_dump(exclude_unset=True)
    with begin_change() as change:
        organization = organizations.find(change.db, organization_id)
        return jsonify(_payload(change.db, organizations.update(change, organization, columns)))


@blueprint.delete("/<organization_id>")
def delete_organization(organization_id: str) -> Response:
    with begin_change() as change:
        return jsonify(organizations.delete(change, organizations.find(change.db, organization_id)))


def _payload(db: sqlite3.Connection, organization: sqlite3.Row) -> dict[str, Any]:
    with_counts = request.args.get("include_members_count") == "true"
    return organization_payload(db, organization, current_emulator().url, with_counts=with_counts)
