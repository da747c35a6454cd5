"""The caller's plan."""

from flask import Blueprint, Response

from backend.access.policies import get_caller
from backend.extensions import in_transaction
from backend.schemas.subscription import PlanUseOut
from backend.services.subscriptions import read_use

blueprint = Blueprint("subscriptions", __name__)


@blueprint.get("")
def show() -> Response:
    """Plan, limits and what is used of them; and what the other plans allow."""
    account = get_caller().account
    use = in_transaction(lambda connection: read_use(connection, account.user_id))
    return Response(PlanUseOut.of_use(account, use).model_dump_json(), content_type="application/json")
