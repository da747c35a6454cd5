"""Specimens as clients send and see them."""

from datetime import datetime
from typing import Any

from backend.schemas.base import AtLeastOne, Input, NextCursor, Output
from backend.schemas.fields import Line, Omittable, Text


class SpecimenIn(Input):
    name: Line
    description: Text | None = None


class SpecimenChanges(AtLeastOne):
    name: Omittable[Line] = None
    description: Text | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What was sent."""
        return self.model_dump(exclude_unset=True)


class SpecimenOut(Output):
    specimen_id: int
    name: str
    description: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class SpecimensOut(Output):
    """A page, newest first. `next_cursor` is null on the last one."""

    specimens: list[SpecimenOut]
    next_cursor: NextCursor
