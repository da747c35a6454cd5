"""POST /api/webhooks: Clerk's times count only as far as the event itself can vouch for them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Deliver
from tests.support.billing import DAY, SUBSCRIPTION, USER, alone, listing, plan
from tests.support.billing import item as item_data
from tests.support.caller import is_problem
from tests.support.clerk import Instance, event, now_ms, session_data, user_data
from tests.support.database import Sql
from tests.support.fixtures import Receive
from tests.support.server import Server
from tests.support.traffic import post_body
from tests.webhooks.test_histories import FAST

YEAR_9999 = 253_402_300_799_999
SKEW = 5_000
HOUR = 3_600_000
# The second is not as far ahead as what is freed afterwards.
AHEAD = [YEAR_9999, pytest.param(60_000, id="a minute")]
SAID = "SELECT clerk_updated_at FROM users"


def ahead(by: int) -> int:
    return by if by == YEAR_9999 else now_ms() + by


class TestProfile:
    @pytest.mark.parametrize("by", AHEAD)
    @pytest.mark.parametrize("kind", ["user.created", "user.updated"])
    def test_later_ban_counts(
        self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql, kind: str, by: int
    ) -> None:
        assert deliver(kind, user_data("user_1", updated_at=ahead(by), first_name="Ada")).json()["status"] == "applied"
        assert sql.value(SAID) <= datetime.now(UTC)
        assert deliver("user.updated", user_data("user_1", banned=True)).json() == {"status": "applied"}
        is_problem(server.get("/auth/me", clerk.token(sub="user_1")), 403, "user-banned")

    def test_copy_in_a_session(self, deliver: Deliver, sql: Sql) -> None:
        copy = user_data("user_1", updated_at=YEAR_9999)
        deliver("session.created", session_data("user_1", "sess_1", user=copy))
        assert deliver("user.updated", user_data("user_1", banned=True)).json() == {"status": "applied"}
        assert sql.user("user_1")["banned"]

    def test_old_event_that_is_sent_again(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Its signature is fresh. It counts as of its own time, which is before that of the ban."""
        now = now_ms()
        ban = event("user.updated", user_data("user_1", updated_at=now - HOUR, banned=True), timestamp=now - HOUR)
        old = event("user.updated", user_data("user_1", updated_at=YEAR_9999), timestamp=now - DAY)
        for body, status in ((ban, "applied"), (old, "stale")):
            assert post_body(server, clerk, body).json() == {"status": status}
        assert sql.user("user_1")["banned"]

    @pytest.mark.parametrize("timestamp", [None, 0, "soon", YEAR_9999, 5_000_000_000])
    def test_without_a_time_of_its_own_the_signature_counts(
        self, server: Server, clerk: Instance, sql: Sql, timestamp: object
    ) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)
        body = event("user.updated", user_data("user_1", updated_at=YEAR_9999), timestamp=timestamp)
        assert post_body(server, clerk, body).json() == {"status": "applied"}
        assert before <= sql.value(SAID) <= datetime.now(UTC)
        assert sql.value("SELECT occurred_at FROM webhook_events") is None

    @pytest.mark.parametrize("interval", ["7000 years", "1 hour"])
    def test_frozen_one_is_freed(self, deliver: Deliver, sql: Sql, interval: str) -> None:
        """A release before this one took any time."""
        deliver("user.created", user_data("user_1", email="ada@example.com"))
        sql.rows(f"UPDATE users SET clerk_updated_at = now() + interval '{interval}'")
        # Its address, too: another one has proved it since.
        deliver("user.created", user_data("user_2", email="ada@example.com"))
        assert [sql.user(f"user_{number}")["email_verified"] for number in (1, 2)] == [False, True]
        assert deliver("user.updated", user_data("user_1", banned=True)).json() == {"status": "applied"}
        assert sql.user("user_1")["banned"]
        assert sql.user("user_1")["clerk_updated_at"] <= datetime.now(UTC)


class TestSession:
    KINDS = (("session.created", "created_at", "last_login_at"), ("session.ended", "updated_at", "last_logout_at"))

    @pytest.mark.parametrize(("kind", "member", "column"), KINDS)
    def test_later_one_counts(self, deliver: Deliver, sql: Sql, kind: str, member: str, column: str) -> None:
        deliver(kind, session_data("user_1", "sess_1", **{member: YEAR_9999}))
        first = sql.user("user_1")[column]
        assert first <= datetime.now(UTC)
        deliver(kind, session_data("user_1", "sess_2"))
        assert sql.user("user_1")[column] > first

    @pytest.mark.parametrize(("kind", "member", "column"), KINDS)
    def test_frozen_one_is_freed(self, deliver: Deliver, sql: Sql, kind: str, member: str, column: str) -> None:
        deliver(kind, session_data("user_1", "sess_1"))
        sql.rows(f"UPDATE users SET {column} = '9999-12-31'")
        at = now_ms()
        assert deliver(kind, session_data("user_1", "sess_2", **{member: at})).json() == {"status": "applied"}
        assert sql.user("user_1")[column].timestamp() * 1000 == pytest.approx(at, abs=1)


