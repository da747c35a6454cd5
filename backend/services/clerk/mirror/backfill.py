"""Bringing in all that Clerk has, page by page. It can be killed at any moment, and goes on where it was."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from backend.database.transactions import Transact
from backend.services.clerk.client.lists import START, Cursor, FeatureOff, Lists, Page
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.compare import compare
from backend.services.clerk.mirror.kinds import KINDS, Kind
from backend.services.clerk.mirror.pages import Written, apply_page
from backend.services.clerk.mirror.runs import Run

T = TypeVar("T")


class Progress(Protocol):
    """Who is told how far a run is."""

    def begin(self, kind: str, done: int, total: int | None) -> None: ...
    def add(self, count: int, total: int | None) -> None: ...
    def skip(self, kind: str, code: str) -> None: ...
    def refuse(self, kind: str, unusable: Mapping[str, str]) -> None: ...


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


def ahead(values: Iterator[T]) -> Iterator[T]:
    """The same, the next one always being fetched already, in a thread."""
    pool = ThreadPoolExecutor(1)
    try:
        coming = pool.submit(next, values, None)
        while (value := coming.result()) is not None:
            coming = pool.submit(next, values, None)
            yield value
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
