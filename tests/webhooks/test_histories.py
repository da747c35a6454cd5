"""Any order, repetition and interleaving of events ends in the state that the newest of them describe."""

from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clerk import session_data, user_data
from tests.support.database import Sql
from tests.support.fixtures import Receive

USER = "user_1"
FAST = settings(
    max_examples=50,
    deadline=None,
    database=None,
    # The tables are emptied by the tests themselves, before each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Event(NamedTuple):
    kind: str
    data: dict[str, Any]


def profile(kind: str, at: int) -> dict[str, Any]:
    """Of one time there may be a creation and an update at Clerk, never two different updates."""
    return user_data(USER, updated_at=at, first_name=f"{'updated' if kind == 'user.updated' else 'created'} {at}")


@st.composite
def session_events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(["session.created", "session.ended", "session.removed", "session.revoked"]))
    at = draw(st.integers(1, 6))
    copied_at = draw(st.none() | st.integers(1, 6))
    return Event(
        kind,
        session_data(
            USER,
            f"sess_{draw(st.integers(1, 3))}",
            created_at=at,
            updated_at=at,
            actor=draw(st.sampled_from([None, None, {"sub": "user_admin"}])),
            user=None if copied_at is None else profile(kind, copied_at),
        ),
    )


def profile_events() -> st.SearchStrategy[Event]:
    kinds = st.sampled_from(["user.created", "user.updated", "user.updated"])
    return st.builds(lambda kind, at: Event(kind, profile(kind, at)), kinds, st.integers(1, 6))


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[int, Event]]:
    """Events of one user with their ids, each delivered once or more, in any order."""
    events = draw(st.lists(profile_events() | session_events(), min_size=1, max_size=6))
    if draw(st.integers(0, 3)) == 0:
        events.append(Event("user.deleted", {"id": USER, "deleted": True}))
    numbered = list(enumerate(events))
    again = draw(st.lists(st.sampled_from(numbered), max_size=3))
    return draw(st.permutations([*numbered, *again]))


def expected_name(events: list[Event]) -> str | None:
    """The newest profile; of equal times the update's. Sessions of a real login bring a copy as old as it says."""
    found = [
        (event.data["updated_at"], event.kind == "user.updated", event.data["first_name"])
        if event.kind.startswith("user.")
        else (event.data["user"]["updated_at"], False, event.data["user"]["first_name"])
        for event in events
        if event.kind.startswith("user.") or (event.data["user"] and event.data["actor"] is None)
    ]
    return max(found)[2] if found else None


def newest(events: list[Event], kinds: tuple[str, ...], field: str) -> int | None:
    """The time of the newest login or logout, in milliseconds."""
    return max((e.data[field] for e in events if e.kind in kinds and e.data["actor"] is None), default=None)


STATE = """
SELECT first_name, email, deleted_at IS NOT NULL AS is_deleted,
       (extract(epoch FROM last_login_at) * 1000)::int AS login,
       (extract(epoch FROM last_logout_at) * 1000)::int AS logout,
       (SELECT count(*) FROM subscriptions) AS subscriptions, (SELECT count(*) FROM usage_metrics) AS usages
FROM users
"""
ENDS = ("session.ended", "session.removed", "session.revoked")


@FAST
@given(received=deliveries())
def test_history_of_one_user(sql: Sql, receive: Receive, received: list[tuple[int, Event]]) -> None:
    sql.empty_all()
    seen: set[int] = set()
    for number, event in received:
        status = receive(number, *event)
        assert status == "duplicate" if number in seen else status in {"applied", "stale", "ignored"}
        seen.add(number)
    events = list(dict(received).values())
    assert sql.value("SELECT count(*) FROM webhook_events") == len(events)
    revoked = sql.rows("SELECT session_id FROM revoked_sessions")
    assert {row["session_id"] for row in revoked} == {e.data["id"] for e in events if e.kind in ENDS}
    alive = [event for event in events if event.kind != "user.deleted"]
    rows = sql.rows(STATE)
    if len(alive) < len(events):
        (row,) = rows
        assert (row["is_deleted"], row["first_name"]) == (True, None)
    elif all(e.kind.startswith("session.") and e.data["actor"] for e in alive):
        assert rows == []
    else:
        assert rows == [
            {
                "first_name": expected_name(alive),
                "email": None,
                "is_deleted": False,
                "login": newest(alive, ("session.created",), "created_at"),
                "logout": newest(alive, ENDS, "updated_at"),
                "subscriptions": 1,
                "usages": 1,
            }
        ]


@st.composite
def address_histories(draw: st.DrawFn) -> tuple[dict[str, str | None], list[Event]]:
    """What three users did with two addresses as Clerk allows it, one holder at a time; then shuffled."""
    holds: dict[str, str | None] = {}
    events: list[Event] = []
    for at in range(1, draw(st.integers(2, 9))):
        user = draw(st.sampled_from(["user_a", "user_b", "user_c"]))
        free = {None, "x@example.com", "y@example.com"} - {h for u, h in holds.items() if u != user}
        holds[user] = draw(st.sampled_from(sorted(free, key=str)))
        events.append(Event("user.updated", user_data(user, updated_at=at, email=holds[user])))
    return holds, draw(st.permutations(events))


@FAST
@given(history=address_histories())
def test_each_user_ends_with_its_own_address(
    sql: Sql, receive: Receive, history: tuple[dict[str, str | None], list[Event]]
) -> None:
    holds, events = history
    sql.empty_all()
    for number, event in enumerate(events):
        assert receive(number, *event) in {"applied", "stale"}
    rows = sql.rows("SELECT clerk_user_id, email, email_verified FROM users")
    assert {row["clerk_user_id"]: row["email"] for row in rows} == holds
    assert all(row["email_verified"] == (row["email"] is not None) for row in rows)
