"""The plan that counts now: given by an admin, taken back when it has ended."""

from sqlalchemy import Connection, func, select, text, update

from backend.models import Subscription
from backend.models.roles_plans_scopes import Plan
from backend.models.subscription import HAS_LAPSED
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.clerk import billing
from backend.services.outbox.announcements import AppEvent, announce_user
from backend.services.plans.subscriptions import change_plan
from backend.services.users.accounts import complete_user

LOCK_LAPSED = text(f"""
SELECT s.plan FROM subscriptions s WHERE s.user_id = :user_id AND {HAS_LAPSED} FOR NO KEY UPDATE
""")  # noqa: S608 - all of it is ours


def set_plan(connection: Connection, actor: Actor, user_id: int, plan: Plan) -> None:
    """Give a live user a plan, from now on and without an end; it is none of Clerk's. What is so already is no change.

    Clerk Billing replaces it by one that is bought there later, but not by its free one.
    """
    settle(connection, user_id)  # also: a legacy user may have no subscription yet
    is_new = change_plan(connection, actor, user_id, plan)
    term = {
        "status": "active",
        "period_start": func.now(),
        "period_end": None,
        "clerk_subscription_id": None,
        "updated_at": func.now(),
    }
    reset = update(Subscription).where(Subscription.user_id == user_id)
    if not is_new:  # it may have been one that was to end
        reset = reset.where(Subscription.plan != Plan.FREE, Subscription.status != "active")
    is_reset = connection.execute(reset.values(term)).rowcount > 0
    if is_reset and not is_new:
        audit.record(connection, actor, Action.USER_PLAN_CHANGED, user_id, **{"from": plan, "to": plan})
        announce_user(connection, AppEvent.SUBSCRIPTION_CHANGED, user_id)


def settle(connection: Connection, user_id: int) -> None:
    """Give a live user what is missing of subscription and usage, and take back a plan that has ended."""
    complete_user(connection, user_id=user_id)
    end_lapsed(connection, user_id)


def end_lapsed(connection: Connection, user_id: int) -> None:
    """Put in the place of a canceled plan whose period is over what Clerk grants now, else the free one. Clerk's own
    event of that may be late, or never come.

    Written down with the user's next request, so that every statement that reads the plan or the token limit agrees.
    """
    if connection.execute(LOCK_LAPSED, {"user_id": user_id}).first() is None:
        return
    complete_user(connection, user_id=user_id)
    if not billing.follow(connection, user_id):
        change_plan(connection, audit.SYNC, user_id, Plan.FREE)


def read_plan(connection: Connection, user_id: int) -> Plan:
    """The plan that counts now. A user without a subscription has the free one."""
    end_lapsed(connection, user_id)
    written = select(Subscription.plan).where(Subscription.user_id == user_id)
    return Plan(connection.execute(written).scalar() or Plan.FREE)
