"""What each plan allows: the one place that says so. And what is said when a plan has no more room."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import Plan
from backend.models.usage_metrics import FREE_TOKENS_A_MONTH


class Limits(NamedTuple):
    """None: as many as you like. `campaigns` counts those not deleted; `tokens_a_month` is by calendar month, UTC.

    The last two refuse nothing: of deleted campaigns, and of responses kept by Idempotency-Key, the newest are kept.
    """

    campaigns: int | None
    templates: int
    tokens_a_month: int
    api_keys: int
    deleted_campaigns: int
    kept_responses: int
    rate_tier: str


PLANS: Mapping[Plan, Limits] = MappingProxyType(
    {
        Plan.FREE: Limits(
            campaigns=3,
            templates=10,
            tokens_a_month=FREE_TOKENS_A_MONTH,
            api_keys=5,
            deleted_campaigns=50,
            kept_responses=500,
            rate_tier="free",
        ),
        Plan.PRO: Limits(
            campaigns=100,
            templates=100,
            tokens_a_month=250_000,
            api_keys=20,
            deleted_campaigns=200,
            kept_responses=1_000,
            rate_tier="pro",
        ),
        Plan.ENTERPRISE: Limits(
            campaigns=None,
            templates=1_000,
            tokens_a_month=5_000_000,
            api_keys=50,
            deleted_campaigns=1_000,
            kept_responses=5_000,
            rate_tier="enterprise",
        ),
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
