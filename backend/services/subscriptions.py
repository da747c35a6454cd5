"""The plan of each user: setting it, taking it back when it has ended, and how much of it is used."""

from typing import NamedTuple

from sqlalchemy import Connection, text

from backend.models.choices import Plan
from backend.models.subscription import HAS_LAPSED
from backend.models.usage_metrics import MONTH_START
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.plans import PLANS
from backend.services.provisioning import complete_user


class Use(NamedTuple):
    """What a user has now of what the plan limits. The fields are the columns of READ_USE, in order."""

    campaigns: int
    api_keys: int
    is_managed_by_clerk: bool


# All of the SQL below is ours; values are parameters.
READ_PLAN = text("SELECT plan FROM subscriptions WHERE user_id = :user_id")
LOCK_PLAN = text("SELECT plan FROM subscriptions WHERE user_id = :user_id FOR NO KEY UPDATE")
LOCK_LAPSED = text(f"""
SELECT s.plan FROM subscriptions s WHERE s.user_id = :user_id AND {HAS_LAPSED} FOR NO KEY UPDATE
""")  # noqa: S608

SET_PLAN = text("UPDATE subscriptions SET plan = :plan, updated_at = now() WHERE user_id = :user_id")
# A plan that somebody gives has no end.
RESET_TERM = text("""
UPDATE subscriptions SET status = 'active', period_start = now(), period_end = NULL WHERE user_id = :user_id
""")
# A limit other than the old plan's was given to this user by an admin, and stays.
SET_TOKENS_LIMIT = text(f"""
UPDATE usage_metrics SET tokens_limit = :new, updated_at = now()
WHERE user_id = :user_id AND period_start = {MONTH_START} AND tokens_limit = :old
""")  # noqa: S608

READ_USE = text("""
SELECT (SELECT count(*) FROM campaigns WHERE user_id = s.user_id AND deleted_at IS NULL),
       (SELECT count(*) FROM api_keys
        WHERE user_id = s.user_id AND revoked_at IS NULL AND coalesce(expires_at > now(), true)),
       s.clerk_subscription_id IS NOT NULL
FROM subscriptions s WHERE s.user_id = :user_id
""")


def set_plan(connection: Connection, actor: Actor, user_id: int, plan: Plan) -> None:
    """Give a live user a plan, from now on and without an end. What is so already is no change.

    Where Clerk Billing manages the subscription, the next newer event of Clerk sets its plan again.
    """
    settle(connection, user_id)  # also: a legacy user may have no subscription yet
    if change_plan(connection, actor, user_id, plan):
        connection.execute(RESET_TERM, {"user_id": user_id})


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


def settle(connection: Connection, user_id: int) -> None:
    """Give a live user what is missing of subscription and usage, and take back a plan that has ended."""
    complete_user(connection, user_id=user_id)
    end_lapsed(connection, user_id)


def end_lapsed(connection: Connection, user_id: int) -> None:
    """Make a canceled plan whose period is over the free one. Clerk's own event of that may be late, or never come.

    Written down by whoever looks at the user next, so that every statement that reads the plan or the token limit agrees.
    """
    if connection.execute(LOCK_LAPSED, {"user_id": user_id}).first() is not None:
        complete_user(connection, user_id=user_id)
        change_plan(connection, audit.SYNC, user_id, Plan.FREE)


def read_plan(connection: Connection, user_id: int) -> Plan:
    """The plan that counts now. A user without a subscription has the free one."""
    end_lapsed(connection, user_id)
    return Plan(connection.execute(READ_PLAN, {"user_id": user_id}).scalar() or Plan.FREE)


def read_use(connection: Connection, user_id: int) -> Use:
    """Of a complete user."""
    return Use._make(connection.execute(READ_USE, {"user_id": user_id}).one())
