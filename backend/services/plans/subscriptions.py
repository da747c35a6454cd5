"""The subscription of each user: its plan as it is written down, and how much of it is used."""

from typing import NamedTuple

from sqlalchemy import Connection, TextClause, func, select, text, update

from backend.models import Subscription
from backend.models.roles_plans_scopes import Plan
from backend.models.subscription import HAS_LAPSED
from backend.models.usage_metrics import MONTH_START
from backend.resources import quotas
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.outbox.announcements import AppEvent, announce_user
from backend.services.plans.catalogue import PLANS, TOKENS_BY_PLAN


class Use(NamedTuple):
    """What a user has now of what the plan limits: how many rows, by the name of the quota."""

    rows: dict[str, int]
    is_managed_by_clerk: bool


# All of the SQL below is ours; values are parameters.

# For those who only look, of `subscriptions s` and `usage_metrics m`: the plan that counts now, and its token limit. An
# ended plan is taken to be the free one, until its user comes again and end_lapsed asks what Clerk Billing says.
PLAN_NOW = f"CASE WHEN {HAS_LAPSED} THEN '{Plan.FREE}' ELSE s.plan END"
TOKENS_LIMIT_NOW = f"""
CASE WHEN {HAS_LAPSED} AND m.tokens_limit = CASE s.plan {TOKENS_BY_PLAN} END
     THEN {PLANS[Plan.FREE].tokens_a_month} ELSE m.tokens_limit END
"""

# A limit other than the old plan's was given to this user by hand, and stays: unless the new plan brings more.
SET_TOKENS_LIMIT = text(f"""
UPDATE usage_metrics SET tokens_limit = :new, updated_at = now()
WHERE user_id = :user_id AND period_start = {MONTH_START}
  AND (tokens_limit = :old OR (tokens_limit < :new AND :old < :new))
""")  # noqa: S608


def change_plan(connection: Connection, actor: Actor, user_id: int, plan: Plan) -> bool:
    """Set the plan of a complete user, the token limit of this month with it, and note it. False when it was so
    already.

    Later months take this month's limit over. Nothing that the user has is taken away, whatever the plan. Who may
    change it, and when, is said by the callers.
    """
    owned = Subscription.user_id == user_id
    written = select(Subscription.plan).where(owned).with_for_update(key_share=True)
    old = Plan(connection.execute(written).scalar_one())
    if plan == old:
        return False
    connection.execute(update(Subscription).where(owned).values(plan=plan, updated_at=func.now()))
    limits = {"old": PLANS[old].tokens_a_month, "new": PLANS[plan].tokens_a_month}
    connection.execute(SET_TOKENS_LIMIT, limits | {"user_id": user_id})
    audit.record(connection, actor, Action.USER_PLAN_CHANGED, user_id, **{"from": old, "to": plan})
    announce_user(connection, AppEvent.SUBSCRIPTION_CHANGED, user_id)
    return True


def read_use(connection: Connection, user_id: int) -> Use:
    """Of a complete user."""
    row = dict(connection.execute(select_use(), {"user_id": user_id}).mappings().one())
    return Use(is_managed_by_clerk=row.pop("is_managed_by_clerk"), rows=row)


def select_use() -> TextClause:
    """The statement that counts all that the plans limit."""
    counts = "".join(f"({owned.counting('s.user_id')}) AS {quota.name}, " for owned, quota in quotas())
    return text(f"""
    SELECT {counts} s.clerk_subscription_id IS NOT NULL AS is_managed_by_clerk
    FROM subscriptions s WHERE s.user_id = :user_id
    """)  # noqa: S608
