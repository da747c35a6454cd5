"""Query parameters that lists share."""

import re
from collections.abc import Container

from flask import request

from clerk_emulator.errors import ClerkError, invalid_parameter

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 500
_MAX_VALUES = 100


def read_limit() -> int:
    """Read `limit`; Clerk quietly uses 10 for a number that is out of range."""
    limit = _read_number("limit", _DEFAULT_LIMIT)
    return limit if 1 <= limit <= _MAX_LIMIT else _DEFAULT_LIMIT


def read_offset() -> int:
    return _read_number("offset", 0)


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


def _read_number(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise invalid_parameter(
            name, "form_param_format_invalid", "is invalid", f"{name} must be a whole number of 0 or more."
        )
    return int(text)
