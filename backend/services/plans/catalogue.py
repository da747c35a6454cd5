"""What each plan allows. The one place that says so."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from backend.models.choices import Plan
from backend.models.usage_metrics import FREE_TOKENS_A_MONTH


class Limits(NamedTuple):
    """None: as many as you like. `campaigns` counts all that are not deleted; `tokens_a_month` is by calendar month,
    UTC.
    """

    campaigns: int | None
    tokens_a_month: int
    api_keys: int
    rate_tier: str


PLANS: Mapping[Plan, Limits] = MappingProxyType(
    {
        Plan.FREE: Limits(campaigns=3, tokens_a_month=FREE_TOKENS_A_MONTH, api_keys=5, rate_tier="free"),
        Plan.PRO: Limits(campaigns=100, tokens_a_month=250_000, api_keys=20, rate_tier="pro"),
        Plan.ENTERPRISE: Limits(campaigns=None, tokens_a_month=5_000_000, api_keys=50, rate_tier="enterprise"),
    }
)

# Clerk's default plan is named by Clerk; the others are named as ours when they are made in Clerk's dashboard.
CLERK_SLUGS: Mapping[str, Plan] = MappingProxyType({plan.value: plan for plan in Plan} | {"free_user": Plan.FREE})

# For SQL, as the arms of a CASE over a plan.
TOKENS_BY_PLAN = " ".join(f"WHEN '{plan}' THEN {limits.tokens_a_month}" for plan, limits in PLANS.items())
