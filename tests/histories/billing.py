"""A user's subscription at Clerk, and what follows from those of its events that have arrived."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from backend.models.roles_plans_scopes import Plan
from tests.support.billing import FUTURE, PAST, alone, item, listing, payer

RANKS = tuple(plan.value for plan in Plan)
# Of two items with one plan, the one that is better off tells the status.
WORST_FIRST = ("canceled", "past_due", "active")
VERBS = {"past_due": "pastDue"}


class Item(NamedTuple):
    item_id: str
    plan: str
    status: str
    at: int
    end: int | None

    def data(self) -> dict[str, Any]:
        slug = "free_user" if self.plan == "free" else self.plan
        return {"slug": slug, "at": self.at, "status": self.status, "id": self.item_id, "period_end": self.end}

    @property
    def is_in_force(self) -> bool:
        return self.status in {"active", "past_due"} or (self.status == "canceled" and self.end == FUTURE)


class Event(NamedTuple):
    """`is_list`: subscription.*, which lists all items; else subscriptionItem.*, which tells of one."""

    sub: str
    at: int
    items: tuple[Item, ...]
    is_list: bool

    def __repr__(self) -> str:
        kind = "list" if self.is_list else "item"
        return f"{self.sub} {kind} at {self.at}: {', '.join(f'{i.plan} {i.status}' for i in self.items)}"

    @property
    def kind(self) -> str:
        if self.is_list:
            return "subscription.updated"
        (only,) = self.items
        return f"subscriptionItem.{VERBS.get(only.status, only.status)}"

    def data(self) -> dict[str, Any]:
        own: dict[str, Any] = {"payer": payer(self.sub)}
        if self.is_list:
            own["id"] = subscription_of(self.sub)
            return listing(*(item(**one.data()) for one in self.items), at=self.at, **own)
        (only,) = self.items
        return alone(**only.data(), **own, subscription_id=subscription_of(self.sub))


def subscription_of(sub: str) -> str:
    """Ids at Clerk are of one object, whoever pays."""
    return f"csub_{sub}"


class Term(NamedTuple):
    plan: str
    status: str
    has_end: bool


class Shop:
    """Clerk's side: one living item at a time, as a user has one plan. Each change has a time of its own."""

    def __init__(self, sub: str) -> None:
        self.sub = sub
        self.at = 0
        self.living: Item | None = None
        self.events: list[Event] = []
        self.arrived: list[Event] = []

    def subscribe(self, plan: str) -> None:
        self.at += 1
        if self.living is not None:
            self._say(self.living._replace(status="ended"))
        self._say(Item(f"csub_item_{self.sub}_{self.at}", plan, "active", self.at, None))

    def move(self, status: str, *, is_over: bool) -> None:
        """What Clerk does with the living item. `is_over`: a canceled one has come to its end."""
        assert self.living is not None
        self.at += 1
        end = (PAST if is_over else FUTURE) if status == "canceled" else None
        self._say(self.living._replace(status=status, end=end))

    def _say(self, changed: Item) -> None:
        changed = changed._replace(at=self.at)
        self.events.append(Event(self.sub, self.at, (changed,), is_list=False))
        self.living = None if changed.status == "ended" else changed

    def list_items(self) -> None:
        items = () if self.living is None else (self.living,)
        self.events.append(Event(self.sub, self.at, items, is_list=True))

    def arrive(self, event: Event) -> bool:
        """Whether it says anything new."""
        is_news = self._is_news(event)
        self.arrived.append(event)
        return is_news

    def _newest_list(self) -> Event | None:
        return max((event for event in self.arrived if event.is_list), key=lambda event: event.at, default=None)

    def _is_news(self, event: Event) -> bool:
        newest = self._newest_list()
        if event.is_list:
            return newest is None or event.at > newest.at
        (told,) = event.items
        is_behind = newest is not None and newest.at > told.at
        known = [one.at for one in _items(self.arrived) if one.item_id == told.item_id]
        return not is_behind and all(at < told.at for at in known)

    def _present(self) -> list[Item]:
        """The newest word on each item, unless a newer list leaves it out."""
        newest = self._newest_list()
        words: dict[str, Item] = {}
        for one in sorted(_items(self.arrived), key=lambda one: one.at):
            words[one.item_id] = one
        listed = {one.item_id for one in newest.items} if newest else set()
        least = newest.at if newest else 0
        return [one for one in words.values() if one.item_id in listed or one.at >= least]

    def term(self) -> Term:
        """The highest plan that is in force; else free, canceled while a canceled item is remembered."""
        granting = [one for one in self._present() if one.status != "ended"]
        if not granting:
            return Term("free", "active", has_end=False)
        best = max(granting, key=lambda one: (one.is_in_force, RANKS.index(one.plan), WORST_FIRST.index(one.status)))
        return Term(best.plan if best.is_in_force else "free", best.status, has_end=best.end is not None)


def _items(events: Iterable[Event]) -> Iterable[Item]:
    return (one for event in events for one in event.items)
