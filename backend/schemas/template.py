"""Templates as clients send and see them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from backend.schemas.base import NextCursor, Output, PageQuery
from backend.schemas.fields import Omittable
from backend.schemas.preset import PresetChanges, PresetOut


class TemplateIn(PresetChanges):
    """A template to make. `is_shared`: for everybody; admins only."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["name", "channel"], "examples": [{"name": "Sale", "channel": "email"}]}
    )

    is_shared: bool = False

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.name is None or self.channel is None:
            raise ValueError("name and channel are needed")
        return self


class TemplateQuery(PageQuery):
    """Which templates to list: by default the caller's own and the shared ones."""

    scope: Omittable[Literal["own", "shared"]] = Field(
        default=None, description="Without it, both the caller's own and the shared ones."
    )


def _has_no_owner(user_id: int | None) -> bool:
    return user_id is None


class TemplateOut(PresetOut):
    template_id: int
    is_shared: Annotated[bool, BeforeValidator(_has_no_owner)] = Field(validation_alias="user_id")
    created_at: datetime
    updated_at: datetime


class TemplatesOut(Output):
    """A page, newest first. `next_cursor` is null on the last one."""

    templates: list[TemplateOut]
    next_cursor: NextCursor
