"""Templates: presets for campaigns, a user's own or shared with everybody by an admin."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Select, delete, func, insert, select, union_all, update

from backend.database.rows import columns_of, read_row
from backend.errors import AppError, ErrorCode
from backend.models import CampaignTemplate
from backend.resources import TEMPLATES
from backend.services.pages import cut_page
from backend.services.plans.quotas import check_quota

Kind = Literal["own", "shared"]


class Template(NamedTuple):
    """What is seen of it. The fields are columns of its model; `user_id` is None for a shared one."""

    template_id: int
    user_id: int | None
    name: str
    description: str | None
    channel: str
    budget_minor: int | None
    budget_currency: str | None
    tags: list[str]
    created_at: datetime
    updated_at: datetime


class TemplatePage(NamedTuple):
    """`next_before`: the `before` of the next page; None at the end."""

    templates: list[Template]
    next_before: int | None


PRESET = ("name", "description", "channel", "budget_minor", "budget_currency", "tags")
COLUMNS = columns_of(CampaignTemplate, Template)


def create_template(connection: Connection, user_id: int, given: Mapping[str, Any], *, is_shared: bool) -> Template:
    """Store a template. The caller holds the row of the user: two creations would not see each other.

    Raises AppError: 402 for a plan that allows no more. Shared ones do not count.
    """
    if not is_shared:
        check_quota(connection, user_id, TEMPLATES)
    inserted = insert(CampaignTemplate).values({**given, "user_id": None if is_shared else user_id})
    return read_row(Template, connection.execute(inserted.returning(*COLUMNS)).one())


def read_template(connection: Connection, user_id: int, template_id: int) -> Template:
    """Raises AppError (404): the same for another user's as for none."""
    return _read(connection, _select(user_id, template_id))


def change_template(
    connection: Connection, user_id: int, template_id: int, changes: Mapping[str, Any], *, may_share: bool
) -> Template:
    """Set the named columns. Raises AppError: 404; 403 for a shared one, unless `may_share`."""
    template = _lock(connection, user_id, template_id, may_share=may_share)
    if template._replace(**changes) == template:
        return template
    written = update(CampaignTemplate).where(CampaignTemplate.template_id == template_id)
    written = written.values({**changes, "updated_at": func.clock_timestamp()})
    return read_row(Template, connection.execute(written.returning(*COLUMNS)).one())


def delete_template(connection: Connection, user_id: int, template_id: int, *, may_share: bool) -> None:
    """Campaigns made from it stay as they are. Raises AppError: 404; 403 for a shared one, unless `may_share`."""
    _lock(connection, user_id, template_id, may_share=may_share)
    connection.execute(delete(CampaignTemplate).where(CampaignTemplate.template_id == template_id))


def list_templates(connection: Connection, user_id: int, kind: Kind | None, *, limit: int, before: int) -> TemplatePage:
    """At most `limit` of the user's own and the shared ones, or of one kind: the highest ids below `before`."""
    found = connection.execute(select_page(user_id, kind, limit=limit + 1, before=before))
    page, has_more = cut_page([read_row(Template, row) for row in found], limit)
    return TemplatePage(page, page[-1].template_id if has_more else None)


def select_page(user_id: int, kind: Kind | None, *, limit: int, before: int) -> Select[*tuple[Any, ...]]:
    """The statement of one page: each kind is a walk through the index of its own."""
    kinds = {"own": CampaignTemplate.user_id == user_id, "shared": CampaignTemplate.user_id.is_(None)}
    below = select(*COLUMNS).where(CampaignTemplate.template_id < before)
    newest_first = below.order_by(CampaignTemplate.template_id.desc()).limit(limit)
    parts = [newest_first.where(is_kind) for name, is_kind in kinds.items() if kind in {None, name}]
    page = union_all(*parts).subquery("page")
    return select(page).order_by(page.c.template_id.desc()).limit(limit)


def read_preset(connection: Connection, user_id: int, template_id: int) -> dict[str, Any]:
    """What a campaign takes over. Raises AppError (422): the same for another user's template as for none."""
    row = connection.execute(_select(user_id, template_id)).first()
    if row is None:
        errors = [{"path": "template_id", "message": "There is no such template."}]
        raise AppError(ErrorCode.VALIDATION, "The template is not there.", members={"errors": errors})
    return {name: getattr(row, name) for name in PRESET}


def _select(user_id: int, template_id: int) -> Select[*tuple[Any, ...]]:
    """The statement that finds a template the user may use."""
    is_usable = (CampaignTemplate.user_id == user_id) | CampaignTemplate.user_id.is_(None)
    return select(*COLUMNS).where(CampaignTemplate.template_id == template_id, is_usable)


def _read(connection: Connection, found: Select[*tuple[Any, ...]]) -> Template:
    row = connection.execute(found).first()
    if row is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such template: the list shows which there are.")
    return read_row(Template, row)


def _lock(connection: Connection, user_id: int, template_id: int, *, may_share: bool) -> Template:
    template = _read(connection, _select(user_id, template_id).with_for_update())
    if template.user_id is None and not may_share:
        raise AppError(ErrorCode.FORBIDDEN, "A shared template is changed by admins alone, in a session.")
    return template
