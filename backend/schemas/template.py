"""Templates as clients send and see them."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.models.base import LAST_ID
from backend.schemas.base import PageQuery
from backend.schemas.fields import Omittable
from backend.schemas.preset import PresetChanges, PresetOut, with_budget
from backend.services.campaigns.templates import Template, TemplatePage


class TemplateIn(PresetChanges):
    """A template to make. `is_shared`: for everybody; admins only."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["name", "channel"],
            "examples": [{"name": "Sale", "channel": "email"}],
        }
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

    @property
    def before(self) -> int:
        return int(self.cursor or LAST_ID)


class TemplateOut(PresetOut):
    template_id: int
    is_shared: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, template: Template) -> Self:
        columns = template._asdict()
        return cls.model_validate(with_budget(columns) | {"is_shared": template.user_id is None})


class TemplatesOut(BaseModel):
    """A page, newest first. `next_cursor` is null on the last one."""

    templates: list[TemplateOut]
    next_cursor: str | None

    @classmethod
    def of(cls, page: TemplatePage) -> Self:
        cursor = None if page.next_before is None else str(page.next_before)
        return cls(templates=[TemplateOut.of(one) for one in page.templates], next_cursor=cursor)
