"""`GET /v1/organizations`: query parameters to SQL."""

import json
import sqlite3

from flask import request

from clerk_emulator.backend_api.pages import read_limit, read_list, read_offset, read_order, refuse_unknown

_PARAMETERS = frozenset(
    {
        *("query", "user_id", "organization_id", "order_by", "limit", "offset"),
        *("include_members_count", "include_missing_member_with_elevated_permissions"),
    }
)
_ORDERS = {
    "created_at": "created_at",
    "name": "name",
    "members_count": "(SELECT count(*) FROM organization_memberships WHERE organization_id = organizations.id)",
}
_QUERY = "(id = :query OR instr(lower(name), lower(:query)) OR instr(slug, lower(:query)))"
# A name that begins with not_ is a value with a minus sign. The lists are bound as JSON.
_CONDITIONS = {
    "organization_id": "id IN (SELECT value FROM json_each(:organization_id))",
    "not_organization_id": "id NOT IN (SELECT value FROM json_each(:not_organization_id))",
    "user_id": """id IN (SELECT organization_id FROM organization_memberships
        WHERE user_id IN (SELECT value FROM json_each(:user_id)))""",
    "not_user_id": """id NOT IN (SELECT organization_id FROM organization_memberships
        WHERE user_id IN (SELECT value FROM json_each(:not_user_id)))""",
}


class Selection:
    """The organizations a request asks for. Conditions are constants of this file, values are always bound."""

    def __init__(self) -> None:
        refuse_unknown(_PARAMETERS)
        self._conditions = ["true"]
        self._values: dict[str, str | int] = {"limit": read_limit(), "offset": read_offset()}
        self._name, self._direction = read_order(_ORDERS)
        for name in ("organization_id", "user_id"):
            values = read_list(name)
            # A plus sign that was not percent-encoded arrives as a space.
            self._add(name, [value.lstrip("+ ") for value in values if not value.startswith("-")])
            self._add(f"not_{name}", [value[1:] for value in values if value.startswith("-")])
        if query := request.args.get("query"):
            self._conditions.append(_QUERY)
            self._values["query"] = query

    def page(self, db: sqlite3.Connection) -> tuple[list[sqlite3.Row], int]:
        """Read one page, and the number of all that match."""
        where = " AND ".join(self._conditions)
        counted = db.execute(f"SELECT count(*) FROM organizations WHERE {where}", self._values)  # noqa: S608
        total: int = counted.fetchone()[0]
        rows = db.execute(
            f"SELECT * FROM organizations WHERE {where}"  # noqa: S608
            f" ORDER BY {_ORDERS[self._name]} {self._direction}, rowid {self._direction} LIMIT :limit OFFSET :offset",
            self._values,
        ).fetchall()
        return rows, total

    def _add(self, name: str, values: list[str]) -> None:
        if values:
            self._conditions.append(_CONDITIONS[name])
            self._values[name] = json.dumps(values)
