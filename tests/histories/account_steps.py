"""Users come, change and go; their plans change; they spend tokens and make API keys."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.histories.belongings import Key, Refusal
from tests.histories.billing import Event
from tests.histories.machine import IDEMPOTENCY_KEYS, PEOPLE, Machine, check_refusal, drawn_from
from tests.histories.world import MOST_TOKENS_AT_ONCE, PLANS, Person
from tests.support.caller import is_problem
from tests.support.clerk import user_data

PLAN_NAMES = st.sampled_from(list(PLANS))
OUTCOMES = {True: "applied", False: "stale"}
ORDERS: dict[str, Callable[[list[Event]], list[Event]]] = {
    "as sent": list,
    "backwards": lambda events: events[::-1],
    # An item that the list has no more comes after it.
    "lists first": lambda events: sorted(events, key=lambda event: not event.is_list),
}
GIVE_TOKENS = """
UPDATE usage_metrics SET tokens_limit = %s, updated_at = now()
WHERE user_id = (SELECT user_id FROM users WHERE clerk_user_id = %s)
"""


class UserSteps(Machine):
    @rule(name=PEOPLE, times=st.lists(st.integers(1, 9), min_size=1, max_size=3), is_update=st.booleans())
    def receive_profiles(self, name: str, times: list[int], *, is_update: bool) -> None:
        """In any order of Clerk's times."""
        for at in times:
            self._receive_profile(self.world[name], at, is_update=is_update)

    def _receive_profile(self, person: Person, at: int, *, is_update: bool) -> None:
        kind = "user.updated" if is_update else "user.created"
        first_name = f"{kind} {at} #{len(self.sent)}"
        data = user_data(person.sub, updated_at=at, first_name=first_name, email=f"{person.sub}@example.com")
        is_news = person.take_profile(at, first_name, is_update=is_update)
        assert self.deliver(kind, data) == OUTCOMES[is_news]

    @rule(name=PEOPLE)
    def look(self, name: str) -> None:
        """The first request may come before the webhook."""
        person = self.world[name]
        me = self.get(person, "/auth/me")
        assert (me["user"]["clerk_user_id"], me["user"]["first_name"]) == (person.sub, person.first_name)
        assert (me["subscription"]["plan"], me["subscription"]["status"]) == (person.term.plan, person.term.status)
        usage = {"tokens_used": person.tokens_used, "tokens_limit": person.tokens_limit}
        usage |= {"campaigns_created": person.campaigns_created, "tokens_remaining": person.tokens_left}
        assert {member: me["usage"][member] for member in usage} == usage
        balance = self.get(person, "/api/tokens")
        assert [balance[member] for member in ("used", "limit", "remaining")] == [
            person.tokens_used,
            person.tokens_limit,
            person.tokens_left,
        ]
        assert [month["campaigns_created"] for month in balance["history"]] == [person.campaigns_created]

    @rule(name=PEOPLE)
    def delete_user(self, name: str) -> None:
        person = self.world[name]
        person.delete()
        assert self.deliver("user.deleted", {"id": person.sub, "deleted": True}) == "applied"
        self.world.replace(name)

    @precondition(lambda self: self.world.gone)
    @rule(person=drawn_from(lambda world: world.gone), at=st.integers(1, 20), is_update=st.booleans())
    def come_back(self, person: Person, at: int, *, is_update: bool) -> None:
        """Nothing brings a deleted user back."""
        self._receive_profile(person, at, is_update=is_update)
        assert self.deliver("user.deleted", {"id": person.sub, "deleted": True}) == "stale"
        is_problem(self.send(person, "POST", "/api/campaigns", "{}"), 401, "user-deleted")

    @precondition(lambda self: self.sent)
    @rule(number=st.integers(0, 30))
    def repeat_event(self, number: int) -> None:
        """Svix delivers at least once."""
        assert self.post_event(*self.sent[number % len(self.sent)]) == "duplicate"


