"""What all that clients send has in common, and all that they are sent."""

import re
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backend.models.base import ID
from backend.schemas.fields import Omittable


class Input(BaseModel):
    """A JSON body. Unknown members are refused, and no value is taken for one of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(Input):
    """No member at all."""


class AtLeastOne(Input):
    """Of the members, at least one is named."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # Not in json_schema_extra: a subclass that has one for its examples would take its place.
        return handler(core) | {"minProperties": 1}

    @model_validator(mode="after")
    def _check_members(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"name at least one of {', '.join(type(self).model_fields)}")
        return self


class Output(BaseModel):
    """Read from a row of a service, which may have another name for a member: its `validation_alias`."""

    model_config = ConfigDict(from_attributes=True)


# Read from the `before` of the next page.
NextCursor = Annotated[Annotated[str, Field(coerce_numbers_to_str=True)] | None, Field(validation_alias="next_before")]


def _check_digits(text: object) -> object:
    """Before pydantic, which takes +5, 1_0 and 5.0 for numbers too."""
    if isinstance(text, str) and not re.fullmatch(ID, text):
        raise ValueError("must be a number without a sign or a leading zero")
    return text


CURSOR = "The next_cursor of the page before; the other parameters as for that page."


class Query(BaseModel):
    """A query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    """One page of a list."""

    limit: Annotated[int, BeforeValidator(_check_digits)] = Field(
        default=50, ge=1, le=100, description="At most so many; fewer when their texts are long."
    )
    cursor: Omittable[Annotated[str, StringConstraints(pattern=f"^{ID}$")]] = Field(default=None, description=CURSOR)

    @property
    def before(self) -> int | None:
        """The id that the page begins below."""
        return None if self.cursor is None else int(self.cursor)
