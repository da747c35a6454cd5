"""Campaigns, templates and API keys as the documents describe them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NEXT: Mapping[str, set[str]] = {
    "draft": {"active", "archived"},
    "active": {"paused", "completed", "archived"},
    "paused": {"active", "completed", "archived"},
    "completed": {"archived"},
    "archived": set(),
}
PRESET: Mapping[str, Any] = {"name": None, "description": None, "channel": None, "budget": None, "tags": []}


class Refusal(Exception):
    """What the application refuses. `members`: what its answer says besides the code."""

    def __init__(self, status: int, code: str, **members: object) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.members = members


class Labelled:
    """Where a failure is told a label stands for the whole: ids differ from run to run."""

    label: str

    def _repr_pretty_(self, printer: Any, _cycle: object) -> None:
        printer.text(self.label)


@dataclass
class Campaign(Labelled):
    label: str
    owner: str
    values: dict[str, Any]
    campaign_id: int = 0
    version: int = 1
    is_deleted: bool = False

    @property
    def path(self) -> str:
        return f"/api/campaigns/{self.campaign_id}"

    @property
    def status(self) -> str:
        return str(self.values["status"])

    def shown(self) -> dict[str, Any]:
        return self.values | {"version": self.version, "campaign_id": self.campaign_id}

    def check_version(self, versions: set[str] | None) -> None:
        """`versions`: what If-Match names; None for any."""
        if versions is not None and str(self.version) not in versions:
            raise Refusal(412, "precondition-failed")

    def change(self, changes: Mapping[str, Any], versions: set[str] | None) -> None:
        if self.is_deleted:
            raise Refusal(404, "not-found")
        self.check_version(versions)
        wanted = {**self.values, **changes}
        if wanted == self.values:
            return
        if wanted["status"] not in {self.status, *NEXT[self.status]}:
            raise Refusal(409, "conflict")
        self.values = wanted
        self.version += 1

    def delete(self, versions: set[str] | None) -> None:
        if self.is_deleted:
            raise Refusal(404, "not-found")
        self.check_version(versions)
        self.is_deleted = True
        self.version += 1


@dataclass
class Template(Labelled):
    """`owner` is None for a shared one."""

    label: str
    owner: str | None
    values: dict[str, Any]
    template_id: int = 0

    @property
    def path(self) -> str:
        return f"/api/templates/{self.template_id}"

    def shown(self) -> dict[str, Any]:
        return self.values | {"template_id": self.template_id, "is_shared": self.owner is None}

    def check_change(self, sub: str, *, is_admin: bool) -> None:
        if self.owner not in {None, sub}:
            raise Refusal(404, "not-found")
        if self.owner is None and not is_admin:
            raise Refusal(403, "forbidden")


@dataclass
class Key(Labelled):
    label: str
    owner: str
    secret: str
    key_id: int
    is_revoked: bool = False


@dataclass
class Answered(Labelled):
    """A write that was answered under an Idempotency-Key, and the answer."""

    label: str
    method: str
    path: str
    key: str
    if_match: str | None
    body: str | None
    status: int
    text: str
    headers: dict[str, str | None]


@dataclass
class Shelf:
    """A list of campaigns in the order of their creation, asked as GET /api/campaigns is."""

    campaigns: list[Campaign] = field(default_factory=list)

    def listed(self, query: Mapping[str, str]) -> list[Campaign]:
        sort = query.get("sort") or ("name" if "search" in query else "-created_at")
        found = list(self._found(query))
        if sort.endswith("name"):
            # sorted() keeps equal names in the order of creation
            found = sorted(found, key=lambda campaign: str(campaign.values["name"]).lower())
        return found[::-1] if sort.startswith("-") else found

    def _found(self, query: Mapping[str, str]) -> Iterator[Campaign]:
        for campaign in self.campaigns:
            values = campaign.values
            if not (
                campaign.is_deleted
                or query.get("status", values["status"]) != values["status"]
                or ("tag" in query and query["tag"].lower() not in values["tags"])
                or not values["name"].lower().startswith(query.get("search", "").lower())
            ):
                yield campaign
