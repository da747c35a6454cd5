"""Setting the plan of a user, and the token limit with it. Who may, and when, is said elsewhere."""

from sqlalchemy import Connection, text

from backend.models.choices import Plan
from backend.models.usage_metrics import MONTH_START
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.plans.catalogue import PLANS

LOCK_PLAN = text("SELECT plan FROM subscriptions WHERE user_id = :user_id FOR NO KEY UPDATE")
SET_PLAN = text("UPDATE subscriptions SET plan = :plan, updated_at = now() WHERE user_id = :user_id")
# A limit other than the old plan's was given to this user by hand, and stays: unless the new plan brings more.
SET_TOKENS_LIMIT = text(f"""
UPDATE usage_metrics SET tokens_limit = :new, updated_at = now()
WHERE user_id = :user_id AND period_start = {MONTH_START}
  AND (tokens_limit = :old OR (tokens_limit < :new AND :old < :new))
""")  # noqa: S608 - all of it is ours


def change_plan(connection: Connection, actor: Actor, user_id: int, plan: Plan) -> bool:
    """Set the plan of a complete user, the token limit of this month with it, and note it. False when it was so already.

    Later months take this month's limit over. Nothing that the user has is taken away, whatever the plan.
    """
    old = Plan(connection.execute(LOCK_PLAN, {"user_id": user_id}).scalar_one())
    if plan == old:
        return False
    connection.execute(SET_PLAN, {"user_id": user_id, "plan": plan})
    limits = {"old": PLANS[old].tokens_a_month, "new": PLANS[plan].tokens_a_month}
    connection.execute(SET_TOKENS_LIMIT, limits | {"user_id": user_id})
    audit.record(connection, actor, Action.USER_PLAN_CHANGED, user_id, **{"from": old, "to": plan})
    return True
