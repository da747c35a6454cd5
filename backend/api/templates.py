"""Templates for campaigns: the caller's own, and the shared ones."""

from http import HTTPStatus

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import get_caller, get_current_user_id
from backend.api.http.idempotency import Work, idempotent
from backend.api.http.operation import operation
from backend.container import in_transaction
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
def create(body: TemplateIn) -> Work:
    """Make a template; a shared one only as an admin."""
    given, user_id = body.columns, get_current_user_id()
    is_shared = bool(given.pop("is_shared", False))
    if is_shared and not _may_share():
        raise AppError(ErrorCode.FORBIDDEN, "A shared template is made by admins alone, in a session.")

    def work(connection: Connection) -> ApiResponse:
        template = templates.create_template(connection, user_id, given, is_shared=is_shared)
        location = url_for(".show", template_id=template.template_id)
        return ApiResponse(HTTPStatus.CREATED, TemplateOut.of(template).model_dump_json(), location)

    return work


@blueprint.get("")
@operation(TemplatesOut)
def list_page(query: TemplateQuery) -> TemplatesOut:
    """One page of the caller's own and the shared templates, newest first."""
    user_id = get_current_user_id()
    page = in_transaction(
        lambda connection: templates.list_templates(
            connection, user_id, query.scope, limit=query.limit, before=query.before
        )
    )
    return TemplatesOut.of(page)


@blueprint.get("/<id:template_id>")
@operation(TemplateOut)
def show(template_id: int) -> TemplateOut:
    """One template that the caller may use."""
    user_id = get_current_user_id()
    template = in_transaction(lambda connection: templates.read_template(connection, user_id, template_id))
    return TemplateOut.of(template)


@blueprint.patch("/<id:template_id>")
@operation(TemplateOut)
@idempotent
def change(template_id: int, body: PresetChanges) -> Work:
    """Set the members that are sent. Campaigns made from it stay as they are."""
    changes, user_id, may_share = body.columns, get_current_user_id(), _may_share()

    def work(connection: Connection) -> ApiResponse:
        changed = templates.change_template(connection, user_id, template_id, changes, may_share=may_share)
        return ApiResponse(HTTPStatus.OK, TemplateOut.of(changed).model_dump_json())

    return work


@blueprint.delete("/<id:template_id>")
@operation()
@idempotent
def delete(template_id: int) -> Work:
    """Delete a template. Campaigns made from it stay as they are."""
    user_id, may_share = get_current_user_id(), _may_share()

    def work(connection: Connection) -> ApiResponse:
        templates.delete_template(connection, user_id, template_id, may_share=may_share)
        return ApiResponse(HTTPStatus.NO_CONTENT, "")

    return work


def _may_share() -> bool:
    """As for all that admins do: a session, and nobody in the admin's place."""
    identity = get_caller()
    return identity.kind == "clerk" and identity.actor is None and identity.role == Role.ADMIN