def set_times(sql: Sql, **times: int) -> None:
    """Of the only subscription and its only item, as a release before this one may have left them."""
    for table, at in times.items():
        sql.rows(f"UPDATE clerk.{table} SET updated_at = to_timestamp(%s / 1000.0)", at)


class TestBilling:
    @pytest.mark.parametrize("by", AHEAD)
    def test_later_item_counts(self, deliver: Deliver, sql: Sql, by: int) -> None:
        deliver("user.created", user_data(USER))
        deliver("subscriptionItem.active", alone("pro", at=ahead(by)))
        deliver("subscriptionItem.ended", alone("pro", at=now_ms(), status="ended"))
        assert plan(sql) == ("free", "active")

    @pytest.mark.parametrize("by", AHEAD)
    def test_later_list_counts(self, deliver: Deliver, sql: Sql, by: int) -> None:
        deliver("user.created", user_data(USER))
        deliver("subscription.updated", listing(item_data("pro", at=ahead(by)), at=ahead(by)))
        assert plan(sql) == ("pro", "active")
        deliver("subscription.updated", listing(item_data("enterprise", at=now_ms()), at=now_ms()))
        assert plan(sql) == ("enterprise", "active")

    @pytest.mark.parametrize("frozen", ["item", "list"])
    def test_frozen_one_is_freed(self, deliver: Deliver, sql: Sql, frozen: str) -> None:
        deliver("user.created", user_data(USER))
        deliver("subscription.updated", listing(item_data("pro", at=1), at=1))
        ahead_of_us = {"subscription_items" if frozen == "item" else "subscriptions": YEAR_9999}
        set_times(sql, **ahead_of_us)
        # Another item's event does not make it gone; its own counts.
        upcoming = alone("enterprise", at=2, status="upcoming")
        assert deliver("subscriptionItem.upcoming", upcoming).json() == {"status": "applied"}
        assert plan(sql) == ("pro", "active")
        set_times(sql, **ahead_of_us)
        ended = alone("pro", at=3, status="ended", subscription_id=SUBSCRIPTION)
        assert deliver("subscriptionItem.ended", ended).json() == {"status": "applied"}
        assert plan(sql) == ("free", "active")


@st.composite
def tellings(draw: st.DrawFn) -> tuple[int, int | None]:
    """When a profile is said to have changed, and when its event is said to be of; both from now on, in ms."""
    at = draw(st.integers(-10, 10).map(lambda hours: hours * HOUR) | st.integers(-2 * SKEW, 2 * SKEW))
    return at, draw(st.none() | st.integers(-10, 10).map(lambda hours: hours * HOUR) | st.integers(-SKEW, 0))


@FAST
@given(told=st.lists(tellings(), min_size=1, max_size=6), in_seconds=st.booleans())
def test_any_clocks(sql: Sql, receive: Receive, told: list[tuple[int, int | None]], *, in_seconds: bool) -> None:
    """Of updates that tell any times, the newest counts that its event can vouch for; none outlasts the skew."""
    sql.empty_all()
    signed_at = now_ms() // 1000
    newest: int | None = None
    stored_data: dict[str, Any] | None = None
    for number, (offset, said) in enumerate(told):
        at = signed_at * 1000 + offset
        timestamp = None if said is None else signed_at * 1000 + said
        if timestamp is not None and in_seconds:
            timestamp //= 1000
        vouched = (timestamp or 0) * (1000 if in_seconds else 1)
        as_of = vouched if 0 < vouched <= signed_at * 1000 + SKEW else signed_at * 1000
        counts = at if at <= as_of + SKEW else as_of
        data = user_data("user_1", updated_at=at)
        # What is known already is no news.
        is_news = newest is None or counts > newest or (counts == newest and data != stored_data)
        newest, stored_data = (counts, data) if is_news else (newest, stored_data)
        status = receive(number, "user.updated", data, timestamp, signed_at=signed_at)
        stored = sql.value("SELECT (extract(epoch FROM clerk_updated_at) * 1000)::bigint FROM users")
        assert (status, stored) == ("applied" if is_news else "stale", newest)
        assert stored <= signed_at * 1000 + SKEW
