"""Templates for campaigns: the caller's own, and the shared ones."""

from flask import Blueprint, url_for
from sqlalchemy import Connection

from backend.access.policy import get_caller, get_current_user_id
from backend.api.http.operation import Created, operation
from backend.errors import AppError, ErrorCode
from backend.models.base import LAST_ID
from backend.models.roles_plans_scopes import Role
from backend.schemas.preset import PresetChanges
from backend.schemas.template import TemplateIn, TemplateOut, TemplateQuery, TemplatesOut
from backend.services.campaigns import templates

blueprint = Blueprint("templates", __name__)


@blueprint.post("")
@operation(TemplateOut, is_idempotent=True, refuses=[ErrorCode.QUOTA_EXCEEDED])
def create(connection: Connection, body: TemplateIn) -> Created:
    """Make a template; a shared one only as an admin."""
    given = body.columns
    is_shared = bool(given.pop("is_shared", False))
    if is_shared and not _may_share():
        raise AppError(ErrorCode.FORBIDDEN, "A shared template is made by admins alone, in a session.")
    template = templates.create_template(connection, get_current_user_id(), given, is_shared=is_shared)
    return Created(template, url_for(".show", template_id=template.template_id))


@blueprint.get("")
@operation(TemplatesOut)
def list_page(connection: Connection, query: TemplateQuery) -> templates.TemplatePage:
    """One page of the caller's own and the shared templates, newest first."""
    user_id, before = get_current_user_id(), query.before or LAST_ID
    return templates.list_templates(connection, user_id, query.scope, limit=query.limit, before=before)


@blueprint.get("/<id:template_id>")
@operation(TemplateOut)
def show(connection: Connection, template_id: int) -> templates.Template:
    """One template that the caller may use."""
    return templates.read_template(connection, get_current_user_id(), template_id)


@blueprint.patch("/<id:template_id>")
@operation(TemplateOut, is_idempotent=True)
def change(connection: Connection, template_id: int, body: PresetChanges) -> templates.Template:
    """Set the members that are sent. Campaigns made from it stay as they are."""
    user_id, may_share = get_current_user_id(), _may_share()
    return templates.change_template(connection, user_id, template_id, body.columns, may_share=may_share)


@blueprint.delete("/<id:template_id>")
@operation(is_idempotent=True)
def delete(connection: Connection, template_id: int) -> None:
    """Delete a template. Campaigns made from it stay as they are."""
    templates.delete_template(connection, get_current_user_id(), template_id, may_share=_may_share())


def _may_share() -> bool:
    """As for all that admins do: a session, and nobody in the admin's place."""
    identity = get_caller()
    return identity.kind == "clerk" and identity.actor is None and identity.role == Role.ADMIN
