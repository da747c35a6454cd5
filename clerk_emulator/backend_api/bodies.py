"""Request bodies: JSON read with care, validated, and refused in Clerk's words."""

from http import HTTPStatus
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict

from clerk_emulator.errors import ClerkError
from clerk_emulator.fields import parse, read_json_object


class Body(BaseModel):
    """Strict, and closed: a parameter that this emulator does not know is refused, never dropped in silence."""

    model_config = ConfigDict(extra="forbid", strict=True)


BodyT = TypeVar("BodyT", bound=BaseModel)


def read_body(model: type[BodyT]) -> BodyT:
    """Read the request's JSON as `model`; no body at all is an empty one."""
    return parse(model, _read_object())


def _read_object() -> dict[str, Any]:
    raw = request.get_data()
    try:
        return read_json_object(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ClerkError(
            HTTPStatus.BAD_REQUEST,
            "request_body_invalid",
            "Request body invalid",
            "The request body is invalid. Please consult the API documentation for more information.",
        ) from error