class PlanSteps(Machine):
    @precondition(lambda self: any(person.is_here for person in self.world.living))
    @rule(person=drawn_from(lambda world: [p for p in world.people.values() if p.is_here]), plan=PLAN_NAMES)
    def set_plan(self, person: Person, plan: str) -> None:
        user_id = self.sql.user(person.sub)["user_id"]
        admin = self.world["admin"]
        answer = self.send(admin, "PATCH", f"/api/users/{user_id}", f'{{"plan": "{plan}"}}')
        if person.is_deleted:
            is_problem(answer, 409, "conflict")
            return
        assert answer.status_code == 200, answer.text
        person.set_plan(plan)
        assert answer.json()["subscription"]["plan"] == plan

    @rule(name=PEOPLE, limit=st.sampled_from([10_000, 12_345, 50_000]))
    def give_tokens(self, name: str, limit: int) -> None:
        """By hand, as docs/plans.md says."""
        person = self.world[name]
        if person.is_here:
            self.sql.rows(GIVE_TOKENS, limit, person.sub)
            person.tokens_limit = limit

    @rule(name=PEOPLE, plans=st.lists(PLAN_NAMES, min_size=1, max_size=2), is_listed=st.booleans())
    def subscribe_at_clerk(self, name: str, plans: list[str], *, is_listed: bool) -> None:
        shop = self.world[name].shop
        for plan in plans:
            shop.subscribe(plan)
        if is_listed:
            shop.list_items()

    @rule(
        name=PEOPLE,
        status=st.sampled_from(["canceled", "past_due", "active", "ended"]),
        is_over=st.booleans(),
        is_listed=st.booleans(),
    )
    def change_at_clerk(self, name: str, status: str, *, is_over: bool, is_listed: bool) -> None:
        shop = self.world[name].shop
        if shop.living is not None:
            shop.move(status, is_over=is_over)
            if is_listed:
                shop.list_items()

    @precondition(lambda self: self.world.said_at_clerk)
    @rule(event=drawn_from(lambda world: world.said_at_clerk))
    def receive_billing(self, event: Event) -> None:
        """In any order, and also again."""
        self._receive_billing(event)

    @rule(name=PEOPLE, order=st.sampled_from(list(ORDERS)))
    def receive_all_billing(self, name: str, order: str) -> None:
        for event in ORDERS[order](self.world[name].shop.events):
            self._receive_billing(event)

    def _receive_billing(self, event: Event) -> None:
        is_news = self.world.people[event.sub].take_billing(event)
        assert self.deliver(event.kind, event.data()) == OUTCOMES[is_news]


class TokenSteps(Machine):
    @rule(name=PEOPLE, amount=st.integers(1, 300_000), key=IDEMPOTENCY_KEYS)
    def spend(self, name: str, amount: int, key: str | None) -> None:
        self._spend(self.world[name], amount, key)

    @rule(name=PEOPLE, beyond=st.sampled_from([-1, 0, 1]))
    def spend_what_is_left(self, name: str, beyond: int) -> None:
        person = self.world[name]
        amount = person.tokens_left + beyond
        self._spend(person, max(1, min(amount, MOST_TOKENS_AT_ONCE)), None)

    def _spend(self, person: Person, amount: int, key: str | None) -> None:
        done = self.write(
            person, "POST", "/api/tokens/consume", lambda: person.spend(amount), body={"amount": amount}, key=key
        )
        if done is not None:
            balance, answer = done
            assert balance.items() <= answer.json().items()


class KeySteps(Machine):
    @rule(name=PEOPLE, number=st.integers(1, 4))
    def make_keys(self, name: str, number: int) -> None:
        for _ in range(number):
            self._make_key(self.world[name])

    def _make_key(self, person: Person) -> None:
        body = '{"name": "laptop", "scopes": ["campaigns:read"]}'
        answer = self.send(person, "POST", "/api/keys", body)
        try:
            person.check_room_for_key()
        except Refusal as refusal:
            check_refusal(answer, refusal)
            return
        assert answer.status_code == 201, answer.text
        label = f"key {len(person.keys) + 1} of {person.sub}"
        person.keys.append(Key(label, person.sub, answer.json()["key"], answer.json()["key_id"]))

    @precondition(lambda self: self.world.keys)
    @rule(key=drawn_from(lambda world: world.keys), name=PEOPLE)
    def revoke_key(self, key: Key, name: str) -> None:
        """By its owner, also once more; by nobody else."""
        person = self.world[name]
        answer = self.send(person, "DELETE", f"/api/keys/{key.key_id}")
        if key.owner == person.sub:
            assert answer.status_code == 204
            key.is_revoked = True
        else:
            is_problem(answer, 404, "not-found")

    @precondition(lambda self: self.world.keys)
    @rule(key=drawn_from(lambda world: world.keys))
    def use_key(self, key: Key) -> None:
        person = self.world.people[key.owner]
        answer = self.server.get("/api/campaigns", headers={"X-API-Key": key.secret})
        if person.is_deleted:
            assert answer.json()["code"] in ({"user-deleted"} | ({"api-key-revoked"} if key.is_revoked else set()))
        elif key.is_revoked:
            is_problem(answer, 401, "api-key-revoked")
        else:
            ids = [campaign["campaign_id"] for campaign in answer.json()["campaigns"]]
            assert ids == [campaign.campaign_id for campaign in person.shelf.listed({})]
