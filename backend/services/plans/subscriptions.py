"""The plan of each user: setting it, taking it back when it has ended, and how much of it is used."""

from typing import NamedTuple

from sqlalchemy import Connection, text

from backend.models.api_key import IS_USABLE
from backend.models.choices import Plan
from backend.models.subscription import HAS_LAPSED
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.clerk import billing_projection as clerk_subscriptions
from backend.services.plans.catalogue import PLANS
from backend.services.plans.plan_changes import change_plan
from backend.services.users.provisioning import TOKENS_BY_PLAN, complete_user


class Use(NamedTuple):
    """What a user has now of what the plan limits. The fields are the columns of READ_USE, in order."""

    campaigns: int
    api_keys: int
    is_managed_by_clerk: bool


# All of the SQL below is ours; values are parameters.

# For those who only look, of `subscriptions s` and `usage_metrics m`: the plan that counts now, and its token limit. An ended
# plan is taken to be the free one, until its user comes again and end_lapsed asks Clerk Billing's word.
PLAN_NOW = f"CASE WHEN {HAS_LAPSED} THEN '{Plan.FREE}' ELSE s.plan END"
TOKENS_LIMIT_NOW = f"""
CASE WHEN {HAS_LAPSED} AND m.tokens_limit = CASE s.plan {TOKENS_BY_PLAN} END
     THEN {PLANS[Plan.FREE].tokens_a_month} ELSE m.tokens_limit END
"""

READ_PLAN = text("SELECT plan FROM subscriptions WHERE user_id = :user_id")
LOCK_LAPSED = text(f"""
SELECT s.plan FROM subscriptions s WHERE s.user_id = :user_id AND {HAS_LAPSED} FOR NO KEY UPDATE
""")  # noqa: S608

# A plan that somebody gives has no end, and is none of Clerk's. One that is so already and was not to end stays as it is.
RESET_TERM = text("""
UPDATE subscriptions
SET status = 'active', period_start = now(), period_end = NULL, clerk_subscription_id = NULL, updated_at = now()
WHERE user_id = :user_id AND (:is_new OR (plan <> 'free' AND status <> 'active'))
""")

READ_USE = text(f"""
SELECT (SELECT count(*) FROM campaigns WHERE user_id = s.user_id AND deleted_at IS NULL),
       (SELECT count(*) FROM api_keys WHERE user_id = s.user_id AND {IS_USABLE}),
       s.clerk_subscription_id IS NOT NULL
FROM subscriptions s WHERE s.user_id = :user_id
""")  # noqa: S608


def set_plan(connection: Connection, actor: Actor, user_id: int, plan: Plan) -> None:
    """Give a live user a plan, from now on and without an end. What is so already is no change.

    Clerk Billing replaces it by one that is bought there later, but not by its free one.
    """
    settle(connection, user_id)  # also: a legacy user may have no subscription yet
    is_new = change_plan(connection, actor, user_id, plan)
    reset = connection.execute(RESET_TERM, {"user_id": user_id, "is_new": is_new})
    if reset.rowcount and not is_new:
        audit.record(connection, actor, Action.USER_PLAN_CHANGED, user_id, **{"from": plan, "to": plan})


def settle(connection: Connection, user_id: int) -> None:
    """Give a live user what is missing of subscription and usage, and take back a plan that has ended."""
    complete_user(connection, user_id=user_id)
    end_lapsed(connection, user_id)


def end_lapsed(connection: Connection, user_id: int) -> None:
    """Put in the place of a canceled plan whose period is over what Clerk grants now, else the free one. Clerk's own event
    of that may be late, or never come.

    Written down with the user's next request, so that every statement that reads the plan or the token limit agrees.
    """
    if connection.execute(LOCK_LAPSED, {"user_id": user_id}).first() is None:
        return
    complete_user(connection, user_id=user_id)
    state = clerk_subscriptions.read_state(connection, user_id)
    if state is None:
        change_plan(connection, audit.SYNC, user_id, Plan.FREE)
    else:
        clerk_subscriptions.follow(connection, user_id, state)


def read_plan(connection: Connection, user_id: int) -> Plan:
    """The plan that counts now. A user without a subscription has the free one."""
    end_lapsed(connection, user_id)
    return Plan(connection.execute(READ_PLAN, {"user_id": user_id}).scalar() or Plan.FREE)


def read_use(connection: Connection, user_id: int) -> Use:
    """Of a complete user."""
    return Use._make(connection.execute(READ_USE, {"user_id": user_id}).one())
