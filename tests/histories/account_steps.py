"""Users come, change and go; their plans change; they spend tokens and make API keys."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.histories.belongings import Answered, Key
from tests.histories.billing import RANKS, Event
from tests.histories.machine import IDEMPOTENCY_KEYS, PEOPLE, Machine, check_repetition, rule_about, settle
from tests.histories.world import MOST_TOKENS_AT_ONCE, Person, Request
from tests.support.caller import is_problem
from tests.support.clerk import user_data

PLAN_NAMES = st.sampled_from(RANKS)
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
        tokens = {"used": person.tokens_used, "limit": person.tokens_limit, "remaining": person.tokens_left}
        assert {member: me["usage"][f"tokens_{member}"] for member in tokens} == tokens
        assert tokens.items() <= self.get(person, "/api/tokens").items()

    @rule(name=PEOPLE)
    def delete_user(self, name: str) -> None:
        person = self.world[name]
        person.delete()
        assert self.deliver("user.deleted", {"id": person.sub, "deleted": True}) == "applied"
        self.world.replace(name)

    @rule_about(lambda machine: machine.world.gone, at=st.integers(1, 20), is_update=st.booleans())
    def come_back(self, one: Person, at: int, *, is_update: bool) -> None:
        """Nothing brings a deleted user back."""
        self._receive_profile(one, at, is_update=is_update)
        assert self.deliver("user.deleted", {"id": one.sub, "deleted": True}) == "stale"
        is_problem(self.send(one, "POST", "/api/specimens", '{"name": "x"}'), 401, "user-deleted")

    @rule_about(lambda machine: range(len(machine.sent)))
    def repeat_event(self, one: int) -> None:
        """Svix delivers at least once."""
        assert self.post_event(*self.sent[one]) == "duplicate"


class PlanSteps(Machine):
    @rule_about(lambda machine: [p for p in machine.world.people.values() if p.is_here], plan=PLAN_NAMES)
    def set_plan(self, one: Person, plan: str) -> None:
        user_id = self.sql.user(one.sub)["user_id"]
        admin = self.world["admin"]
        answer = self.send(admin, "PATCH", f"/api/users/{user_id}", f'{{"plan": "{plan}"}}')
        if one.is_deleted:
            is_problem(answer, 409, "conflict")
            return
        assert answer.status_code == 200, answer.text
        one.set_plan(plan)
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

    @rule_about(lambda machine: machine.world.said_at_clerk)
    def receive_billing(self, one: Event) -> None:
        """In any order, and also again."""
        is_news = self.world.people[one.sub].take_billing(one)
        assert self.deliver(one.kind, one.data()) == OUTCOMES[is_news]

    @rule(name=PEOPLE, order=st.sampled_from(list(ORDERS)))
    def receive_all_billing(self, name: str, order: str) -> None:
        for event in ORDERS[order](self.world[name].shop.events):
            self.receive_billing(event)


class TokenSteps(Machine):
    @rule(name=PEOPLE, amount=st.integers(1, 300_000), key=IDEMPOTENCY_KEYS)
    def spend(self, name: str, amount: int, key: str | None) -> None:
        person, body = self.world[name], {"amount": amount}
        done = self.write(person, "POST", "/api/tokens/consume", lambda: person.spend(amount), body=body, key=key)
        if done is not None:
            balance, answer = done
            assert balance.items() <= answer.json().items()

    @rule(name=PEOPLE, beyond=st.sampled_from([-1, 0, 1]))
    def spend_what_is_left(self, name: str, beyond: int) -> None:
        amount = self.world[name].tokens_left + beyond
        self.spend(name, max(1, min(amount, MOST_TOKENS_AT_ONCE)), None)


class KeySteps(Machine):
    @rule(name=PEOPLE, number=st.integers(1, 4))
    def make_keys(self, name: str, number: int) -> None:
        person = self.world[name]
        for _ in range(number):
            answer = self.send(person, "POST", "/api/keys", '{"name": "laptop", "scopes": ["profile:read"]}')
            if settle(answer, lambda: person.check_room("api_keys")):
                label = f"key {len(person.keys) + 1} of {person.sub}"
                person.keys.append(Key(label, person.sub, answer.json()["key"], answer.json()["key_id"]))

    @rule_about(lambda machine: machine.world.keys, name=PEOPLE)
    def revoke_key(self, one: Key, name: str) -> None:
        """By its owner, also once more; by nobody else."""
        person = self.world[name]
        answer = self.send(person, "DELETE", f"/api/keys/{one.key_id}")
        if one.owner == person.sub:
            assert answer.status_code == 204
            one.is_revoked = True
        else:
            is_problem(answer, 404, "not-found")

    @rule_about(lambda machine: machine.world.keys)
    def use_key(self, one: Key) -> None:
        person = self.world.people[one.owner]
        answer = self.server.get("/auth/me", headers={"X-API-Key": one.secret})
        if person.is_deleted:
            assert answer.json()["code"] in ({"user-deleted"} | ({"api-key-revoked"} if one.is_revoked else set()))
        elif one.is_revoked:
            is_problem(answer, 401, "api-key-revoked")
        else:
            assert answer.json()["user"]["clerk_user_id"] == person.sub


class RepetitionSteps(Machine):
    @rule_about(lambda machine: machine.world.answers, is_changed=st.booleans())
    def repeat(self, one: tuple[Person, Request, Answered], *, is_changed: bool) -> None:
        """Whatever happened since: the answer of the time, or a refusal of another body."""
        person, (method, path, key), earlier = one
        body = earlier.body
        if is_changed:
            body = "{ }" if body is None else f"{body} "
        answer = self.send(person, method, path, body, headers={"Idempotency-Key": key, "If-Match": earlier.if_match})
        check_repetition(answer, earlier, body, earlier.if_match)
