"""What all that clients send has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.schemas.fields import Omittable
from backend.services.core.ids import ID


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
