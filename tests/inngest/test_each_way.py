"""The same events by Svix, by Inngest and by replay, in any order and any number of times: as if each had come once."""

import itertools
import json
from collections import Counter
from typing import Any, NamedTuple

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from backend.services.clerk.webhooks import events
from backend.workflows import ClerkEvent, on_event
from tests.support.clerk import Instance, event, now_ms, session_data, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.inngest import BY_VERB, SETTINGS, Inngest, inngest_event, with_signature
from tests.support.server import in_process

USER = "user_1"
AT = now_ms() - 3_600_000
MEMBERSHIP = {"id": "orgmem_1", "organization": {"id": "org_1"}, "public_user_data": {"user_id": USER}}
FAST = settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Each another event. Of one time there is a creation and an update.
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("user.created", user_data(USER, updated_at=AT, first_name="A")),
    ("user.updated", user_data(USER, updated_at=AT, first_name="B")),
    ("user.updated", user_data(USER, updated_at=AT + 1, first_name="C")),
    ("organizationMembership.created", MEMBERSHIP | {"updated_at": AT, "role": "org:member"}),
    ("organizationMembership.updated", MEMBERSHIP | {"updated_at": AT + 1, "role": "org:admin"}),
    ("session.created", session_data(USER, "sess_1")),
    ("user.deleted", {"id": USER, "object": "user", "deleted": True}),
    ("moon.full", {"id": "moon_1"}),
]
WAYS = ("svix", "inngest", "inngest-signed", "failed")


class Arrival(NamedTuple):
    number: int
    way: str


class World:
    """An application that announces. `handled`: what its own function ran with."""

    def __init__(self, app: Flask, clerk: Instance, sql: Sql) -> None:
        self.inngest = Inngest(in_process(app))
        self._app, self._clerk, self._sql = app, clerk, sql
        self.handled: list[str] = []
        self.is_broken = False
        on_event(*{kind for kind, _ in EVENTS})(self.handle)

    def handle(self, _connection: Connection, told: ClerkEvent) -> None:
        if self.is_broken:
            raise ArithmeticError
        self.handled.append(json.dumps([told.type, told.data], sort_keys=True))

    def run(self, arrivals: list[Arrival]) -> tuple[Counter[str], list[Any], list[Any]]:
        """What was handled, announced, and is written."""
        self._sql.empty_all()
        self.handled.clear()
        for arrival in arrivals:
            self._arrive(*arrival)
        self._app.test_cli_runner().invoke(args=["webhooks", "replay", "--all"])
        told = self._sql.rows("SELECT type, data FROM outbox WHERE destination = 'url' ORDER BY outbox_id")
        state = self._sql.rows("SELECT first_name, deleted_at IS NULL AS is_live FROM users")
        state += self._sql.rows("SELECT role, deleted_at IS NULL AS is_live FROM clerk.organization_memberships")
        return Counter(self.handled), [[row["type"], row["data"]] for row in told], state

    def _arrive(self, number: int, way: str) -> None:
        kind, data = EVENTS[number]
        body, event_id = event(kind, data, instance_id=self._clerk.kid), f"msg_{number}"
        concerned, _, verb = kind.partition(".")
        function = BY_VERB[verb] if concerned == "user" else "copy-from-clerk"
        if way.startswith("inngest"):
            shaped = with_signature(self._clerk, body, event_id=event_id) if way == "inngest-signed" else data
            self.inngest.call(function, inngest_event(f"clerk/{kind}", shaped, event_id=event_id))
            return
        self.is_broken = way == "failed"
        headers = self._clerk.webhook_headers(body, event_id=event_id)
        self.inngest.server.request("POST", "/api/webhooks", data=body, headers=headers)
        self.is_broken = False


@pytest.fixture(scope="module")
def _app(settings: dict[str, str], clerk: Instance) -> Flask:
    outbox = {"OUTBOX_URL": "https://example.com/", "OUTBOX_SECRET": clerk.webhook_secret}
    return make_app(settings | SETTINGS | outbox)


@pytest.fixture
def world(_app: Flask, clerk: Instance, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(events, "_HANDLERS", type(events._HANDLERS)(list))
    return World(_app, clerk, sql)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Arrival], list[Arrival]]:
    """Some events in the order in which each first succeeds; and with all that comes again, whichever way.

    A first one may fail until all is replayed at the end, so only those fail that came already.
    """
    numbers = draw(st.permutations(range(len(EVENTS))))[: draw(st.integers(1, len(EVENTS)))]
    plain, repeated = [], []
    for place, number in enumerate(numbers):
        plain.append(Arrival(number, "svix"))
        repeated.append(Arrival(number, draw(st.sampled_from(WAYS[:3]))))
        again = st.builds(Arrival, st.sampled_from(numbers[: place + 1]), st.sampled_from(WAYS))
        repeated += draw(st.lists(again, max_size=3))
    return plain, repeated


@FAST
@given(history=histories())
def test_as_if_each_had_come_once(world: World, history: tuple[list[Arrival], list[Arrival]]) -> None:
    plain, repeated = history
    expected = world.run(plain)
    assert set(expected[0].values()) == {1}
    assert world.run(repeated) == expected
    ledger = world._sql.rows("SELECT source, event_id FROM webhook_events")
    assert len(ledger) == len(
        {(("svix" if each.way in ("svix", "failed") else "inngest"), each.number) for each in repeated}
    )


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_every_order_of_one(world: World, number: int) -> None:
    """Each way once, and the replay of what failed, whichever was first."""
    kind, _ = EVENTS[number]
    for order in itertools.permutations(WAYS):
        handled, told, _ = world.run([Arrival(number, way) for way in order])
        assert [*handled.values()] == [1], order
        assert max(Counter(name for name, _ in told).values(), default=1) == 1, (kind, order)
        sources = world._sql.rows("SELECT source, status FROM webhook_events ORDER BY source")
        assert [row["source"] for row in sources] == ["inngest", "svix"]
        assert {row["status"] for row in sources} <= {"applied", "stale"}


def test_two_of_svix_are_two(world: World, clerk: Instance) -> None:
    """Their ids say so: somebody sends an example from the dashboard again."""
    del clerk
    body = event("moon.full", {"id": "moon_1"}, instance_id=world._clerk.kid)
    for event_id in ("msg_a", "msg_b"):
        headers = world._clerk.webhook_headers(body, event_id=event_id)
        world.inngest.server.request("POST", "/api/webhooks", data=body, headers=headers)
    assert len(world.handled) == 2
