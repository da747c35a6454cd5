"""The caller's tokens of this month."""

from flask import Blueprint
from sqlalchemy import Connection

from backend.access.policy import get_current_user_id
from backend.api.http.operation import operation
from backend.errors import ErrorCode
from backend.schemas.usage import BalanceOut, SpendIn, TokensOut
from backend.services.plans.usage import Balance, balance_of, read_months, spend_tokens

blueprint = Blueprint("tokens", __name__)


@blueprint.get("")
@operation(TokensOut)
def show(connection: Connection) -> dict[str, object]:
    """What is left of this month, and the months before."""
    months = read_months(connection, get_current_user_id())
    balance = balance_of(months[0])
    return balance._asdict() | {"remaining": balance.remaining, "history": months}


@blueprint.post("/consume")
@operation(BalanceOut, is_idempotent=True, refuses=[ErrorCode.QUOTA_EXCEEDED])
def consume(connection: Connection, body: SpendIn) -> Balance:
    """Spend some, or nothing when too few are left."""
    return spend_tokens(connection, get_current_user_id(), body.amount)
