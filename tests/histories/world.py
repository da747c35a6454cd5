"""Users with all that is theirs, and the rules of the documents on plans, usage and access."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from backend.models.roles_plans_scopes import Plan
from backend.resources import OWNED
from backend.services.plans.catalogue import all_limits
from tests.histories.belongings import Answered, Key, Labelled, Refusal, Resource
from tests.histories.billing import Event, Shop, Term
from tests.support.specimen.resource import SPECIMENS

# As the application under test has it.
OWNED_HERE = [*OWNED, SPECIMENS]
QUOTAS = [(owned, quota) for owned in OWNED_HERE if (quota := owned.quota)]
LIMITS: Mapping[str, dict[str, Any]] = {
    plan: all_limits(plan) | {quota.name: quota.limits[plan] for _, quota in QUOTAS} for plan in Plan
}
MOST_TOKENS_AT_ONCE = 1_000_000
NO_TERM = Term("free", "active", has_end=False)

R = TypeVar("R", bound=Resource)
Request = tuple[str, str, str | None]  # method, path, Idempotency-Key


@dataclass
class Person(Labelled):
    """A Clerk user. `is_here`: something made the row; `profile_at`: Clerk's time of the profile we have;
    `belongings`: all that they made, by the name of its quota, in that order.
    """

    sub: str
    is_admin: bool = False
    is_here: bool = False
    is_deleted: bool = False
    profile_at: int | None = None
    first_name: str | None = None
    term: Term = NO_TERM
    is_managed: bool = False
    tokens_used: int = 0
    tokens_limit: int = LIMITS["free"]["tokens_a_month"]
    belongings: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[Request, Answered] = field(default_factory=dict)
    shop: Shop = field(init=False)

    def __post_init__(self) -> None:
        self.label = self.sub
        self.shop = Shop(self.sub)

    @property
    def limits(self) -> dict[str, Any]:
        return LIMITS[self.term.plan] | {"tokens_a_month": self.tokens_limit}

    @property
    def used(self) -> dict[str, int]:
        """What counts against the plan."""
        return {quota.name: sum(one.is_counted for one in self.belongings[quota.name]) for _, quota in QUOTAS}

    @property
    def keys(self) -> list[Key]:
        return self.belongings["api_keys"]

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
        old, new = (LIMITS[one]["tokens_a_month"] for one in (self.term.plan, plan))
        if self.tokens_limit == old or (old < new and self.tokens_limit < new):
            self.tokens_limit = new

    def spend(self, amount: int) -> dict[str, int]:
        if amount > self.tokens_left:
            left = {"limit": self.tokens_limit, "used": self.tokens_used, "remaining": self.tokens_left}
            raise Refusal(402, "quota-exceeded", **left)
        self.tokens_used += amount
        return {"used": self.tokens_used, "limit": self.tokens_limit, "remaining": self.tokens_left}

    def check_room(self, name: str) -> None:
        limit, used = self.limits[name], self.used[name]
        if limit is not None and used >= limit:
            raise Refusal(402, "quota-exceeded", limit=limit, used=used)

    def make(self, kind: type[R], values: dict[str, Any]) -> R:
        self.check_room(kind.name)
        made = self.belongings[kind.name]
        one = kind(f"{len(made) + 1} of the {kind.name} of {self.sub}", self.sub, values)
        made.append(one)
        return one

    def delete(self) -> None:
        """Nobody sees what they wrote, and their keys open nothing; it waits for the purge."""
        self.is_deleted = True
        self.first_name = None
        self.answers = {}


class World:
    """`slots`: who is Ada now. When Clerk deletes her, the next Ada is another Clerk user."""

    def __init__(self, *names: str) -> None:
        self.people: dict[str, Person] = {}
        self.slots: dict[str, str] = {}
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

    def those(self, kind: type[R]) -> list[R]:
        """What the living have of this kind."""
        return [one for person in self.living for one in person.belongings[kind.name]]

    @property
    def answers(self) -> list[tuple[Person, Request, Answered]]:
        return [(person, *answered) for person in self.living for answered in person.answers.items()]

    @property
    def keys(self) -> list[Key]:
        return [key for person in self.people.values() for key in person.keys]

    @property
    def said_at_clerk(self) -> list[Event]:
        return [event for person in self.people.values() for event in person.shop.events]
