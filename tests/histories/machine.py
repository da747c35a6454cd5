"""What all steps share: they ask the application and the model the same, and compare after each step."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import pytest
import requests
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backend.resources import AtErasure
from tests.histories.belongings import Answered, Kept, Refusal, Resource
from tests.histories.world import OWNED_HERE, QUOTAS, Person, World
from tests.support.admins import ADMIN, add_admin
from tests.support.caller import is_problem
from tests.support.clerk import Instance, event
from tests.support.database import Sql
from tests.support.server import Server

NAMES = ("ada", "bob")
PEOPLE = st.sampled_from(NAMES)
# Often none; few, so that a key comes again.
IDEMPOTENCY_KEYS = st.sampled_from([None, None, "key-1", "key-2"])

USERS = """
SELECT u.clerk_user_id, u.first_name, u.deleted_at IS NOT NULL AS is_deleted, num_nonnulls(u.email, u.image_url) AS
personal,
       s.plan, s.status, s.period_end IS NOT NULL AS has_end, s.clerk_subscription_id IS NOT NULL AS is_managed,
       m.tokens_used, m.tokens_limit,
       (SELECT count(*) FROM api_keys k WHERE k.user_id = u.user_id) AS keys,
       u.deleted_at IS NOT NULL AND EXISTS (
           SELECT FROM clerk.subscription_items i WHERE i.user_id = u.clerk_user_id
       ) AS is_still_billed,
       (SELECT count(*) FROM idempotency_keys i WHERE i.user_id = u.user_id AND i.key LIKE 'key-%') AS answers
