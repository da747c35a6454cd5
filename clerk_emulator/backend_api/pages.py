"""Query parameters that lists share."""

import re

from flask import request

from clerk_emulator.errors import ClerkError, invalid_parameter

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 500


def read_limit() -> int:
    """Read `limit`; Clerk quietly uses 10 for a number that is out of range."""
    limit = _read_number("limit", _DEFAULT_LIMIT)
    return limit if 1 <= limit <= _MAX_LIMIT else _DEFAULT_LIMIT


def read_offset() -> int:
    return _read_number("offset", 0)


def refuse_unknown(known: frozenset[str]) -> None:
    """Refuse a filter that is not emulated: to ignore it would answer with users nobody asked for."""
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
