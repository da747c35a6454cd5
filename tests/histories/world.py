"""Users with all that is theirs, and the rules of the documents on plans, usage and access."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.histories.belongings import PRESET, Answered, Campaign, Key, Labelled, Refusal, Shelf, Template
from tests.histories.billing import Event, Shop, Term


class Limits(NamedTuple):
    campaigns: int | None
    templates: int
    tokens: int
    api_keys: int


PLANS: Mapping[str, Limits] = {
    "free": Limits(3, 10, 10_000, 5),
    "pro": Limits(100, 100, 250_000, 20),
    "enterprise": Limits(None, 1_000, 5_000_000, 50),
}
MOST_TOKENS_AT_ONCE = 1_000_000
NO_TERM = Term("free", "active", has_end=False)


@dataclass
class Person(Labelled):
    """A Clerk user. `is_here`: something made the row; `profile_at`: Clerk's time of the profile we have."""

    sub: str
    is_admin: bool = False
    is_here: bool = False
    is_deleted: bool = False
    profile_at: int | None = None
    first_name: str | None = None
    term: Term = NO_TERM
    is_managed: bool = False
    tokens_used: int = 0
    tokens_limit: int = PLANS["free"].tokens
    campaigns_created: int = 0
    shelf: Shelf = field(default_factory=Shelf)
    templates: list[Template] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    shop: Shop = field(init=False)

    def __post_init__(self) -> None:
        self.label = self.sub
        self.shop = Shop(self.sub)

    @property
    def limits(self) -> Limits:
        return PLANS[self.term.plan]

    @property
    def campaigns(self) -> int:
        """How many count against the plan."""
        return sum(not campaign.is_deleted for campaign in self.shelf.campaigns)

    @property
    def usable_keys(self) -> int:
        return sum(not key.is_revoked for key in self.keys)

    @property
    def status(self) -> str:
        """A deleted user's subscription is over."""
        return "canceled" if self.is_deleted else self.term.status

    @property
    def tokens_left(self) -> int:
        return max(0, self.tokens_limit - self.tokens_used)

    def take_profile(self, at: int, name: str, *, is_update: bool) -> bool:
        """Whether the profile counts: the newest does; of equal times an update, not a creation."""
        if self.is_deleted:
            return False
        if self.profile_at is not None and (at, is_update) < (self.profile_at, True):
            return False
        self.is_here, self.profile_at, self.first_name = True, at, name
        return True

    def take_billing(self, event: Event) -> bool:
        """Whether the event says something new. If so the plan follows: but Clerk's free one replaces only Clerk's."""
        if self.is_deleted:
            return False
        self.is_here = True
        if not self.shop.arrive(event):
            return False
        term = self.shop.term()
        is_given_here = self.term.plan != "free" and not self.is_managed
        if term.plan != "free" or not is_given_here:
            self._move_limit(term.plan)
            self.term, self.is_managed = term, term.plan != "free"
        return True

    def set_plan(self, plan: str) -> None:
        """By an admin: without an end, and none of Clerk's. What is so already is no change."""
        if plan != self.term.plan or (plan != "free" and self.term.status != "active"):
            self._move_limit(plan)
            self.term, self.is_managed = Term(plan, "active", has_end=False), False

    def _move_limit(self, plan: str) -> None:
        """A limit that is not the old plan's was given by hand, and stays, unless a greater plan brings more."""
        old, new = self.limits.tokens, PLANS[plan].tokens
        if self.tokens_limit == old or (old < new and self.tokens_limit < new):
            self.tokens_limit = new

    def spend(self, amount: int) -> dict[str, int]:
        if amount > self.tokens_left:
            left = {"limit": self.tokens_limit, "used": self.tokens_used, "remaining": self.tokens_left}
            raise Refusal(402, "quota-exceeded", **left)
        self.tokens_used += amount
        return {"used": self.tokens_used, "limit": self.tokens_limit, "remaining": self.tokens_left}

    def check_room(self) -> None:
        _check_room(self.campaigns, self.limits.campaigns)

    def check_room_for_template(self) -> None:
        _check_room(len(self.templates), self.limits.templates)

    def check_room_for_key(self) -> None:
        _check_room(self.usable_keys, self.limits.api_keys)

    def create_campaign(self, given: Mapping[str, Any], template: Template | None = None) -> Campaign:
        self.check_room()
        preset: Mapping[str, Any] = PRESET
        template_id = None
        if template is not None:
            if template.owner not in {None, self.sub}:
                raise Refusal(422, "validation")
            preset, template_id = template.values, template.template_id
        values = {**preset, "status": "draft", **given, "template_id": template_id}
        number = len(self.shelf.campaigns) + 1
        campaign = Campaign(f"campaign {number} of {self.sub}", self.sub, values)
        self.shelf.campaigns.append(campaign)
        self.campaigns_created += 1
        return campaign

    def restore_campaign(self, campaign: Campaign, versions: set[str] | None) -> None:
        """A deleted one, if there is room; an archived one as a draft. Any other one stays as it is."""
        campaign.check_version(versions)
        if campaign.is_deleted:
            self.check_room()
        elif campaign.status != "archived":
            return
        campaign.is_deleted = False
        if campaign.status == "archived":
            campaign.values = campaign.values | {"status": "draft"}
        campaign.version += 1

    def delete(self) -> bool:
        """All that they wrote goes, and their keys open nothing. False when it was so before."""
        if self.is_deleted:
            return False
        self.is_deleted = True
        self.first_name = None
        self.shelf = Shelf()
        self.templates = []
        self.answers = []
        return True


class World:
    """`slots`: who is Ada now. When Clerk deletes her, the next Ada is another Clerk user."""

    def __init__(self, *names: str) -> None:
        self.people: dict[str, Person] = {}
        self.slots: dict[str, str] = {}
        self.shared: list[Template] = []
        for name in names:
            self.replace(name)

    def __getitem__(self, name: str) -> Person:
        return self.people[self.slots[name]]

    def replace(self, name: str) -> None:
        person = Person(f"user_{name}_{len(self.people) + 1}")
        self.people[person.sub] = person
        self.slots[name] = person.sub

    def add_admin(self, sub: str) -> None:
        self.people[sub] = Person(sub, is_admin=True, is_here=True)
        self.slots["admin"] = sub

    @property
    def living(self) -> list[Person]:
        return [person for person in self.people.values() if not person.is_deleted]

    @property
    def gone(self) -> list[Person]:
        return [person for person in self.people.values() if person.is_deleted]

    @property
    def campaigns(self) -> list[Campaign]:
        return [campaign for person in self.living for campaign in person.shelf.campaigns]

    @property
    def templates(self) -> list[Template]:
        return [*self.shared, *(template for person in self.living for template in person.templates)]

    @property
    def answers(self) -> list[tuple[Person, Answered]]:
        return [(person, answer) for person in self.living for answer in person.answers]

    @property
    def keys(self) -> list[Key]:
        return [key for person in self.people.values() for key in person.keys]

    @property
    def said_at_clerk(self) -> list[Event]:
        return [event for person in self.people.values() for event in person.shop.events]


def _check_room(used: int, limit: int | None) -> None:
    if limit is not None and used >= limit:
        raise Refusal(402, "quota-exceeded", limit=limit, used=used)
