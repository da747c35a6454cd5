"""Domains of an organization, and all there are."""

import sqlite3
from typing import Annotated, Literal

from flask import Blueprint, Response, jsonify
from pydantic import StringConstraints

from clerk_emulator import domains, organizations
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.pages import like_query, one_of, select_page
from clerk_emulator.context import begin_change, current_emulator

blueprint = Blueprint("domains", __name__)

_ORDERS = {"created_at": "created_at", "name": "name"}
_FILTERS = {
    "organization_id": one_of("organization_id", "organization_id"),
    "verified": one_of("iif(verified, 'true', 'false')", "verified"),
    # One with a minus sign is left out.
    "enrollment_mode": """(enrollment_mode IN (SELECT value FROM json_each(:enrollment_mode))
        OR NOT EXISTS (SELECT 1 FROM json_each(:enrollment_mode) WHERE value NOT LIKE '-%'))
        AND '-' || enrollment_mode NOT IN (SELECT value FROM json_each(:enrollment_mode))""",
    "query": like_query("name", "organization_id"),
    "domains": one_of("name", "domains"),
}
_OF_ORGANIZATION = "/organizations/<organization_id>/domains"

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$", max_length=253)]
_Mode = Literal["manual_invitation", "automatic_invitation", "automatic_suggestion", "enterprise_sso"]


class DomainChangesBody(Body):
    enrollment_mode: _Mode | None = None
    verified: bool | None = None


class NewDomainBody(Body):
    name: _Name
    enrollment_mode: _Mode
    verified: bool = True


@blueprint.post(_OF_ORGANIZATION)
def create_domain(organization_id: str) -> Response:
    columns = read_body(NewDomainBody).model_dump()
    with begin_change() as change:
        organization = organizations.find(change.db, organization_id)
        return _answer(change.db, domains.create(change, organization, columns))


@blueprint.get(_OF_ORGANIZATION)
def list_domains_of_organization(organization_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _page(db, ("organization_id", organizations.find(db, organization_id)["id"]))


@blueprint.get("/organization_domains")
def list_domains() -> Response:
    with current_emulator().store.transaction() as db:
        return _page(db)


@blueprint.patch(f"{_OF_ORGANIZATION}/<domain_id>")
def update_domain(organization_id: str, domain_id: str) -> Response:
    columns = read_body(DomainChangesBody).model_dump(exclude_none=True)
    with begin_change() as change:
        return _answer(change.db, domains.update(change, domains.find(change.db, organization_id, domain_id), columns))


@blueprint.delete(f"{_OF_ORGANIZATION}/<domain_id>")
def delete_domain(organization_id: str, domain_id: str) -> Response:
    with begin_change() as change:
        return jsonify(domains.delete(change, domains.find(change.db, organization_id, domain_id)))


def _page(db: sqlite3.Connection, owner: tuple[str, str] | None = None) -> Response:
    page, total = select_page(db, "organization_domains", _ORDERS, _FILTERS, owner)
    return jsonify(data=[domains.payload(db, row, current_emulator().url) for row in page], total_count=total)


def _answer(db: sqlite3.Connection, domain: sqlite3.Row) -> Response:
    return jsonify(domains.payload(db, domain, current_emulator().url))
