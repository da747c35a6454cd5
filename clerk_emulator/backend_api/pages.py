"""Query parameters that lists share."""

import json
import re
import sqlite3
from collections.abc import Container, Mapping

from flask import request

from clerk_emulator.errors import ClerkError, invalid_parameter

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 500
_MAX_VALUES = 100
_PAGING = ("limit", "offset", "order_by", "paginated")


def select_page(
    db: sqlite3.Connection,
    table: str,
    orders: Mapping[str, str],
    filters: Mapping[str, str],
    owner: tuple[str, str] | None = None,
) -> tuple[list[sqlite3.Row], int]:
    """Read one page of a table as a request asks for it, and the number of all that match.

    `orders` has the expression of each order. `filters` has the condition of each parameter, whose values are bound
    under its name as a JSON list. `owner` is a column and what it must be. All names and SQL are ours.
    """
    refuse_unknown(frozenset({*filters, *_PAGING}))
    name, direction = read_order(orders)
    given = [param for param in filters if request.args.get(param)]
    values: dict[str, str | int] = {param: json.dumps(read_list(param)) for param in given}
    conditions = [filters[param] for param in given]
    if owner:
        conditions.append(f"{owner[0]} = :owner")
        values["owner"] = owner[1]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    total: int = db.execute(f"SELECT count(*) FROM {table} {where}", values).fetchone()[0]  # noqa: S608
    page = db.execute(
        f"SELECT * FROM {table} {where}"  # noqa: S608
        f" ORDER BY {orders[name]} {direction}, rowid {direction} LIMIT :limit OFFSET :offset",
        values | {"limit": read_limit(), "offset": read_offset()},
    ).fetchall()
    return page, total


def one_of(column: str, param: str) -> str:
    """Give the condition that a column has one of a parameter's values."""
    return f"{column} IN (SELECT value FROM json_each(:{param}))"  # noqa: S608 - as above


def like_query(*columns: str) -> str:
    """Give the condition that one of the columns contains the parameter `query`, in any case of letters."""
    found = " OR ".join(f"instr(lower({column}), lower(:query ->> '$[0]'))" for column in columns)
    return f"({found})"


def read_limit() -> int:
    """Read `limit`; Clerk quietly uses 10 for a number that is out of range."""
    limit = read_number("limit", _DEFAULT_LIMIT)
    return limit if 1 <= limit <= _MAX_LIMIT else _DEFAULT_LIMIT


def read_offset() -> int:
    return read_number("offset", 0)


def read_list(param: str) -> list[str]:
    """Read a parameter that may be given several times."""
    values = request.args.getlist(param)
    if len(values) > _MAX_VALUES:
        raise invalid_parameter(
            param,
            "form_param_array_size_exceeded",
            "exceeds maximum size",
            f"{param} should not exceed {_MAX_VALUES} items.",
        )
    return values


def read_order(orders: Container[str]) -> tuple[str, str]:
    """Read `order_by`, one of `orders` with a sign for the direction; return its name and the SQL for the direction."""
    order = request.args.get("order_by", "-created_at")
    name = order.lstrip("+- ")
    if name not in orders:
        raise invalid_value("order_by")
    return name, "DESC" if order.startswith("-") else "ASC"


def refuse_unknown(known: frozenset[str]) -> None:
    """Refuse a filter that is not emulated: to ignore it would answer with what nobody asked for."""
    for name in request.args:
        if name not in known:
            raise invalid_parameter(
                name, "form_param_unknown", "is unknown", f"{name} is not a valid parameter for this request."
            )


def invalid_value(param: str) -> ClerkError:
    return invalid_parameter(param, "form_param_value_invalid", "is invalid", f"{param} is invalid")


def read_number(name: str, default: int) -> int:
    """Read a whole number of 0 or more."""
    text = request.args.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise invalid_parameter(
            name, "form_param_format_invalid", "is invalid", f"{name} must be a whole number of 0 or more."
        )
    return int(text)
