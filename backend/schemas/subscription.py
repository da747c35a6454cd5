"""The caller's plan as `/api/subscription` shows it."""

from typing import Self

from pydantic import BaseModel

from backend.models.roles_plans_scopes import Plan
from backend.schemas.account import SubscriptionOut
from backend.services.plans.catalogue import PLANS
from backend.services.plans.subscriptions import Use
from backend.services.users.accounts import Account


class LimitsOut(BaseModel):
    """`campaigns` null: as many as you like. `tokens_a_month`: by calendar month, UTC. `deleted_campaigns`: of the deleted ones the newest so many can be restored. `kept_responses`: so many requests can be sent again with their Idempotency-Key."""  # noqa: E501

    campaigns: int | None
    templates: int
    tokens_a_month: int
    api_keys: int
    deleted_campaigns: int
    kept_responses: int
    rate_tier: str


class UsedOut(BaseModel):
    """What there is now, and the tokens used this month. After a change to a smaller plan it may be above the limits."""  # noqa: E501

    campaigns: int
    templates: int
    tokens: int
    api_keys: int


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
        own_limits = PLANS[Plan(str(account.plan))]._asdict() | {"tokens_a_month": account.tokens_limit}
        return cls.model_validate(
            account._asdict()
            | {
                "is_managed_by_clerk": use.is_managed_by_clerk,
                "limits": own_limits,
                "used": use._asdict() | {"tokens": account.tokens_used},
                "plans": [{"plan": plan} | limits._asdict() for plan, limits in PLANS.items()],
            }
        )
