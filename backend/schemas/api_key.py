"""API keys as clients send and see them."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import ConfigDict, Field

from backend.models.roles_plans_scopes import Scope
from backend.schemas.base import Input, NextCursor, Output
from backend.schemas.fields import Line, Time, unique_items

LONGEST_OVERLAP = timedelta(days=7)
OVERLAP = timedelta(days=1)


Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope)), *unique_items("a scope stands twice")]


class KeyIn(Input):
    """A key to make. Without `expires_at` it never expires. A scope that changes or spends includes the one that
    reads.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Backup script", "scopes": [Scope.PROFILE_READ]}]}
    )

    name: Line
    scopes: Scopes
    expires_at: Time | None = None


class RotationIn(Input):
    """How to replace a key. Without `expires_at` the new one lives as long as the old one was to live."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    overlap_seconds: int = Field(default=int(OVERLAP.total_seconds()), ge=0, le=int(LONGEST_OVERLAP.total_seconds()))
    expires_at: Time | None = None


class KeyOut(Output):
    """`replaced_by`: the key_id that it was rotated to. `last_four` ends the key, `prefix` begins it: enough to tell keys
    apart, useless to guess one.
    """  # noqa: E501

    key_id: int
    name: str
    prefix: str
    last_four: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: int | None


class NewKeyOut(KeyOut):
    """`key` is shown here and never again."""

    key: str


class KeysOut(Output):
    """A page, newest first. `next_cursor` is null on the last one."""

    keys: list[KeyOut]
    next_cursor: NextCursor
