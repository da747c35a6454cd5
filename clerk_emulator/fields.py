"""What requests may contain, whichever way they carry it, and the refusals in Clerk's words."""

import json
import re
import unicodedata
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError

from clerk_emulator.errors import ClerkError, invalid_parameter

# Deeper than any sane metadata, far from the depth at which Python's own JSON encoder gives up.
_MAX_NESTING = 64
METADATA_LIMIT = 8 * 1024

_EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")

# pydantic's error types in Clerk's catalogue: code, message, long message.
_REFUSALS = {
    "extra_forbidden": ("form_param_unknown", "is unknown", "{param} is not a valid parameter for this request."),
    "missing": ("form_param_missing", "is missing", "{param} must be included."),
    "value_error": ("form_param_format_invalid", "is invalid", "{param} is invalid: {reason}."),
    "string_pattern_mismatch": ("form_param_format_invalid", "is invalid", "{param} has an invalid format."),
    "literal_error": ("form_param_value_invalid", "is invalid", "{param} is invalid, or not emulated."),
    "string_too_long": ("form_param_max_length_exceeded", "exceeds maximum length", "{param} is too long."),
    "greater_than_equal": ("form_param_value_invalid", "is invalid", "{param} is too small."),
    "less_than_equal": ("form_param_value_too_large", "Value too large", "The value of {param} is too large."),
}
_WRONG_TYPE = ("form_param_type_invalid", "is invalid", "`{param}` has the wrong type.")


def _printable(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("control characters are not allowed")
    return value


def _email_address(value: str) -> str:
    if not _EMAIL_ADDRESS.fullmatch(value):
        raise ValueError("must be a valid email address")
    return value.lower()


def _small_enough(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > METADATA_LIMIT:
        raise ValueError("metadata may not exceed 8 KB")
    return value


EmailAddress = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(_printable), AfterValidator(_email_address)
]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
ShortText = Annotated[str, StringConstraints(max_length=256), AfterValidator(_printable)]
Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{4,64}$")]
Metadata = Annotated[dict[str, Any], AfterValidator(_small_enough)]
TokenLifetime = Annotated[int, Field(ge=30, le=315_360_000)]

Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], values: dict[str, Any]) -> Model:
    """Read `values` as `model`. Raises ClerkError that names the first parameter at fault."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(error) from None


def read_json_object(raw: str | bytes) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError or RecursionError, also for what could not be written again: NaN, 1e999,
    half surrogate pairs, bottomless nesting.
    """
    value: object = json.loads(raw, parse_constant=_refuse_constant)
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


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


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
