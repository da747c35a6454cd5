"""Campaigns are made, changed, listed, deleted and brought back."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.histories.belongings import Campaign, Template
from tests.histories.machine import IDEMPOTENCY_KEYS, PEOPLE, Machine, check_shown, drawn_from
from tests.histories.presets import CHANGES, PRESETS, SOME_MEMBERS, STATUSES
from tests.histories.world import Person
from tests.support.caller import is_problem, is_same_refusal

UNKNOWN = "/api/campaigns/999999999999"
EVERYTHING = (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/archive"), ("POST", "/restore"))
SORTS = st.sampled_from([None, "created_at", "-created_at"])
NAME_SORTS = st.sampled_from([None, "name", "-name"])
IF_MATCH = st.sampled_from([None, None, "*", '"{}"', '"{}"', '"0", "{}"', 'W/"{}"', '"{}0"', "{}", '"0"'])
QUERIES = st.one_of(
    st.fixed_dictionaries({"sort": SORTS}),
    st.fixed_dictionaries({"sort": NAME_SORTS}),
    st.fixed_dictionaries({"status": STATUSES, "sort": SORTS}),
    st.fixed_dictionaries({"tag": st.sampled_from(["new", "VIP", "Été"]), "sort": SORTS}),
    st.fixed_dictionaries({"search": st.sampled_from(["a", "AL", "al%", "al_", "é", "x"]), "sort": NAME_SORTS}),
)


def read_if_match(header: str | None, version: int) -> tuple[str | None, set[str] | None]:
    """The header, and the versions that it names; None for any. Werkzeug reads a tag without its quotes too."""
    if header is None:
        return None, None
    own = {str(version)}
    versions = {"*": None, '"{}"': own, "{}": own, '"0", "{}"': own, '"{}0"': {f"{version}0"}}
    return header.format(version), versions.get(header, set())


class CampaignSteps(Machine):
    @rule(name=PEOPLE, body=PRESETS, key=IDEMPOTENCY_KEYS, number=st.integers(1, 3))
    def create(self, name: str, body: dict[str, Any], key: str | None, number: int) -> None:
        """Several times, so that plans are used up."""
        for _ in range(number):
            self._create(self.world[name], body, key, None)

    @precondition(lambda self: self.world.templates)
    @rule(name=PEOPLE, template=drawn_from(lambda world: world.templates), changes=SOME_MEMBERS, key=IDEMPOTENCY_KEYS)
    def create_from_template(self, name: str, template: Template, changes: dict[str, Any], key: str | None) -> None:
        self._create(self.world[name], changes, key, template)

    def _create(self, person: Person, given: dict[str, Any], key: str | None, template: Template | None) -> None:
        body = given if template is None else {**given, "template_id": template.template_id}
        done = self.write(
            person, "POST", "/api/campaigns", lambda: person.create_campaign(given, template), body=body, key=key
        )
        if done is not None:
            campaign, answer = done
            campaign.campaign_id = answer.json()["campaign_id"]
            assert (answer.status_code, answer.headers["Location"]) == (201, campaign.path)
            check_shown(campaign, answer.json())

    @precondition(lambda self: self.world.campaigns)
    @rule(campaign=drawn_from(lambda world: world.campaigns), changes=CHANGES, if_match=IF_MATCH, key=IDEMPOTENCY_KEYS)
    def change(self, campaign: Campaign, changes: dict[str, Any], if_match: str | None, key: str | None) -> None:
        self._change(campaign, changes, if_match, key)

    def _change(
        self, campaign: Campaign, changes: dict[str, Any], if_match: str | None = None, key: str | None = None
    ) -> None:
        header, versions = read_if_match(if_match, campaign.version)
        done = self.write(
            self.world.people[campaign.owner],
            "PATCH",
            campaign.path,
            lambda: campaign.change(changes, versions),
            body=changes,
            key=key,
            if_match=header,
        )
        if done is not None:
            check_shown(campaign, done[1].json())

    @precondition(lambda self: self.world.campaigns)
    @rule(campaign=drawn_from(lambda world: world.campaigns), status=STATUSES)
    def move(self, campaign: Campaign, status: str) -> None:
        self._change(campaign, {"status": status})

    @precondition(lambda self: self.world.campaigns)
    @rule(
        campaign=drawn_from(lambda world: world.campaigns),
        verb=st.sampled_from(["archive", "delete", "delete", "restore", "restore"]),
        if_match=IF_MATCH,
        key=IDEMPOTENCY_KEYS,
    )
    def put_away_or_bring_back(self, campaign: Campaign, verb: str, if_match: str | None, key: str | None) -> None:
        self._put(campaign, verb, if_match, key)

    def _put(self, campaign: Campaign, verb: str, if_match: str | None = None, key: str | None = None) -> None:
        person = self.world.people[campaign.owner]
        header, versions = read_if_match(if_match, campaign.version)
        work = {
            "archive": lambda: campaign.change({"status": "archived"}, versions),
            "delete": lambda: campaign.delete(versions),
            "restore": lambda: person.restore_campaign(campaign, versions),
        }[verb]
        method, path = ("DELETE", "") if verb == "delete" else ("POST", f"/{verb}")
        done = self.write(person, method, campaign.path + path, work, key=key, if_match=header)
        if done is not None and verb != "delete":
            check_shown(campaign, done[1].json())
            assert done[1].headers["ETag"] == f'"{campaign.version}"'

    @rule(name=PEOPLE, query=QUERIES, limit=st.integers(1, 2))
    def walk(self, name: str, query: dict[str, str | None], limit: int) -> None:
        self._walk(self.world[name], query, limit)

    def _walk(self, person: Person, query: dict[str, str | None], limit: int) -> None:
        """Page by page: each campaign once, in order."""
        wanted = {part: value for part, value in query.items() if value is not None}
        expected = person.shelf.listed(wanted)
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(person, "/api/campaigns", limit=str(limit), **wanted, **cursor)
            found += page["campaigns"]
            if page["next_cursor"] is None:
                break
            assert len(page["campaigns"]) == limit
            assert len(found) < len(expected)
            cursor = {"cursor": page["next_cursor"]}
        assert [one["campaign_id"] for one in found] == [campaign.campaign_id for campaign in expected]
        for campaign, one in zip(expected, found, strict=True):
            check_shown(campaign, one)

    @precondition(lambda self: self.world.campaigns)
    @rule(campaign=drawn_from(lambda world: world.campaigns))
    def read(self, campaign: Campaign) -> None:
        person = self.world.people[campaign.owner]
        answer = self.send(person, "GET", campaign.path)
        if campaign.is_deleted:
            is_problem(answer, 404, "not-found")
            return
        check_shown(campaign, answer.json())
        tag = answer.headers["ETag"]
        assert tag == f'"{campaign.version}"'
        assert self.send(person, "GET", campaign.path, headers={"If-None-Match": tag}).status_code == 304

    @precondition(lambda self: self.world.campaigns)
    @rule(campaign=drawn_from(lambda world: world.campaigns))
    def meddle(self, campaign: Campaign) -> None:
        """Somebody else's campaign is as one that never existed."""
        stranger = next(person for person in self.world.living if person.sub != campaign.owner and not person.is_admin)
        for method, path in EVERYTHING:
            answer = self.send(stranger, method, campaign.path + path)
            is_problem(answer, 404, "not-found")
            assert is_same_refusal(answer, self.send(stranger, method, UNKNOWN + path))
