"""Events of Clerk Billing in any order, any number of times, some of them lost, lead to what Clerk has at the end."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, make_url

from backend.database.prepared_reads import Transact
from backend.models.choices import Plan
from backend.services.clerk.mirror.apply import UserSync
from backend.services.clerk.webhooks.ledger import receive_event
from backend.services.plans.catalogue import PLANS
from tests.support.billing import FUTURE, PAST, SUBSCRIPTION, USER, alone, item, listing
from tests.support.clerk import user_data
from tests.support.database import Sql

T = TypeVar("T")

SYNC = UserSync(link_by_email=False)
KINDS = {"past_due": "pastDue"}
STATE = """
SELECT s.plan, s.status, s.clerk_subscription_id, m.tokens_limit, u.deleted_at IS NOT NULL AS is_deleted,
       (extract(epoch FROM s.period_start) * 1000)::bigint AS start,
       (extract(epoch FROM s.period_end) * 1000)::bigint AS end
FROM users u JOIN subscriptions s USING (user_id) JOIN usage_metrics m USING (user_id)
"""


class Event(NamedTuple):
    kind: str
    data: dict[str, Any]


class Shop:
    """A user's subscription at Clerk: what is done to it, and what Clerk sends of that."""

    def __init__(self) -> None:
        self.at = 0
        self.items: dict[str, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.is_list_last = False

    def _change(self, item_id: str, plan: str, status: str, end: int | None = None) -> None:
        state: dict[str, Any] = {
            "id": item_id,
            "slug": plan,
            "status": status,
            "at": self.at,
            "period_end": end,
        }
        self.items[item_id] = state
        self.events.append(Event(f"subscriptionItem.{KINDS.get(status, status)}", alone(**state)))

    def _living(self) -> list[dict[str, Any]]:
        return [state for state in self.items.values() if state["status"] != "ended"]

    def do(self, step: tuple[str, str, str | None]) -> None:
        """`step`: what, for which plan, and the status of the list that Clerk then sends too, if it does.

        The list's status is often another one than the item's, also without any change of the item.
        """
        self.at += 1
        what, plan, listed_as = step
        living = self._living()
        if what == "subscribe" or not living:
            for state in living:
                self._change(state["id"], state["slug"], "ended")
            self._change(f"csub_item_{self.at}", plan, "active")
        elif what == "nothing":
            pass
        elif what == "cancel":
            for state in living:
                self._change(state["id"], state["slug"], "canceled", FUTURE if len(plan) % 2 else PAST)
        else:
            for state in living:
                self._change(state["id"], state["slug"], what)
        self.is_list_last = listed_as is not None
        if listed_as is not None:
            items = [item(**state) for state in self._living()]
            self.events.append(Event("subscription.updated", listing(*items, at=self.at, status=listed_as)))

    def term(self) -> tuple[str, str, int, int | None]:
        """Plan, status, and period: by hand, not by the code under test."""
        living = self._living()
        if not living:
            return "free", "active", self.at, None
        (only,) = living
        plan = Plan.FREE if only["slug"] == "free_user" else Plan(only["slug"])
        if only["status"] == "canceled" and only["period_end"] == PAST:
            plan = Plan.FREE
        return plan.value, only["status"], only["at"], only["period_end"]


STEPS = st.tuples(
    st.sampled_from(
        ["subscribe", "subscribe", "cancel", "past_due", "active", "ended", "nothing", "nothing"]
    ),
    st.sampled_from(["free_user", "pro", "enterprise"]),
    st.sampled_from([None, None, None, "active", "past_due", "canceled"]),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Shop, list[tuple[int, Event]]]:
    """A shop after some steps, and its events as they arrive."""
    shop = Shop()
    for step in draw(st.lists(STEPS, min_size=1, max_size=6)):
        shop.do(step)
    events = list(shop.events)
    if shop.is_list_last:
        # The newest list alone tells all: what came before it may be lost.
        *earlier, last = events
        events = [*draw(st.lists(st.sampled_from(earlier), unique_by=id)), last]
    users = [Event("user.created", user_data(USER, updated_at=1)), Event("user.updated", user_data(USER))]
    events += draw(st.sampled_from([[], users[:1], users]))
    if draw(st.integers(0, 5)) == 0:
        events.append(Event("user.deleted", {"id": USER, "deleted": True}))
    numbered = list(enumerate(events))
    again = draw(st.lists(st.sampled_from(numbered), max_size=3))
    return shop, draw(st.permutations([*numbered, *again]))


@pytest.fixture(scope="module")
def transact(database_url: str) -> Iterator[Transact]:
    engine: Engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))

    def run(work: Callable[[Connection], T]) -> T:
        with engine.begin() as connection:
            return work(connection)

    yield run
    engine.dispose()


def receive(transact: Transact, number: int, event: Event) -> str:
    body = json.dumps({"type": event.kind, "data": event.data, "timestamp": 1_700_000_000_000}).encode()
    return receive_event(transact, SYNC.apply_event, f"msg_{number}", "svix", body)


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    # The tables are emptied by the test itself, before each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories())
def test_history(sql: Sql, transact: Transact, history: tuple[Shop, list[tuple[int, Event]]]) -> None:
    shop, received = history
    sql.empty_all()
    seen: set[int] = set()
    for number, event in received:
        status = receive(transact, number, event)
        assert status == "duplicate" if number in seen else status in {"applied", "stale"}
        seen.add(number)
    kinds = {event.kind for _, event in received}
    if "user.deleted" in kinds:
        assert sql.value("SELECT deleted_at IS NOT NULL FROM users")
        assert sql.rows("SELECT * FROM clerk_billing") == []
        return
    plan, status, start, end = shop.term()
    assert sql.row(STATE) == {
        "plan": plan,
        "status": status,
        "clerk_subscription_id": SUBSCRIPTION if plan != "free" else None,
        "tokens_limit": PLANS[Plan(plan)].tokens_a_month,
        "is_deleted": False,
        "start": start,
        "end": end,
    }
