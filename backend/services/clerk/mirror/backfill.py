"""Bringing in all that Clerk has, page by page. It can be killed at any moment, and goes on where it was."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from backend.database.transactions import Transact
from backend.services.clerk.client.lists import START, Cursor, FeatureOff, Lists, Page
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.compare import compare
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.mirror.pages import Written, apply_page
from backend.services.clerk.mirror.runs import Run

T = TypeVar("T")


class Progress:
    """How far a run is. Whoever wants to be told overrides these."""

    def begin(self, kind: str, done: int, total: int | None) -> None:
        """The kind begins, or goes on."""

    def add(self, count: int, total: int | None) -> None:
        """So many more are done."""

    def skip(self, kind: str, code: str) -> None:
        """Clerk has none of the kind."""

    def refuse(self, kind: str, unusable: Mapping[str, str]) -> None:
        """These cannot be used, for these reasons."""


def backfill(
    transact: Transact,
    mirror: Mirror,
    lists: Lists,
    run: Run,
    progress: Progress,
    *,
    since: datetime | None,
    dry_run: bool,
) -> None:
    """Write what is newer at Clerk, or only count it. Newer state here is never overwritten.

    `run.counts` tells of each kind how many were listed, written and unusable. `since`: see Lists.pages(). Raises
    FetchError, TakenOver and what the database raises.
    """
    work = partial(_count, mirror) if dry_run else partial(_write, mirror)
    since_ms = None if since is None else round(since.timestamp() * 1000)
    for name in run.kinds[run.kinds.index(run.kind) :]:
        cursor = Cursor.load(run.cursor) if name == run.kind and run.cursor else START
        run.counts.setdefault(name, {"listed": 0, "written": 0, "unusable": 0})
        try:
            progress.begin(name, cursor.done, lists.count_users() if name == "users" and since is None else None)
            for page in ahead(lists.pages(name, cursor, since_ms)):
                written = _take(transact, run, KINDS[name], page, work)
                progress.refuse(name, written.unusable)
                progress.add(len(page.ids), page.total)
        except FeatureOff as off:
            del run.counts[name]
            progress.skip(name, str(off))


def _take(transact: Transact, run: Run, kind: Kind, page: Page, work: Callable[..., Written]) -> Written:
    """The page, the counts and the place in one transaction: none of them is ever without the others."""
    before = run.counts[kind.name]

    def take(connection: Connection) -> Written:
        written = work(connection, kind, page)
        added = {"listed": len(page.objects), "written": len(written.newer), "unusable": len(written.unusable)}
        run.counts[kind.name] = {name: before[name] + added[name] for name in added}
        run.advance(connection, kind.name, page.cursor._asdict())
        return written

    return transact(take)


def _write(mirror: Mirror, connection: Connection, kind: Kind, page: Page) -> Written:
    return apply_page(mirror, connection, kind, page.objects, source="backfill", as_of=page.as_of)


def _count(_mirror: Mirror, connection: Connection, kind: Kind, page: Page) -> Written:
    found = compare(connection, kind, page.objects, page.as_of)
    return Written(frozenset(found.ids), found.unusable)


def ahead(values: Iterator[T], ends_at: float = math.inf) -> Iterator[T]:
    """The same, the next one always being fetched already, in a thread; none from `ends_at` on (monotonic clock)."""
    pool = ThreadPoolExecutor(1)
    try:
        coming: Future[T | None] | None = pool.submit(next, values, None)
        while coming is not None and (value := coming.result()) is not None:
            coming = pool.submit(next, values, None) if time.monotonic() < ends_at else None
            yield value
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
