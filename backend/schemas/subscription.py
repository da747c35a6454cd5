"""The caller's plan as `/api/subscription` shows it."""

from typing import Any, Self

from pydantic import Field, create_model

from backend.models.roles_plans_scopes import Plan
from backend.resources import OWNED, quotas, row_limits
from backend.schemas.account import SubscriptionOut
from backend.services.plans.catalogue import all_limits
from backend.services.plans.subscriptions import Use
from backend.services.users.accounts import Account

# Their members are those of backend/resources.py. Null only where a plan says so.
MEANINGS = {owned.newest.name: owned.newest.meaning for owned in OWNED if owned.newest}
ROW_LIMITS: dict[str, Any] = {
    name: (
        int | None if any(row_limits(plan)[name] is None for plan in Plan) else int,
        Field(description=MEANINGS.get(name)),
    )
    for name in row_limits(Plan.FREE)
}
ROWS_USED: dict[str, Any] = {quota.name: int for _, quota in quotas()}


class LimitsOut(create_model("RowLimits", **ROW_LIMITS)):  # type: ignore[misc] # a class made of names
    """null: as many as you like. `tokens_a_month`: by calendar month, UTC."""

    tokens_a_month: int
    rate_tier: str


class UsedOut(create_model("RowsUsed", **ROWS_USED)):  # type: ignore[misc]
    """What there is now, and the tokens used this month. After a change to a smaller plan it may be above the limits."""  # noqa: E501

    tokens: int


class PlanOut(LimitsOut):
    plan: Plan


class PlanUseOut(SubscriptionOut):
    """`limits` are the caller's: an admin may have given a token limit other than the plan's. `plans` are all there are."""  # noqa: E501

    is_managed_by_clerk: bool
    limits: LimitsOut
    used: UsedOut
    plans: list[PlanOut]

    @classmethod
    def of_use(cls, account: Account, use: Use) -> Self:
        own_limits = all_limits(Plan(str(account.plan))) | {"tokens_a_month": account.tokens_limit}
        return cls.model_validate(
            account._asdict()
            | {
                "is_managed_by_clerk": use.is_managed_by_clerk,
                "limits": own_limits,
                "used": use.rows | {"tokens": account.tokens_used},
                "plans": [{"plan": plan} | all_limits(plan) for plan in Plan],
            }
        )
