"""Lists of memberships: query parameters to SQL."""

import json
import sqlite3

from flask import request

from clerk_emulator.backend_api.pages import read_limit, read_list, read_offset, read_order, refuse_unknown

_PARAMETERS = frozenset(
    {*("user_id", "email_address", "username", "role", "query"), *("order_by", "limit", "offset", "paginated")}
)
_ORDERS = {
    "created_at": "m.created_at",
    "email_address": "(SELECT email_address FROM email_addresses WHERE id = u.primary_email_address_id)",
    "first_name": "u.first_name",
    "last_name": "u.last_name",
    "username": "u.username",
}
# The lists are bound as JSON.
_CONDITIONS = {
    "user_id": "u.id IN (SELECT value FROM json_each(:user_id))",
    "not_user_id": "u.id NOT IN (SELECT value FROM json_each(:not_user_id))",
    "role": "m.role IN (SELECT value FROM json_each(:role))",
    "username": "lower(u.username) IN (SELECT value FROM json_each(:username))",
    "email_address": """u.id IN (SELECT user_id FROM email_addresses
        WHERE email_address IN (SELECT value FROM json_each(:email_address)))""",
}
_QUERY = """(
    instr(lower(u.id), lower(:query)) OR instr(lower(u.username), lower(:query))
    OR instr(lower(coalesce(u.first_name, '') || ' ' || coalesce(u.last_name, '')), lower(:query))
    OR u.id IN (SELECT user_id FROM email_addresses WHERE instr(email_address, lower(:query))))"""


def select_page(db: sqlite3.Connection, owner: str | None, owner_id: str | None) -> tuple[list[sqlite3.Row], int]:
    """Read one page of the memberships a request asks for, and the number of all.

    `owner` is the column (ours, never a caller's) that must be `owner_id`; None for any.
    """
    refuse_unknown(_PARAMETERS)
    name, direction = read_order(_ORDERS)
    lists = {key: values for key, values in _read_lists().items() if values}
    conditions = [_CONDITIONS[key] for key in lists]
    values: dict[str, str | int | None] = {key: json.dumps(value) for key, value in lists.items()}
    values |= {"owner_id": owner_id, "limit": read_limit(), "offset": read_offset()}
    if owner:
        conditions.append(f"m.{owner} = :owner_id")
    if query := request.args.get("query"):
        conditions.append(_QUERY)
        values["query"] = query
    where = " AND ".join(["true", *conditions])
    # Outer, for SQLite leaves it out where no condition or order needs the user: each has one.
    table = "organization_memberships AS m LEFT JOIN users AS u ON u.id = m.user_id"
    total: int = db.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0]  # noqa: S608
    page = db.execute(
        f"SELECT m.* FROM {table} WHERE {where}"  # noqa: S608
        f" ORDER BY {_ORDERS[name]} {direction}, m.rowid {direction} LIMIT :limit OFFSET :offset",
        values,
    ).fetchall()
    return page, total


def _read_lists() -> dict[str, list[str]]:
    users = read_list("user_id")
    return {
        # A plus sign that was not percent-encoded arrives as a space.
        "user_id": [value.lstrip("+ ") for value in users if not value.startswith("-")],
        "not_user_id": [value[1:] for value in users if value.startswith("-")],
        "role": read_list("role"),
        "username": [value.lower() for value in read_list("username")],
        "email_address": [value.lower() for value in read_list("email_address")],
    }
