"""What all that clients send has in common."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from backend.models.base import ID
from backend.schemas.fields import Omittable


class Input(BaseModel):
    """A JSON body. Unknown members are refused, and no value is taken for one of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(Input):
    """No member at all."""


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
        default=50, ge=1, le=100, description="At most so many."
    )
    cursor: Omittable[Annotated[str, StringConstraints(pattern=f"^{ID}$")]] = Field(
        default=None, description=CURSOR
    )
