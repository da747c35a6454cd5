"""Request bodies: JSON read with care, validated, and refused in Clerk's words."""

import json
import re
from http import HTTPStatus
from typing import Annotated, Any, NoReturn, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from clerk_emulator.errors import ClerkError, invalid_parameter

# Deeper than any sane metadata, far from the depth at which Python's own JSON encoder gives up.
_MAX_NESTING = 64
_METADATA_LIMIT = 8 * 1024

_EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")

# pydantic's error types in Clerk's catalogue: code, message, long message.
_REFUSALS = {
    "extra_forbidden": (
        "form_param_unknown",
        "is unknown",
        "{param} is not a valid parameter for this request.",
    ),
    "missing": ("form_param_missing", "is missing", "{param} must be included."),
    "value_error": ("form_param_format_invalid", "is invalid", "{param} is invalid: {reason}."),
    "string_pattern_mismatch": ("form_param_format_invalid", "is invalid", "{param} has an invalid format."),
    "string_too_long": ("form_param_max_length_exceeded", "exceeds maximum length", "{param} is too long."),
    "greater_than_equal": ("form_param_value_invalid", "is invalid", "{param} is too small."),
    "less_than_equal": (
        "form_param_value_too_large",
        "Value too large",
        "The value of {param} is too large.",
    ),
}
_WRONG_TYPE = ("form_param_type_invalid", "is invalid", "`{param}` has the wrong type.")


def _email_address(value: str) -> str:
    if not _EMAIL_ADDRESS.fullmatch(value):
        raise ValueError("must be a valid email address")
    return value.lower()


def _small_enough(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _METADATA_LIMIT:
        raise ValueError("metadata may not exceed 8 KB")
    return value


EmailAddress = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email_address)]
ShortText = Annotated[str, StringConstraints(max_length=256)]
Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{4,64}$")]
Metadata = Annotated[dict[str, Any], AfterValidator(_small_enough)]
TokenLifetime = Annotated[int, Field(ge=30, le=315_360_000)]


class Body(BaseModel):
    """Strict, and closed: a parameter that this emulator does not know is refused, never dropped in silence."""

    model_config = ConfigDict(extra="forbid", strict=True)


BodyT = TypeVar("BodyT", bound=Body)


def read_body(model: type[BodyT]) -> BodyT:
    """Read the request's JSON as `model`; no body at all is an empty one."""
    try:
        return model.model_validate(_read_object())
    except ValidationError as error:
        raise _refusal(error) from None


def _read_object() -> dict[str, Any]:
    raw = request.get_data()
    try:
        value: object = json.loads(raw, parse_constant=_refuse_constant) if raw.strip() else {}
        return _storable_object(value)
    except (ValueError, RecursionError) as error:
        raise ClerkError(
            HTTPStatus.BAD_REQUEST,
            "request_body_invalid",
            "Request body invalid",
            "The request body is invalid. Please consult the API documentation for more information.",
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _storable_object(value: object) -> dict[str, Any]:
    """Refuse what could be read but not written again: half surrogate pairs, 1e999, bottomless nesting."""
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for every bad body
    level: list[Any] = [value]
    for _ in range(_MAX_NESTING):
        level = [child for item in level for child in _children(item)]
        if not level:
            break
    else:
        raise ValueError("nested too deeply")
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _children(item: object) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []


def _refusal(error: ValidationError) -> ClerkError:
    first = error.errors(include_url=False, include_input=False)[0]
    param = str(first["loc"][0])
    code, message, long_message = _REFUSALS.get(first["type"], _WRONG_TYPE)
    reason = first["msg"].removeprefix("Value error, ")
    return invalid_parameter(param, code, message, long_message.format(param=param, reason=reason))
