"""What each plan allows, and what is said when it has no more room. How many rows: backend/resources.py."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import Plan
from backend.models.usage_metrics import FREE_TOKENS_A_MONTH
from backend.resources import row_limits


class Limits(NamedTuple):
    """What a plan allows besides rows, which backend/resources.py says. `tokens_a_month`: by calendar month, UTC."""

    tokens_a_month: int
    rate_tier: str


PLANS: Mapping[Plan, Limits] = MappingProxyType(
    {
        Plan.FREE: Limits(FREE_TOKENS_A_MONTH, "free"),
        Plan.PRO: Limits(250_000, "pro"),
        Plan.ENTERPRISE: Limits(5_000_000, "enterprise"),
    }
)

# Clerk's default plan is named by Clerk; the others are named as ours when they are made in Clerk's dashboard.
CLERK_SLUGS: Mapping[str, Plan] = MappingProxyType({plan.value: plan for plan in Plan} | {"free_user": Plan.FREE})

# For SQL, as the arms of a CASE over a plan.
TOKENS_BY_PLAN = " ".join(f"WHEN '{plan}' THEN {limits.tokens_a_month}" for plan, limits in PLANS.items())


def quota_exceeded(detail: str, *, limit: int, used: int, resets_at: datetime | None = None) -> AppError:
    """The 402. `resets_at`: when there is room again by itself; None for what only deleting or a larger plan helps."""
    members = {
        "limit": limit,
        "used": used,
        "remaining": max(0, limit - used),
        "resets_at": None if resets_at is None else f"{resets_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return AppError(ErrorCode.QUOTA_EXCEEDED, detail, members=members)


def all_limits(plan: Plan) -> dict[str, object]:
    """What the plan allows of everything, by name."""
    return {**row_limits(plan), **PLANS[plan]._asdict()}
