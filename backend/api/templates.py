"""Templates for campaigns: the caller's own, and the shared ones."""

from http import HTTPStatus

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import get_caller, get_current_user_id
from backend.api.http.idempotency import idempotent
from backend.api.http.operation import operation
from backend.errors import AppError, ErrorCode
from backend.models.choices import Role
from backend.schemas.preset import PresetChanges
from backend.schemas.template import TemplateIn, TemplateOut, TemplateQuery, TemplatesOut
from backend.services.campaigns import templates
from backend.services.idempotency import ApiResponse

blueprint = Blueprint("templates", __name__)


@blueprint.post("")
@operation(TemplateOut, HTTPStatus.CREATED, refuses=[ErrorCode.QUOTA_EXCEEDED])
@idempotent
def create(connection: Connection, body: TemplateIn) -> ApiResponse:
    """Make a template; a shared one only as an admin."""
    given = body.columns
    is_shared = bool(given.pop("is_shared", False))
    if is_shared and not _may_share():
        raise AppError(ErrorCode.FORBIDDEN, "A shared template is made by admins alone, in a session.")
    template = templates.create_template(connection, get_current_user_id(), given, is_shared=is_shared)
    location = url_for(".show", template_id=template.template_id)
    return ApiResponse(HTTPStatus.CREATED, TemplateOut.of(template).model_dump_json(), location)


@blueprint.get("")
@operation(TemplatesOut)
def list_page(connection: Connection, query: TemplateQuery) -> TemplatesOut:
    """One page of the caller's own and the shared templates, newest first."""
    user_id = get_current_user_id()
    page = templates.list_templates(connection, user_id, query.scope, limit=query.limit, before=query.before)
    return TemplatesOut.of(page)


@blueprint.get("/<id:template_id>")
@operation(TemplateOut)
def show(connection: Connection, template_id: int) -> TemplateOut:
    """One template that the caller may use."""
    return TemplateOut.of(templates.read_template(connection, get_current_user_id(), template_id))


@blueprint.patch("/<id:template_id>")
@operation(TemplateOut)
@idempotent
def change(connection: Connection, template_id: int, body: PresetChanges) -> ApiResponse:
    """Set the members that are sent. Campaigns made from it stay as they are."""
    user_id, may_share = get_current_user_id(), _may_share()
    changed = templates.change_template(connection, user_id, template_id, body.columns, may_share=may_share)
    return ApiResponse(HTTPStatus.OK, TemplateOut.of(changed).model_dump_json())


@blueprint.delete("/<id:template_id>")
@operation()
@idempotent
def delete(connection: Connection, template_id: int) -> ApiResponse:
    """Delete a template. Campaigns made from it stay as they are."""
    templates.delete_template(connection, get_current_user_id(), template_id, may_share=_may_share())
    return ApiResponse(HTTPStatus.NO_CONTENT, "")


def _may_share() -> bool:
    """As for all that admins do: a session, and nobody in the admin's place."""
    identity = get_caller()
    return identity.kind == "clerk" and identity.actor is None and identity.role == Role.ADMIN
