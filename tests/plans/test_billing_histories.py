"""Events of Clerk Billing in any order, any number of times, some of them lost, lead to what the others describe."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.models.roles_plans_scopes import Plan
from backend.services.plans.catalogue import PLANS
from tests.histories.billing import RANKS, Event, Shop, subscription_of
from tests.support.billing import USER
from tests.support.clerk import user_data
from tests.support.database import Sql
from tests.support.fixtures import Receive

Arrival = tuple[int, Event | tuple[str, dict[str, Any]], str]

STATE = """
SELECT s.plan, s.status, s.period_end IS NOT NULL AS has_end, s.clerk_subscription_id, m.tokens_limit
FROM users u JOIN subscriptions s USING (user_id) JOIN usage_metrics m USING (user_id)
"""
STEPS = st.tuples(
    st.sampled_from(
        ["subscribe", "subscribe", "canceled", "over", "past_due", "active", "ended", "nothing", "nothing"]
    ),
    st.sampled_from(RANKS),
    st.booleans(),
)
PROFILES = [("user.created", user_data(USER, updated_at=1)), ("user.updated", user_data(USER))]
DELETED = ("user.deleted", {"id": USER, "deleted": True})


@st.composite
def histories(draw: st.DrawFn) -> list[Arrival]:
    """What Clerk sends of a user's subscription after some steps, as it arrives: numbered, with the status of each
    list.

    That status is often another one than the item's, and says nothing as long as the list is not over.
    """
    shop = Shop(USER)
    for what, plan, is_listed in draw(st.lists(STEPS, min_size=1, max_size=6)):
        if what == "subscribe" or shop.living is None:
            shop.subscribe(plan)
        elif what != "nothing":
            shop.move("canceled" if what == "over" else what, is_over=what == "over")
        if is_listed:
            shop.list_items()
    events: list[Any] = [event for event in shop.events if draw(st.integers(0, 4))]  # one in five is lost
    events += draw(st.sampled_from([[], PROFILES[:1], PROFILES, [DELETED]]))
    statuses = st.sampled_from(["active", "past_due", "canceled"])
    numbered = [(number, event, draw(statuses)) for number, event in enumerate(events)]
    again = draw(st.lists(st.sampled_from(numbered), max_size=3)) if numbered else []
    return draw(st.permutations([*numbered, *again]))


# The tables are emptied by the test itself, before each example.
@settings(max_examples=80, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(received=histories())
def test_history(sql: Sql, receive: Receive, received: list[Arrival]) -> None:
    sql.empty_all()
    shop = Shop(USER)
    seen: set[int] = set()
    is_deleted = False
    for number, event, listed_as in received:
        kind, data = (event.kind, event.data()) if isinstance(event, Event) else event
        if isinstance(event, Event) and event.is_list:
            data |= {"status": listed_as}
        status = receive(number, kind, data)
        if number in seen:
            assert status == "duplicate"
        elif is_deleted:
            assert status == "stale"
        elif isinstance(event, Event):
            assert status == ("applied" if shop.arrive(event) else "stale"), event
        else:
            assert status in {"applied", "stale"}
        seen.add(number)
        is_deleted |= kind == "user.deleted"
    if is_deleted:
        assert sql.value("SELECT deleted_at IS NOT NULL FROM users")
        assert sql.value("SELECT count(data) FROM clerk.subscription_items") == 0
    elif received:
        plan, told, has_end = shop.term()
        assert sql.row(STATE) == {
            "plan": plan,
            "status": told,
            "has_end": has_end,
            "clerk_subscription_id": subscription_of(USER) if plan != "free" else None,
            "tokens_limit": PLANS[Plan(plan)].tokens_a_month,
        }
