"""The caller's tokens of this month."""

from http import HTTPStatus

from flask import Blueprint
from sqlalchemy import Connection

from backend.access.policy import get_current_user_id
from backend.api.http.idempotency import Work, idempotent
from backend.api.http.operation import operation
from backend.container import in_transaction
from backend.errors import ErrorCode
from backend.schemas.usage import BalanceOut, SpendIn, TokensOut
from backend.services.idempotency import ApiResponse
from backend.services.plans.usage import read_months, spend_tokens

blueprint = Blueprint("tokens", __name__)


@blueprint.get("")
@operation(TokensOut)
def show() -> TokensOut:
    """What is left of this month, and the months before."""
    user_id = get_current_user_id()
    return TokensOut.of_months(in_transaction(lambda connection: read_months(connection, user_id)))


@blueprint.post("/consume")
@operation(BalanceOut, refuses=[ErrorCode.QUOTA_EXCEEDED])
@idempotent
def consume(body: SpendIn) -> Work:
    """Spend some, or nothing when too few are left."""
    user_id = get_current_user_id()

    def spend(connection: Connection) -> ApiResponse:
        balance = spend_tokens(connection, user_id, body.amount)
        return ApiResponse(HTTPStatus.OK, BalanceOut.of(balance).model_dump_json())

    return spend
