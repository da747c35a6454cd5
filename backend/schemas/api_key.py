"""API keys as clients send and see them."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backend.models.choices import Scope
from backend.schemas.base import Input
from backend.schemas.fields import Line, Time
from backend.services.api_keys.keys import ApiKey

LONGEST_OVERLAP = timedelta(days=7)
OVERLAP = timedelta(days=1)


def _check_no_repeats(scopes: list[Scope]) -> list[Scope]:
    if len(set(scopes)) != len(scopes):
        raise ValueError("a scope stands twice")
    return scopes


Scopes = Annotated[
    list[Scope],
    Field(min_length=1, max_length=len(Scope), json_schema_extra={"uniqueItems": True}),
    AfterValidator(_check_no_repeats),
]


class KeyIn(Input):
    """A key to make. Without `expires_at` it never expires."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Backup script", "scopes": [Scope.CAMPAIGNS_READ]}]}
    )

    name: Line
    scopes: Scopes
    expires_at: Time | None = None


class RotationIn(Input):
    """How to replace a key. Without `expires_at` the new one lives as long as the old one was to live."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    overlap_seconds: int = Field(
        default=int(OVERLAP.total_seconds()), ge=0, le=int(LONGEST_OVERLAP.total_seconds())
    )
    expires_at: Time | None = None


class KeyOut(BaseModel):
    """`replaced_by`: the key_id that it was rotated to. `last_four` ends the key, `prefix` begins it: enough to tell keys
    apart, useless to guess one.
    """

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

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls.model_validate(key._asdict())


class NewKeyOut(KeyOut):
    """`key` is shown here and never again."""

    key: str

    @classmethod
    def with_secret(cls, key: ApiKey, secret: str) -> Self:
        return cls.model_validate(key._asdict() | {"key": secret})


class KeysOut(BaseModel):
    """A page, newest first. `next_cursor` is null on the last one."""

    keys: list[KeyOut]
    next_cursor: str | None
