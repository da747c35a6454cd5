"""What plans limit, at the limit: several steps in a row that seldom come together by chance."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.histories.account_steps import PlanSteps, TokenSteps, UserSteps
from tests.histories.belongings import Campaign
from tests.histories.campaign_steps import NAME_SORTS, SORTS, CampaignSteps
from tests.histories.machine import PEOPLE, drawn_from
from tests.histories.presets import PRESETS
from tests.histories.world import PLANS, Person

ALL_SORTS = SORTS | NAME_SORTS
MORE_THAN_FREE = (PLANS["free"].campaigns or 0) + 1


class QuotaSteps(UserSteps, PlanSteps, TokenSteps, CampaignSteps):
    @rule(
        name=PEOPLE, plan=st.sampled_from(["pro", "enterprise"]), body=PRESETS, amount=st.sampled_from([9_000, 20_000])
    )
    def outgrow_the_free_plan(self, name: str, plan: str, body: dict[str, Any], amount: int) -> None:
        """A smaller plan takes nothing away."""
        self.look(name)
        person = self.world[name]
        self.set_plan(person, plan)
        self._create_many(person, body)
        self._spend(person, amount, None)
        self.set_plan(person, "free")
        self._create(person, body, None, None)
        self._walk(person, {}, 2)
        self.meddle(person.shelf.campaigns[-1])

    @precondition(lambda self: self.world.campaigns)
    @rule(campaign=drawn_from(lambda world: world.campaigns), body=PRESETS, sort=ALL_SORTS)
    def take_its_place(self, campaign: Campaign, body: dict[str, Any], sort: str | None) -> None:
        """What was deleted comes back only where there is room."""
        self.meddle(campaign)
        self._put(campaign, "delete")
        self._create_many(self.world.people[campaign.owner], body)
        self._put(campaign, "restore")
        self._walk(self.world.people[campaign.owner], {"sort": sort}, 1)

    def _create_many(self, person: Person, body: dict[str, Any]) -> None:
        for _ in range(MORE_THAN_FREE):
            self._create(person, body, None, None)
