"""Specimens are made, changed, listed and deleted, up to what the plan allows."""

from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from backend.models.base import LAST_ID
from tests.histories.account_steps import PlanSteps, TokenSteps, UserSteps
from tests.histories.belongings import Specimen
from tests.histories.billing import RANKS
from tests.histories.machine import IDEMPOTENCY_KEYS, PEOPLE, check_shown, rule_about, settle
from tests.histories.resource_steps import IF_MATCH, ResourceSteps
from tests.histories.world import LIMITS, Person
from tests.support.caller import Caller
from tests.support.traffic import in_parallel

EMPTY = {"description": None}
BODIES = st.fixed_dictionaries(
    {"name": st.sampled_from(["one", "One"])}, optional={"description": st.sampled_from([None, "two\nlines"])}
)
MORE_THAN_FREE = LIMITS["free"]["specimens"] + 1


class SpecimenSteps(UserSteps, PlanSteps, TokenSteps, ResourceSteps):
    @rule(name=PEOPLE, body=BODIES, key=IDEMPOTENCY_KEYS, number=st.integers(1, 2))
    def make_specimens(self, name: str, body: dict[str, Any], key: str | None, number: int) -> None:
        for _ in range(number):
            self._make(self.world[name], body, key)

    def _make(self, person: Person, body: dict[str, Any], key: str | None = None) -> None:
        self.make(person, Specimen, lambda: person.make(Specimen, EMPTY | body), body, key)

    @rule(name=PEOPLE, body=BODIES)
    def make_specimens_at_once(self, name: str, body: dict[str, Any]) -> None:
        """More than there is room for. Creations that do not see each other would all find it."""
        person = self.world[name]
        self.look(name)
        caller = Caller(self.server, self.clerk, person.sub, "/api/specimens")
        answers = in_parallel([partial(caller.call, "POST", json=body)] * MORE_THAN_FREE)
        for answer in sorted(answers, key=lambda answer: answer.json().get("specimen_id", LAST_ID)):
            done = settle(answer, lambda: person.make(Specimen, EMPTY | body))
            if done is not None:
                done[0].number = answer.json()["specimen_id"]
                check_shown(done[0], answer.json())

    @rule_about(lambda machine: machine.world.those(Specimen), body=BODIES, if_match=IF_MATCH, key=IDEMPOTENCY_KEYS)
    def change_specimen(self, one: Specimen, body: dict[str, Any], if_match: str | None, key: str | None) -> None:
        self.alter(one, body, if_match, key)

    @rule_about(lambda machine: machine.world.those(Specimen), if_match=IF_MATCH, key=IDEMPOTENCY_KEYS)
    def delete_specimen(self, one: Specimen, if_match: str | None, key: str | None) -> None:
        self.act(one, "DELETE", one.delete, if_match=if_match, key=key)

    @rule_about(lambda machine: machine.world.those(Specimen))
    def see_specimen(self, one: Specimen) -> None:
        self.look_at(one)
        self.meddle_with(one)

    @rule(name=PEOPLE, limit=st.integers(1, 2))
    def walk(self, name: str, limit: int) -> None:
        """Newest first."""
        person = self.world[name]
        kept = [one for one in person.belongings[Specimen.name] if one.is_counted]
        self.walk_through(person, Specimen, kept[::-1], limit=limit)

    @rule(name=PEOPLE, plan=st.sampled_from(RANKS[1:]), body=BODIES, amount=st.sampled_from([9_000, 20_000]))
    def outgrow_the_free_plan(self, name: str, plan: str, body: dict[str, Any], amount: int) -> None:
        """A smaller plan takes nothing away. These steps seldom come together by chance."""
        self.look(name)
        person = self.world[name]
        self.set_plan(person, plan)
        for _ in range(MORE_THAN_FREE):
            self._make(person, body)
        self.spend(name, amount, None)
        self.set_plan(person, "free")
        self._make(person, body)
        self.walk(name, 2)
