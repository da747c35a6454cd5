"""What all that clients send has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

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


class Input(BaseModel):
    """A JSON body. Unknown members are refused, and no value is taken for one of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """A query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    """One page of a list. `cursor`: the `next_cursor` of the page before, its lowest id."""

    limit: int = Field(default=50, ge=1, le=100)
    cursor: Annotated[str, StringConstraints(pattern=f"^{ID}$")] | None = None
