"""Whether the service lives and can serve."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class StatusOut(BaseModel):
    status: Literal["ok"]


class ReadyOut(BaseModel):
    """`schema`: the migration that the database is at."""

    model_config = ConfigDict(serialize_by_alias=True)

    status: Literal["ready"]
    revision: str = Field(serialization_alias="schema")