FROM users u LEFT JOIN subscriptions s USING (user_id) LEFT JOIN usage_metrics m USING (user_id)
"""
COUNTED = ", ".join(
    f"(SELECT count(*) FROM {owned.table} WHERE user_id = u.user_id AND {owned.counted}) AS {quota.name}"
    for owned, quota in QUOTAS
)
LEFT_BEHIND = " UNION ALL ".join(
    f"SELECT '{owned.table}' AS left_behind FROM {owned.table} JOIN users u USING (user_id) "
    "WHERE u.deleted_at IS NOT NULL"
    for owned in OWNED_HERE
    if owned.at_erasure is AtErasure.DELETE and not owned.is_belonging
)


# The same histories each time: what fails on the build server fails here too.
SHORT = settings(max_examples=5, stateful_step_count=30, deadline=None, database=None, derandomize=True)
LONG = settings(max_examples=100, stateful_step_count=50, deadline=None, database=None, print_blob=True)
SHORT_AND_LONG = pytest.mark.parametrize(
    "profile", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.slow)]
)


T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., None])


def rule_about(choose: Callable[[Any], Sequence[Any]], **others: Any) -> Callable[[F], F]:
    """A step about `one` of what the machine has at the time. Where there is none the step is not made."""
    drawn = st.runner().flatmap(lambda machine: st.sampled_from(choose(machine)))
    made: Callable[[F], F] = rule(one=drawn, **others)
    return lambda step: precondition(lambda machine: bool(choose(machine)))(made(step))


class Machine(RuleBasedStateMachine):
    """An empty application with an admin, beside a model of it."""

    def __init__(self, server: Server, clerk: Instance, sql: Sql) -> None:
        super().__init__()
        self.server, self.clerk, self.sql = server, clerk, sql
        self.sql.empty_all()
        add_admin(self.sql)
        self.world = World(*NAMES)
        self.world.add_admin(ADMIN)
        self.sent: list[tuple[str, bytes]] = []

    def send(
        self, person: Person, method: str, path: str, body: str | None = None, **options: Any
    ) -> requests.Response:
        """A request with a session token. The first one makes the user."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {name: value for name, value in options.pop("headers", {}).items() if value is not None}
        token = self.clerk.token(sub=person.sub)
        answer = self.server.request(method, path, token, data=body, headers=headers, **options)
        person.is_here = person.is_here or not person.is_deleted
        return answer

    def get(self, person: Person, path: str, **params: str) -> dict[str, Any]:
        answer = self.send(person, "GET", path, params=params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def write(
        self,
        person: Person,
        method: str,
        path: str,
        work: Callable[[], T],
        *,
        body: dict[str, Any] | None = None,
        key: str | None = None,
        if_match: str | None = None,
    ) -> tuple[T, requests.Response] | None:
        """Do it to both. None when both refuse it, or the answer is that of an earlier request with this key."""
        text = None if body is None else json.dumps(body)
        answer = self.send(person, method, path, text, headers={"Idempotency-Key": key, "If-Match": if_match})
        if earlier := person.answers.get((method, path, key)):
            check_repetition(answer, earlier, text, if_match)
            return None
        assert "Idempotent-Replayed" not in answer.headers
        done = settle(answer, work)
        if done is not None and key is not None:
            label = f"{method} with {key} of {person.sub}"
            person.answers[method, path, key] = Answered(label, text, if_match, what_is_kept(answer))
        return done

    def deliver(self, kind: str, data: dict[str, Any]) -> str:
        """A signed webhook; what the ledger says of it."""
        body, event_id = event(kind, data), f"msg_{len(self.sent) + 1}"
        self.sent.append((event_id, body))
        return self.post_event(event_id, body)

    def post_event(self, event_id: str, body: bytes) -> str:
        headers = self.clerk.webhook_headers(body, event_id=event_id)
        answer = self.server.request("POST", "/api/webhooks", data=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    @invariant()
    def rows_of_users_fit(self) -> None:
        rows = {row["clerk_user_id"]: row for row in self.sql.rows(USERS)}
        expected = {p.sub: row_of(p) for p in self.world.people.values() if p.is_here or p.is_deleted}
        assert rows == expected

    @invariant()
    def counts_fit(self) -> None:
        """What is counted against each quota is what is there; of deleted users nothing is left behind."""
        for row in self.sql.rows(f"SELECT clerk_user_id, {COUNTED} FROM users u"):
            assert row == self.world.people[row["clerk_user_id"]].used | {"clerk_user_id": row["clerk_user_id"]}
        assert self.sql.rows(LEFT_BEHIND) == []

    @invariant()
    def subscriptions_fit(self) -> None:
        """What each user sees of their plan; and a deleted one sees nothing."""
        for person in self.world.living:
            if person.is_here:
                shown = self.get(person, "/api/subscription")
                assert (shown["plan"], shown["status"], shown["period_end"] is not None) == person.term
                assert shown["is_managed_by_clerk"] == person.is_managed
                assert shown["limits"] == person.limits
                assert shown["used"] == person.used | {"tokens": person.tokens_used}
        for person in self.world.gone:
            is_problem(self.send(person, "GET", "/api/subscription"), 401, "user-deleted")


def run(machine: type[Machine], profile: settings, *application: Any) -> None:
    # It calls what it takes for a class.
    run_state_machine_as_test(cast("type[Machine]", partial(machine, *application)), settings=profile)


def settle(answer: requests.Response, work: Callable[[], T]) -> tuple[T, requests.Response] | None:
    """The model does it too. None when both refuse it."""
    try:
        done = work()
    except Refusal as refusal:
        check_refusal(answer, refusal)
        return None
    assert answer.ok, answer.text
    return done, answer


def check_refusal(answer: requests.Response, refusal: Refusal) -> None:
    problem = is_problem(answer, refusal.status, refusal.code)
    assert {name: problem[name] for name in refusal.members} == refusal.members


def check_repetition(answer: requests.Response, earlier: Answered, body: str | None, if_match: str | None) -> None:
    """The same request gets the same answer; one with another body or If-Match is refused."""
    if (body, if_match) != (earlier.body, earlier.if_match):
        is_problem(answer, 409, "conflict")
        return
    assert what_is_kept(answer) == earlier.kept
    assert answer.headers["Idempotent-Replayed"] == "true"


def what_is_kept(answer: requests.Response) -> Kept:
    return answer.status_code, answer.text, answer.headers.get("ETag"), answer.headers.get("Location")


def check_shown(one: Resource, answer: dict[str, Any]) -> None:
    expected = one.shown()
    assert {name: answer[name] for name in expected} == expected


def row_of(person: Person) -> dict[str, Any]:
    """The row of USERS. A tombstone keeps the numbers; one that was nobody before has none."""
    is_known = person.profile_at is not None and not person.is_deleted
    return {
        "clerk_user_id": person.sub,
        "first_name": person.first_name,
        "is_deleted": person.is_deleted,
        "personal": 2 if is_known else 0,
        "plan": person.term.plan if person.is_here else None,
        "status": person.status if person.is_here else None,
        "has_end": person.term.has_end,
        "is_managed": person.is_managed,
        "tokens_used": person.tokens_used if person.is_here else None,
        "tokens_limit": person.tokens_limit if person.is_here else None,
        "keys": len(person.keys),
        "is_still_billed": False,
        "answers": len(person.answers),
    }
