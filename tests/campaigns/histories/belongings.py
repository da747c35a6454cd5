"""Campaigns and templates as the documents describe them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.histories.belongings import Refusal, Resource
from tests.histories.world import Person

NEXT: Mapping[str, set[str]] = {
    "draft": {"active", "archived"},
    "active": {"paused", "completed", "archived"},
    "paused": {"active", "completed", "archived"},
    "completed": {"archived"},
    "archived": set(),
}
PRESET: Mapping[str, Any] = {"name": None, "description": None, "channel": None, "budget": None, "tags": []}


class Campaign(Resource):
    name = "campaigns"

    @property
    def status(self) -> str:
        return str(self.values["status"])

    def check_change(self, wanted: Mapping[str, Any]) -> None:
        if wanted["status"] not in {self.status, *NEXT[self.status]}:
            raise Refusal(409, "conflict")

    def restore(self, owner: Person, versions: set[str] | None) -> None:
        """A deleted one, if there is room; an archived one as a draft. Any other one stays as it is."""
        self.check_version(versions)
        if self.is_deleted:
            owner.check_room(self.name)
        elif self.status != "archived":
            return
        self.is_deleted = False
        if self.status == "archived":
            self.values = self.values | {"status": "draft"}
        self.version += 1


class Template(Resource):
    """`owner` is an empty name for a shared one."""

    name = "templates"

    def shown(self) -> dict[str, Any]:
        return self.values | {"template_id": self.number, "is_shared": not self.owner}

    def check_writer(self, person: Person) -> None:
        if self.owner not in {"", person.sub}:
            raise Refusal(404, "not-found")
        if not self.owner and not person.is_admin:
            raise Refusal(403, "forbidden")


def make_campaign(person: Person, given: Mapping[str, Any], template: Template | None) -> Campaign:
    preset: Mapping[str, Any] = PRESET
    template_id = None
    if template is not None:
        person.check_room(Campaign.name)
        if template.owner not in {"", person.sub}:
            raise Refusal(422, "validation")
        preset, template_id = template.values, template.number
    return person.make(Campaign, {**preset, "status": "draft", **given, "template_id": template_id})


def listed(campaigns: Sequence[Campaign], query: Mapping[str, str]) -> list[Campaign]:
    """Campaigns in the order of their creation, asked for as GET /api/campaigns is."""
    sort = query.get("sort") or ("name" if "search" in query else "-created_at")
    found = list(_found(campaigns, query))
    if sort.endswith("name"):
        # sorted() keeps equal names in the order of creation
        found = sorted(found, key=lambda campaign: str(campaign.values["name"]).lower())
    return found[::-1] if sort.startswith("-") else found


def _found(campaigns: Sequence[Campaign], query: Mapping[str, str]) -> Iterator[Campaign]:
    for campaign in campaigns:
        values = campaign.values
        if not (
            campaign.is_deleted
            or query.get("status", values["status"]) != values["status"]
            or ("tag" in query and query["tag"].lower() not in values["tags"])
            or not values["name"].lower().startswith(query.get("search", "").lower())
        ):
            yield campaign
