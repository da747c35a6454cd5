"""Campaigns are made, changed, listed, deleted and brought back."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.campaigns.histories.belongings import Campaign, Template, listed, make_campaign
from tests.campaigns.histories.presets import CHANGES, PRESETS, SOME_MEMBERS, STATUSES
from tests.campaigns.histories.template_steps import TemplateSteps
from tests.histories.account_steps import PlanSteps, UserSteps
from tests.histories.billing import RANKS
from tests.histories.machine import IDEMPOTENCY_KEYS, PEOPLE, rule_about
from tests.histories.resource_steps import IF_MATCH, ResourceSteps
from tests.histories.world import LIMITS, Person

ACTIONS = (("POST", "/archive"), ("POST", "/restore"))
SORTS = st.sampled_from([None, "created_at", "-created_at"])
NAME_SORTS = st.sampled_from([None, "name", "-name"])
QUERIES = st.one_of(
    st.fixed_dictionaries({"sort": SORTS}),
    st.fixed_dictionaries({"sort": NAME_SORTS}),
    st.fixed_dictionaries({"status": STATUSES, "sort": SORTS}),
    st.fixed_dictionaries({"tag": st.sampled_from(["new", "VIP", "Été"]), "sort": SORTS}),
    st.fixed_dictionaries({"search": st.sampled_from(["a", "AL", "al%", "al_", "é", "x"]), "sort": NAME_SORTS}),
)
MORE_THAN_FREE = LIMITS["free"]["campaigns"] + 1
ROWS = """
SELECT u.clerk_user_id, c.campaign_id, c.name, c.status, c.version, c.deleted_at IS NOT NULL, c.tags,
       ARRAY(SELECT tag FROM campaign_tags t WHERE t.campaign_id = c.campaign_id ORDER BY array_position(c.tags, tag))
FROM campaigns c JOIN users u USING (user_id) ORDER BY campaign_id
"""
CREATED = """
SELECT clerk_user_id, campaigns_created FROM usage_metrics JOIN users USING (user_id) WHERE deleted_at IS NULL
"""


class CampaignSteps(UserSteps, PlanSteps, TemplateSteps, ResourceSteps):
    @rule(name=PEOPLE, body=PRESETS, key=IDEMPOTENCY_KEYS, number=st.integers(1, 3))
    def create(self, name: str, body: dict[str, Any], key: str | None, number: int) -> None:
        """Several times, so that plans are used up."""
        for _ in range(number):
            self._create(self.world[name], body, key)

    @rule_about(lambda machine: machine.templates, name=PEOPLE, changes=SOME_MEMBERS, key=IDEMPOTENCY_KEYS)
    def create_from_template(self, one: Template, name: str, changes: dict[str, Any], key: str | None) -> None:
        self._create(self.world[name], changes, key, one)

    def _create(
        self, person: Person, given: dict[str, Any], key: str | None = None, template: Template | None = None
    ) -> None:
        body = given if template is None else {**given, "template_id": template.number}
        self.make(person, Campaign, lambda: make_campaign(person, given, template), body, key)

    @rule_about(lambda machine: machine.world.those(Campaign), changes=CHANGES, if_match=IF_MATCH, key=IDEMPOTENCY_KEYS)
    def change(self, one: Campaign, changes: dict[str, Any], if_match: str | None, key: str | None) -> None:
        self.alter(one, changes, if_match, key)

    @rule_about(lambda machine: machine.world.those(Campaign), status=STATUSES)
    def move(self, one: Campaign, status: str) -> None:
        self.alter(one, {"status": status})

    @rule_about(
        lambda machine: machine.world.those(Campaign),
        verb=st.sampled_from(["archive", "delete", "delete", "restore", "restore"]),
        if_match=IF_MATCH,
        key=IDEMPOTENCY_KEYS,
    )
    def put_away_or_bring_back(self, one: Campaign, verb: str, if_match: str | None, key: str | None) -> None:
        if verb == "delete":
            self.act(one, "DELETE", one.delete, if_match=if_match, key=key)
        elif verb == "archive":
            archived = {"status": "archived"}
            self.act(
                one, "POST", lambda versions: one.change(archived, versions), "/archive", if_match=if_match, key=key
            )
        else:
            owner = self.world.people[one.owner]
            self.act(one, "POST", lambda versions: one.restore(owner, versions), "/restore", if_match=if_match, key=key)

    @rule(name=PEOPLE, query=QUERIES, limit=st.integers(1, 2))
    def walk(self, name: str, query: dict[str, str | None], limit: int) -> None:
        self._walk(self.world[name], query, limit)

    def _walk(self, person: Person, query: dict[str, str | None], limit: int) -> None:
        wanted = {part: value for part, value in query.items() if value is not None}
        expected = listed(person.belongings[Campaign.name], wanted)
        self.walk_through(person, Campaign, expected, limit=limit, query=wanted)

    @rule_about(lambda machine: machine.world.those(Campaign))
    def see(self, one: Campaign) -> None:
        self.look_at(one)
        self.meddle_with(one, ACTIONS)

    @rule(name=PEOPLE)
    def see_how_many_were_created(self, name: str) -> None:
        person = self.world[name]
        made = len(person.belongings[Campaign.name])
        assert self.get(person, "/auth/me")["usage"]["campaigns_created"] == made
        assert [month["campaigns_created"] for month in self.get(person, "/api/tokens")["history"]] == [made]

    @rule(name=PEOPLE, plan=st.sampled_from(RANKS[1:]), body=PRESETS)
    def outgrow_the_free_plan(self, name: str, plan: str, body: dict[str, Any]) -> None:
        """A smaller plan takes nothing away."""
        self.look(name)
        person = self.world[name]
        self.set_plan(person, plan)
        self._create_many(person, body)
        self.set_plan(person, "free")
        self._create(person, body)
        self._walk(person, {}, 2)

    @rule_about(lambda machine: machine.world.those(Campaign), body=PRESETS, sort=SORTS | NAME_SORTS)
    def take_its_place(self, one: Campaign, body: dict[str, Any], sort: str | None) -> None:
        """What was deleted comes back only where there is room."""
        owner = self.world.people[one.owner]
        self.put_away_or_bring_back(one, "delete", None, None)
        self._create_many(owner, body)
        self.put_away_or_bring_back(one, "restore", None, None)
        self._walk(owner, {"sort": sort}, 1)

    def _create_many(self, person: Person, body: dict[str, Any]) -> None:
        for _ in range(MORE_THAN_FREE):
            self._create(person, body)

    @invariant()
    def rows_of_campaigns_fit(self) -> None:
        everybodys = [one for person in self.world.people.values() for one in person.belongings[Campaign.name]]
        campaigns = sorted(everybodys, key=lambda campaign: campaign.number)
        assert [tuple(row.values()) for row in self.sql.rows(ROWS)] == [row_of(campaign) for campaign in campaigns]
        for row in self.sql.rows(CREATED):
            made = self.world.people[row["clerk_user_id"]].belongings[Campaign.name]
            assert row["campaigns_created"] == len(made)


def row_of(one: Campaign) -> tuple[Any, ...]:
    tags = one.values["tags"]
    copied = [] if one.is_deleted else tags
    return one.owner, one.number, one.values["name"], one.status, one.version, one.is_deleted, tags, copied
