"""Tokens as clients spend and see them."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from backend.schemas.base import Input, Output

# A program that asks for more has most likely taken another number for the amount.
MOST_AT_ONCE = 1_000_000


class SpendIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 25}]})

    amount: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]


class BalanceOut(Output):
    """This calendar month, UTC. `resets_at`: when the next one begins."""

    remaining: int
    used: int = Field(validation_alias="tokens_used")
    limit: int = Field(validation_alias="tokens_limit")
    resets_at: datetime = Field(validation_alias="period_end")


class MonthOut(Output):
    period_start: datetime
    tokens_used: int
    tokens_limit: int
    campaigns_created: int
    api_requests: int


class TokensOut(BalanceOut):
    """`history`: newest first, from the current month back. `api_requests` may be ten seconds behind."""

    history: list[MonthOut]
