"""Templates: presets for campaigns, a user's own or shared with everybody by an admin."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, TextClause, text

from backend.errors import AppError, ErrorCode
from backend.services.plans.quotas import quota_exceeded

# A script that makes templates in a loop stops here (OWASP API6).
MAX_OWN = 100

Kind = Literal["own", "shared"]


class Template(NamedTuple):
    """The fields are the columns of TEMPLATE, in order. `user_id` is None for a shared one."""

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
TEMPLATE = ", ".join(Template._fields)
# All of the SQL below is ours; values are parameters.
FIND = f"""
SELECT {TEMPLATE} FROM campaign_templates
WHERE template_id = :template_id AND (user_id = :user_id OR user_id IS NULL)
"""  # noqa: S608
READ = text(FIND)
LOCK = text(f"{FIND} FOR UPDATE")
OWNED_BY: Mapping[Kind, str] = {"own": "user_id = :user_id", "shared": "user_id IS NULL"}
PART = """
(SELECT {columns} FROM campaign_templates WHERE {owned_by} AND template_id < :before ORDER BY template_id DESC LIMIT :limit)
"""
COUNT_OWN = text("SELECT count(*) FROM campaign_templates WHERE user_id = :user_id")
INSERT = text(f"""
INSERT INTO campaign_templates (user_id, name, description, channel, budget_minor, budget_currency, tags)
VALUES (:user_id, :name, :description, :channel, :budget_minor, :budget_currency, CAST(:tags AS text[]))
RETURNING {TEMPLATE}
""")  # noqa: S608
UPDATE = text(f"""
UPDATE campaign_templates
SET name = :name, description = :description, channel = :channel, budget_minor = :budget_minor,
    budget_currency = :budget_currency, tags = CAST(:tags AS text[]), updated_at = clock_timestamp()
WHERE template_id = :template_id
RETURNING {TEMPLATE}
""")  # noqa: S608
DELETE = text("DELETE FROM campaign_templates WHERE template_id = :template_id")


def create_template(
    connection: Connection, user_id: int, given: Mapping[str, Any], *, is_shared: bool
) -> Template:
    """Store a template. The caller holds the row of the user: two creations would not see each other.

    Raises AppError: 402 for one who has enough of his own.
    """
    if not is_shared:
        used = connection.execute(COUNT_OWN, {"user_id": user_id}).scalar_one()
        if used >= MAX_OWN:
            raise quota_exceeded(
                f"A user has at most {MAX_OWN} templates. Delete one first.", limit=MAX_OWN, used=used
            )
    values = dict.fromkeys(PRESET) | {"tags": [], **given, "user_id": None if is_shared else user_id}
    return Template._make(connection.execute(INSERT, values).one())


def read_template(connection: Connection, user_id: int, template_id: int) -> Template:
    """Raises AppError (404): the same for another user's as for none."""
    return _find(connection, READ, user_id, template_id)


def change_template(
    connection: Connection, user_id: int, template_id: int, changes: Mapping[str, Any], *, may_share: bool
) -> Template:
    """Set the named columns. Raises AppError: 404; 403 for a shared one, unless `may_share`."""
    template = _find(connection, LOCK, user_id, template_id)
    _check_shared(template, may_share=may_share)
    wanted = template._replace(**changes)
    if wanted == template:
        return template
    return Template._make(connection.execute(UPDATE, wanted._asdict()).one())


def delete_template(connection: Connection, user_id: int, template_id: int, *, may_share: bool) -> None:
    """Campaigns made from it stay as they are. Raises AppError: 404; 403 for a shared one, unless `may_share`."""
    _check_shared(_find(connection, LOCK, user_id, template_id), may_share=may_share)
    connection.execute(DELETE, {"template_id": template_id})


def list_templates(
    connection: Connection, user_id: int, kind: Kind | None, *, limit: int, before: int
) -> TemplatePage:
    """At most `limit` of the user's own and the shared ones, or of one kind: those with the highest ids below `before`."""
    # One more than asked for tells whether there is a next page.
    values = {"user_id": user_id, "limit": limit + 1, "before": before}
    found = [Template._make(row) for row in connection.execute(select_page(kind), values)]
    return TemplatePage(found[:limit], found[limit - 1].template_id if len(found) > limit else None)


def select_page(kind: Kind | None) -> TextClause:
    """The statement of one page: each kind is a walk through the index of its own."""
    kinds = [owned_by for name, owned_by in OWNED_BY.items() if kind in {None, name}]
    parts = " UNION ALL ".join(PART.format(columns=TEMPLATE, owned_by=owned_by) for owned_by in kinds)
    return text(f"SELECT * FROM ({parts}) AS page ORDER BY template_id DESC LIMIT :limit")  # noqa: S608


def read_preset(connection: Connection, user_id: int, template_id: int) -> dict[str, Any]:
    """What a campaign takes over. Raises AppError (422): the same for another user's template as for none."""
    row = connection.execute(READ, {"user_id": user_id, "template_id": template_id}).first()
    if row is None:
        errors = [{"path": "template_id", "message": "There is no such template."}]
        raise AppError(ErrorCode.VALIDATION, "The template is not there.", members={"errors": errors})
    template = Template._make(row)._asdict()
    return {name: template[name] for name in PRESET}


def _find(connection: Connection, statement: TextClause, user_id: int, template_id: int) -> Template:
    row = connection.execute(statement, {"user_id": user_id, "template_id": template_id}).first()
    if row is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such template: the list shows which there are.")
    return Template._make(row)


def _check_shared(template: Template, *, may_share: bool) -> None:
    if template.user_id is None and not may_share:
        raise AppError(ErrorCode.FORBIDDEN, "A shared template is changed by admins alone, in a session.")
