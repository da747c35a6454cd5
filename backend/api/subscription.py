"""The caller's plan."""

from flask import Blueprint
from sqlalchemy import Connection

from backend.access.policy import get_account
from backend.api.http.operation import operation
from backend.schemas.subscription import PlanUseOut
from backend.services.plans.subscriptions import read_use

blueprint = Blueprint("subscriptions", __name__)


@blueprint.get("")
@operation(PlanUseOut)
def show(connection: Connection) -> PlanUseOut:
    """Plan, limits and what is used of them; and what the other plans allow."""
    account = get_account()
    return PlanUseOut.of_use(account, read_use(connection, account.user_id))
