"""Proving that our copy equals Clerk, and repairing it where it does not.

Everything is looked at twice. What differs is compared once more at the end, as Clerk has it then; what changed after
the run began is no difference, for its event may still be on the way. What is here and not in the list is asked for by
its id, and only Clerk's own "there is none" counts.

It is done in parts, by any processes: what was seen is in `sync_seen`, and the place in `sync_runs`.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

from sqlalchemy import Connection, select

from backend.database.transactions import Transact
from backend.models import User
from backend.services import audit
from backend.services.clerk.client.lists import LISTS, MOST_IDS, Cursor, FeatureOff, Lists, Page
from backend.services.clerk.mirror import seen
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.backfill import Progress, ahead
from backend.services.clerk.mirror.compare import compare
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.mirror.objects import Ties
from backend.services.clerk.mirror.pages import apply_page, delete_page
from backend.services.clerk.mirror.runs import Run, Stopped

T = TypeVar("T")

# Each costs a request: with a development key these take three seconds.
ASKED_FOR = 25
DIFFERENCES = ("missing", "stale", "extra", "diverged")
# Of the live objects of a kind, as a fraction of 1.
MAX_DELETES = 0.05


class Place(NamedTuple):
    """Where a reconcile is in a kind. `done`, `trail`: see Cursor. `listed`: how many different objects were, and
    `total` is the least that Clerk said there are.
    """

    step: Literal["list", "again", "extra"] = "list"
    done: int = 0
    trail: Sequence[str] = ()
    listed: int = 0
    total: int | None = None

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.done, self.trail)

    def after(self, page: Page) -> "Place":
        return self._replace(done=page.cursor.done, trail=page.cursor.trail)

    def counting(self, total: int | None) -> "Place":
        return self if total is None else self._replace(total=total if self.total is None else min(self.total, total))


# Of a transaction: what it returns, the place after it, and what to add to the counts.
Step = tuple[T, Place, Mapping[str, int]]


class Reconciler:
    """One a run. `found`: the ids by kind and difference; `run.counts` has how many."""

    def __init__(
        self,
        transact: Transact,
        mirror: Mirror,
        lists: Lists,
        run: Run,
        progress: Progress,
        *,
        may_repair: bool,
        max_deletes: float = MAX_DELETES,
    ) -> None:
        """`max_deletes`: see MAX_DELETES."""
        self._transact = transact
        self._mirror = mirror
        self._lists = lists
        self._run = run
        self._progress = progress
        self._may_repair = may_repair
        self._max_deletes = max_deletes
        self._ends_at = math.inf
        self.found: dict[str, dict[str, list[str]]] = {}

    def reconcile(self, ends_at: float = math.inf) -> bool:
        """Go on until this time of the monotonic clock, or to the end. Whether that is reached: then the run is over.

        Raises Stopped before anything is deleted for a wrong reason; FetchError, TakenOver, and as the database.
        """
        run, self._ends_at = self._run, ends_at
        for name in run.kinds[run.kinds.index(run.kind) :]:
            kind = KINDS[name]
            place = Place(**run.cursor) if name == run.kind and run.cursor else self._begin(kind)
            self.found[name] = {how: [] for how in DIFFERENCES}
            try:
                if not self._reconcile(kind, place):
                    return False
            except FeatureOff as off:
                del run.counts[name], self.found[name]
                self._progress.skip(name, str(off))
        self._transact(seen.forget)
        run.end("finished", drift=self.drift)
        return True

    @property
    def drift(self) -> int:
        """The differences that are left."""
        counts = self._run.counts.values()
        return sum(sum(count[how] for how in DIFFERENCES) - count["repaired"] for count in counts)

    def _begin(self, kind: Kind) -> Place:
        self._transact(seen.forget)
        self._run.counts[kind.name] = dict.fromkeys(("checked", *DIFFERENCES, "repaired"), 0)
        return Place(total=self._lists.count_users() if kind.name == "users" else None)

    def _reconcile(self, kind: Kind, place: Place) -> bool:
        """As reconcile(), for one kind. Each part does something, however short it is."""
        self._progress.begin(kind.name, place.done, place.total)
        if place.step == "list":
            for page in ahead(self._lists.pages(kind.name, place.cursor), self._ends_at):
                before = place.counting(page.total).after(page)
                place = self._take(kind, partial(_note_listed, kind=kind, page=page, place=before))
                self._progress.add(len(page.ids), page.total)
            if not page.is_last:
                return False
            place = self._find_extra(kind, place)
        if place.step == "again":
            for ids, page in self._different(kind, place):
                place = place.after(page)
                self._look_again(kind, ids, page, place)
                if self._is_time_up:
                    return False
            place = Place("extra")
        while some := self._transact(partial(seen.extra, kind=kind, limit=ASKED_FOR)):
            self._take_away(kind, [str(row["id"]) for row in some], self._lists.find_gone(kind.name, some))
            if self._is_time_up:
                return False
        return True

    @property
    def _is_time_up(self) -> bool:
        return time.monotonic() >= self._ends_at

    def _find_extra(self, kind: Kind, place: Place) -> Place:
        """Note what is live here and was not listed. Raises Stopped when a list like this must not delete anything."""
        if kind.name == "users":
            place = place.counting(self._lists.count_users())

        def note(connection: Connection) -> Step[Place]:
            live, extra = seen.add_extra(connection, kind)
            what, total = kind.name.replace("_", " "), place.total or 0
            if live and not place.listed:
                raise Stopped(f"Clerk's list of {what} is empty, and {live:,} are live here: nothing was deleted.")
            if place.listed < total:
                raise Stopped(f"Clerk counts {total:,} {what} and listed {place.listed:,}: nothing was deleted.")
            if extra > self._max_deletes * live:
                raise Stopped(
                    f"{extra:,} of {live:,} {what} are not in Clerk's list, more than {self._max_deletes:.4g}: "
                    "nothing was deleted. If that is right, say so with --max-deletes."
                )
            return Place("again"), Place("again"), {}

        return self._take(kind, note)

    def _different(self, kind: Kind, place: Place) -> Iterator[tuple[Sequence[str], Page]]:
        """What differed at first as it is now, with the ids that were asked for."""
        while ids := self._transact(partial(seen.different, limit=MOST_IDS)):
            if not LISTS[kind.name].ids:
                yield from (([], page) for page in self._lists.pages(kind.name, place.cursor))
                return
            yield ids, self._lists.named(kind.name, ids)

    def _look_again(self, kind: Kind, ids: Sequence[str], page: Page, place: Place) -> None:
        started_at = round(self._run.started_at.timestamp() * 1000)

        def take(connection: Connection) -> Step[tuple[dict[str, str], dict[str, str]]]:
            asked = seen.settle(connection, {*ids, *(str(each["id"]) for each in page.objects)})
            objects = [
                each
                for each in page.objects
                if each["id"] in asked and not _changed_after(each.get("updated_at"), started_at)
            ]
            found, left, unusable = self._compare_and_repair(connection, kind, objects, page.as_of)
            return (found, unusable), place, {**Counter(found.values()), "repaired": len(found.keys() - left)}

        found, unusable = self._take(kind, take)
        self._progress.refuse(kind.name, unusable)
        for object_id, how in found.items():
            self.found[kind.name][how].append(object_id)

    def _compare_and_repair(
        self, connection: Connection, kind: Kind, objects: Sequence[dict[str, Any]], as_of: int
    ) -> tuple[dict[str, str], set[str], dict[str, str]]:
        """What differs, what of it is left, and why something cannot be used."""
        before = compare(connection, kind, objects, as_of)
        found = before.how | dict.fromkeys(before.unusable, "missing")
        if not self._may_repair or not before.how:
            return found, set(found), before.unusable
        wrong = [each for each in objects if each["id"] in before.how]
        # Also what follows from the copy is written anew: Ties.WIN.
        written = apply_page(self._mirror, connection, kind, wrong, source="reconcile", as_of=as_of, ties=Ties.WIN)
        left = compare(connection, kind, wrong, as_of).how.keys() | before.unusable.keys()
        return found, set(left), before.unusable | written.unusable

    def _take_away(self, kind: Kind, asked: Sequence[str], gone: Sequence[str]) -> None:
        def take(connection: Connection) -> Step[None]:
            seen.settle(connection, asked)
            if self._may_repair:
                _delete(self._mirror, connection, kind, gone)
            return None, Place("extra"), {"extra": len(gone), "repaired": len(gone) if self._may_repair else 0}

        self._take(kind, take)
        self.found[kind.name]["extra"] += gone

    def _take(self, kind: Kind, work: Callable[[Connection], Step[T]]) -> T:
        """The work, its counts and the place in one transaction: none of them is ever without the others."""
        before = self._run.counts[kind.name]

        def take(connection: Connection) -> T:
            result, place, added = work(connection)
            self._run.counts[kind.name] = {name: count + added.get(name, 0) for name, count in before.items()}
            self._run.advance(connection, kind.name, place._asdict())
            return result

        return self._transact(take)


def _note_listed(connection: Connection, kind: Kind, page: Page, place: Place) -> Step[Place]:
    found = compare(connection, kind, page.objects, page.as_of)
    objects = {str(each["id"]) for each in page.objects}
    new = seen.add(connection, objects.union(page.ids), found.how.keys() | found.unusable.keys())
    place = place._replace(listed=place.listed + len(new.intersection(page.ids)))
    return place, place, {"checked": len(new & objects)}


def _changed_after(updated_at: object, started_at: int) -> bool:
    return isinstance(updated_at, int) and updated_at > started_at


def _delete(mirror: Mirror, connection: Connection, kind: Kind, ids: Sequence[str]) -> None:
    """As the events of deletion do, and in the audit trail."""
    deleted = delete_page(mirror, connection, kind, ids, source="reconcile")
    if kind.name == "users":
        of_them = select(User.user_id).where(User.clerk_user_id.in_(deleted)).order_by(User.user_id)
        for user_id in connection.execute(of_them).scalars().all():
            audit.record(connection, audit.SYNC, audit.Action.USER_DELETED, user_id, reason="unknown at Clerk")
