"""Proving that our copy equals Clerk, and repairing it where it does not.

Everything is looked at twice. What differs is compared once more at the end, as Clerk has it then; what changed after
the run began is no difference, for its event may still be on the way. What is here and not in the list is asked for by
its id, and only Clerk's own "there is none" counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping, TextClause, select, text

from backend.database.transactions import Transact
from backend.models import User
from backend.models.clerk_object import LOOKED_FOR
from backend.services import audit
from backend.services.clerk.billing_payloads import OVER
from backend.services.clerk.client.lists import FeatureOff, Lists
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.backfill import Progress, ahead
from backend.services.clerk.mirror.compare import compare
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.mirror.objects import Ties
from backend.services.clerk.mirror.pages import BILLING, apply_page, delete_page
from backend.services.clerk.mirror.runs import Run, Stopped

AT_ONCE = 100
ROWS_AT_ONCE = 10_000
DIFFERENCES = ("missing", "stale", "extra", "diverged")


class Reconciler:
    """One a run. `found`: the ids by kind and difference; `run.counts` has how many."""

    def __init__(
        self,
        transact: Transact,
        mirror: Mirror,
        lists: Lists,
        run: Run,
        progress: Progress,
        may_repair: bool,
        max_deletes: float,
    ) -> None:
        """`max_deletes`: of the live objects of a kind here, as a fraction of 1."""
        self._transact = transact
        self._mirror = mirror
        self._lists = lists
        self._run = run
        self._progress = progress
        self._may_repair = may_repair
        self._max_deletes = max_deletes
        self.found: dict[str, dict[str, list[str]]] = {}

    @property
    def drift(self) -> int:
        """The differences that are left."""
        counts = self._run.counts.values()
        return sum(sum(count[how] for how in DIFFERENCES) - count["repaired"] for count in counts)

    def reconcile(self) -> None:
        """Raises Stopped before anything is deleted for a wrong reason; FetchError, TakenOver, and as the database."""
        for name in self._run.kinds:
            self.found[name] = {how: [] for how in DIFFERENCES}
            self._run.counts[name] = dict.fromkeys(("checked", *DIFFERENCES, "repaired"), 0)
            try:
                self._reconcile(KINDS[name])
            except FeatureOff as off:
                del self._run.counts[name], self.found[name]
                self._progress.skip(name, str(off))
            self._transact(partial(self._run.advance, kind=name, cursor={}))

    def _reconcile(self, kind: Kind) -> None:
        totals = [self._lists.count_users()] if kind.name == "users" else []
        self._progress.begin(kind.name, 0, totals[0] if totals else None)
        different, seen, listed = set[str](), set[str](), set[str]()
        for page in ahead(self._lists.pages(kind.name)):
            found = self._transact(partial(compare, kind=kind, objects=page.objects, as_of=page.as_of))
            different |= found.how.keys() | found.unusable.keys()
            seen.update(str(each["id"]) for each in page.objects)
            listed.update(page.ids)
            totals += [] if page.total is None else [page.total]
            self._progress.add(len(page.ids), page.total)
        if kind.name == "users":
            totals.append(self._lists.count_users())
        self._run.counts[kind.name]["checked"] = len(seen)
        extra = self._find_extra(kind, seen, len(listed), min(totals, default=0))
        self._look_again(kind, different)
        self._take_away(kind, self._lists.find_gone(kind.name, extra))

    def _find_extra(self, kind: Kind, seen: set[str], listed: int, total: int) -> list[Mapping[str, str | None]]:
        """What is live here and was not listed. Raises Stopped when a list like this must not delete anything."""
        live = 0
        extra: list[Mapping[str, str | None]] = []
        for row in self._live_rows(kind):
            live += 1
            extra += [] if row["id"] in seen else [dict[str, str | None](**row)]
        what = kind.name.replace("_", " ")
        if live and not listed:
            raise Stopped(f"Clerk's list of {what} is empty, and {live:,} are live here: nothing was deleted.")
        if listed < total:
            raise Stopped(f"Clerk counts {total:,} {what} and listed {listed:,}: nothing was deleted.")
        if len(extra) > self._max_deletes * live:
            raise Stopped(
                f"{len(extra):,} of {live:,} {what} are not in Clerk's list, more than {self._max_deletes:.4g}: "
                "nothing was deleted. If that is right, say so with --max-deletes."
            )
        return extra

    def _live_rows(self, kind: Kind) -> Iterator[RowMapping]:
        last = ""
        while True:
            values = {"last": last, "limit": ROWS_AT_ONCE, "over": list(OVER)}
            rows = self._transact(partial(_fetch, statement=LIVE_ROWS[kind.name], values=values))
            yield from rows
            if len(rows) < ROWS_AT_ONCE:
                return
            last = rows[-1]["id"]

    def _look_again(self, kind: Kind, different: set[str]) -> None:
        started_at = round(self._run.started_at.timestamp() * 1000)
        for page in self._lists.named(kind.name, sorted(different)) if different else ():
            objects = [
                each
                for each in page.objects
                if each["id"] in different and not _changed_after(each.get("updated_at"), started_at)
            ]
            different.difference_update(str(each["id"]) for each in page.objects)
            found, left, unusable = self._transact(
                partial(self._compare_and_repair, kind=kind, objects=objects, as_of=page.as_of)
            )
            self._progress.refuse(kind.name, unusable)
            for object_id, how in found.items():
                self._note(kind, how, [object_id], is_repaired=object_id not in left)

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

    def _take_away(self, kind: Kind, gone: Sequence[str]) -> None:
        for start in range(0, len(gone), AT_ONCE):
            some = gone[start : start + AT_ONCE]
            if self._may_repair:
                self._transact(partial(_delete, self._mirror, kind=kind, ids=some))
            self._note(kind, "extra", some, is_repaired=self._may_repair)

    def _note(self, kind: Kind, how: str, ids: Sequence[str], *, is_repaired: bool) -> None:
        self.found[kind.name][how] += ids
        counts = self._run.counts[kind.name]
        counts[how] += len(ids)
        counts["repaired"] += len(ids) if is_repaired else 0


def _fetch(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> Sequence[RowMapping]:
    return connection.execute(statement, values).mappings().all()


def _changed_after(updated_at: object, started_at: int) -> bool:
    return isinstance(updated_at, int) and updated_at > started_at


def _delete(mirror: Mirror, connection: Connection, kind: Kind, ids: Sequence[str]) -> None:
    """As the events of deletion do, and in the audit trail."""
    deleted = delete_page(mirror, connection, kind, ids, source="reconcile")
    if kind.name == "users":
        of_them = select(User.user_id).where(User.clerk_user_id.in_(deleted)).order_by(User.user_id)
        for user_id in connection.execute(of_them).scalars().all():
            audit.record(connection, audit.SYNC, audit.Action.USER_DELETED, user_id, reason="unknown at Clerk")


def _select_live(kind: Kind) -> TextClause:
    """The live objects, with what leads to them at Clerk. Of billing only what is not over: Clerk need not list it."""
    columns = [name if name in LOOKED_FOR[kind.name] else f"NULL AS {name}" for name in ("user_id", "organization_id")]
    only = "coalesce(status, '') <> ALL (:over)" if kind.name in BILLING else "CAST(:over AS text[]) IS NOT NULL"
    rows = f"SELECT id, {', '.join(columns)} FROM {kind.table} WHERE deleted_at IS NULL AND id > :last AND {only}"  # noqa: S608
    # Of a user of an older release, or of whom only a token is known, the copy has nothing.
    if kind.name == "users":
        rows += """
        UNION SELECT clerk_user_id, NULL, NULL FROM users WHERE clerk_user_id > :last AND deleted_at IS NULL
        """
    return text(f"{rows} ORDER BY id LIMIT :limit")


LIVE_ROWS = {name: _select_live(kind) for name, kind in KINDS.items()}
