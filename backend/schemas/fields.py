"""The kinds of values that clients send."""

import re
from datetime import UTC, datetime
from typing import Annotated, TypeVar, cast

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

# Nothing that PostgreSQL cannot hold, that a terminal would obey, or that turns the direction of writing.
UNSEEN = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=rf"^[^\n{UNSEEN}]+$")
]
Text = Annotated[str, StringConstraints(max_length=5_000, pattern=rf"^[^{UNSEEN}]*$")]

RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _read_time(value: object) -> object:
    """Before pydantic, which takes a number of seconds for a time too."""
    if not isinstance(value, str):
        return value
    if not RFC_3339.fullmatch(value):
        raise ValueError("must be a time like 2026-01-31T18:00:00Z, with its offset (RFC 3339)")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:  # whose text repeats what was sent
        raise ValueError("is no time that there is") from None


def _to_utc(time: datetime) -> datetime:
    # PostgreSQL refuses offsets beyond 15:59, Python takes 23:59. The years 1 and 9999 have no UTC everywhere.
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


Time = Annotated[AwareDatetime, BeforeValidator(_read_time), AfterValidator(_to_utc)]

T = TypeVar("T")


def unique_items(problem: str) -> tuple[FieldInfo, AfterValidator]:
    """For a list without repetitions. `problem`: the message for one that has some."""

    def check(items: list[T]) -> list[T]:
        if len(set(items)) != len(items):
            raise ValueError(problem)
        return items

    return Field(json_schema_extra={"uniqueItems": True}), AfterValidator(check)


class _NeverNull:
    """Takes the null out of the description."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        (described,) = (kind for kind in handler(schema)["anyOf"] if kind != {"type": "null"})
        return cast("JsonSchemaValue", described)


def _refuse_null(value: object) -> object:
    """Sees only what was sent: a default is not validated."""
    if value is None:
        raise ValueError("cannot be null")
    return value


# What may be left out, which None stands for, and is never null where it was sent.
Omittable = Annotated[T | None, BeforeValidator(_refuse_null), _NeverNull()]
