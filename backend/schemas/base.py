"""What all that clients send has in common."""

from typing import Annotated, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backend.services.core.ids import ID

# One line of text that PostgreSQL can hold and a terminal can show: no control characters, nothing that turns the
# direction of writing.
Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069]+$",
    ),
]


T = TypeVar("T")


class _NeverNull:
    """Takes the null out of the description."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        (described,) = (kind for kind in handler(schema)["anyOf"] if kind != {"type": "null"})
        return cast("JsonSchemaValue", described)


def _refuse_null(value: object) -> object:
    """Sees only what was sent: a default is not validated."""
    if value is None:
        raise ValueError("cannot be null")
    return value


# What may be left out, which None stands for, and is never null where it was sent.
Omittable = Annotated[T | None, BeforeValidator(_refuse_null), _NeverNull()]


class Input(BaseModel):
    """A JSON body. Unknown members are refused, and no value is taken for one of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(Input):
    """No member at all."""


class Query(BaseModel):
    """A query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    """One page of a list. `cursor`: the `next_cursor` of the page before, its lowest id."""

    limit: int = Field(default=50, ge=1, le=100)
    cursor: Omittable[Annotated[str, StringConstraints(pattern=f"^{ID}$")]] = None
