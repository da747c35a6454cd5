"""What all steps share: they ask the application and the model the same, and compare after each step."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import requests
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.histories.belongings import Answered, Campaign, Refusal
from tests.histories.world import Person, World
from tests.support.admins import ADMIN, add_admin
from tests.support.caller import is_problem
from tests.support.clerk import Instance, event
from tests.support.database import Sql
from tests.support.server import Server

NAMES = ("ada", "bob")
PEOPLE = st.sampled_from(NAMES)
# Often none; few, so that a key comes again.
IDEMPOTENCY_KEYS = st.sampled_from([None, None, "key-1", "key-2"])
KEPT_HEADERS = ("ETag", "Location")

USERS = """
SELECT u.clerk_user_id, u.first_name, u.deleted_at IS NOT NULL AS is_deleted, num_nonnulls(u.email, u.image_url) AS
personal,
       s.plan, s.status, s.period_end IS NOT NULL AS has_end, s.clerk_subscription_id IS NOT NULL AS is_managed,
       m.tokens_used, m.tokens_limit, m.campaigns_created,
       (SELECT count(*) FROM campaign_templates t WHERE t.user_id = u.user_id) AS templates,
       (SELECT count(*) FROM api_keys k WHERE k.user_id = u.user_id AND k.revoked_at IS NULL) AS keys,
       (SELECT count(*) FROM api_keys k WHERE k.user_id = u.user_id AND k.name <> 'erased') AS named_keys,
       (SELECT count(*) FROM clerk_billing b WHERE b.clerk_user_id = u.clerk_user_id) AS billings,
       (SELECT count(*) FROM idempotency_keys i WHERE i.user_id = u.user_id AND i.key LIKE 'key-%') AS answers
FROM users u LEFT JOIN subscriptions s USING (user_id) LEFT JOIN usage_metrics m USING (user_id)
"""
CAMPAIGNS = """
SELECT u.clerk_user_id, c.campaign_id, c.name, c.status, c.version, c.tags, c.deleted_at IS NOT NULL AS is_deleted,
       ARRAY(SELECT tag FROM campaign_tags t WHERE t.campaign_id = c.campaign_id
             ORDER BY array_position(c.tags, tag)) AS copied_tags
FROM campaigns c JOIN users u USING (user_id) ORDER BY campaign_id
"""


class Shown(Protocol):
    def shown(self) -> dict[str, Any]: ...


class Application(NamedTuple):
    server: Server
    clerk: Instance
    sql: Sql


S = TypeVar("S", bound=Shown)
T = TypeVar("T")


def drawn_from(choose: Callable[[Any], list[T]]) -> st.SearchStrategy[T]:
    """One of what the machine has when the step is made. The step needs a precondition that there is one."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choose(machine.world)))


class Machine(RuleBasedStateMachine):
    """An empty application with an admin, beside a model of it."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self.server, self.clerk, self.sql = application
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
        for earlier in person.answers:
            if (earlier.method, earlier.path, earlier.key) == (method, path, key):
                check_repetition(answer, earlier, text, if_match)
                return None
        assert "Idempotent-Replayed" not in answer.headers
        try:
            done = work()
        except Refusal as refusal:
            check_refusal(answer, refusal)
            return None
        assert answer.ok, answer.text
        if key is not None:
            headers = {name: answer.headers.get(name) for name in KEPT_HEADERS}
            person.answers.append(
                Answered(
                    f"{method} with {key} of {person.sub}",
                    method,
                    path,
                    key,
                    if_match,
                    text,
                    answer.status_code,
                    answer.text,
                    headers,
                )
            )
        return done, answer

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
    def rows_of_campaigns_fit(self) -> None:
        campaigns = sorted(self.world.campaigns, key=lambda campaign: campaign.campaign_id)
        assert self.sql.rows(CAMPAIGNS) == [row_of_campaign(campaign) for campaign in campaigns]

    @invariant()
    def subscriptions_fit(self) -> None:
        """What each user sees of their plan; and a deleted one sees nothing."""
        for person in self.world.living:
            if person.is_here:
                shown = self.get(person, "/api/subscription")
                assert {name: shown[name] for name in ("plan", "status")} == {
                    "plan": person.term.plan,
                    "status": person.term.status,
                }
                assert (shown["period_end"] is not None) == person.term.has_end
                assert shown["is_managed_by_clerk"] == person.is_managed
                limits = person.limits._replace(tokens=person.tokens_limit)
                names = ("campaigns", "templates", "tokens_a_month", "api_keys")
                assert [shown["limits"][name] for name in names] == list(limits)
                assert shown["used"] == {
                    "campaigns": person.campaigns,
                    "templates": len(person.templates),
                    "tokens": person.tokens_used,
                    "api_keys": person.usable_keys,
                }
        for person in self.world.gone:
            is_problem(self.send(person, "GET", "/api/subscription"), 401, "user-deleted")


def check_refusal(answer: requests.Response, refusal: Refusal) -> None:
    problem = is_problem(answer, refusal.status, refusal.code)
    assert {name: problem[name] for name in refusal.members} == refusal.members


def check_repetition(answer: requests.Response, earlier: Answered, body: str | None, if_match: str | None) -> None:
    """The same request gets the same answer; one with another body or If-Match is refused."""
    if (body, if_match) != (earlier.body, earlier.if_match):
        is_problem(answer, 409, "conflict")
        return
    headers = {name: answer.headers.get(name) for name in KEPT_HEADERS}
    assert (answer.status_code, answer.text, headers) == (earlier.status, earlier.text, earlier.headers)
    assert answer.headers["Idempotent-Replayed"] == "true"


def check_shown(thing: Shown, answer: dict[str, Any]) -> None:
    expected = thing.shown()
    assert {name: answer[name] for name in expected} == expected


def row_of_campaign(campaign: Campaign) -> dict[str, Any]:
    tags = campaign.values["tags"]
    return {
        "clerk_user_id": campaign.owner,
        "campaign_id": campaign.campaign_id,
        "name": campaign.values["name"],
        "status": campaign.status,
        "version": campaign.version,
        "tags": tags,
        "is_deleted": campaign.is_deleted,
        "copied_tags": [] if campaign.is_deleted else tags,
    }


def row_of(person: Person) -> dict[str, Any]:
    """The row of USERS. A tombstone keeps the numbers; one that was nobody before has none."""
    is_complete = person.is_here
    is_known = person.profile_at is not None and not person.is_deleted
    return {
        "clerk_user_id": person.sub,
        "first_name": person.first_name,
        "is_deleted": person.is_deleted,
        "personal": 2 if is_known else 0,
        "plan": person.term.plan if is_complete else None,
        "status": person.status if is_complete else None,
        "has_end": person.term.has_end,
        "is_managed": person.is_managed,
        "tokens_used": person.tokens_used if is_complete else None,
        "tokens_limit": person.tokens_limit if is_complete else None,
        "campaigns_created": person.campaigns_created if is_complete else None,
        "templates": len(person.templates),
        "keys": person.usable_keys,
        "named_keys": 0 if person.is_deleted else len(person.keys),
        "billings": int(bool(person.shop.arrived) and not person.is_deleted),
        "answers": len(person.answers),
    }
