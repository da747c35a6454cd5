"""Where a backfill or reconcile is, in `sync_runs`: its place, its counts, and its turn to ask Clerk."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from backend.database.transactions import Transact
from backend.models import SyncRun
from backend.services.clerk.client.bulk import BulkApi

Command = Literal["backfill", "backfill --dry-run", "reconcile"]
Counts = dict[str, dict[str, int]]

# A run asks Clerk, and writes here, more often than that, whatever it waits for.
GONE_AFTER = timedelta(minutes=2)
# Later the beginning of the list is too old to build on.
CONTINUED_WITHIN = timedelta(days=1)
# The locks of users are 1, of addresses 2.
LOCK_BEGINNING, LOCK_TURN = (text(f"SELECT pg_advisory_xact_lock(3, {number})") for number in range(2))
GOING_ON = {"status": "running", "attempts": SyncRun.attempts + 1, "error": None, "heartbeat_at": func.now()}
IS_AT_WORK = func.greatest(SyncRun.heartbeat_at, SyncRun.asks_at) > func.now() - GONE_AFTER

# Turns are spaced evenly: no ten seconds hold more than they may.
TAKE_TURN = text("""
UPDATE sync_runs SET heartbeat_at = clock_timestamp(), asks_at = :interval + greatest(
    clock_timestamp(), (SELECT max(asks_at) FROM sync_runs WHERE heartbeat_at > now() - interval '1 day'))
WHERE run_id = :run_id AND attempts = :attempts
RETURNING extract(epoch FROM asks_at - :interval - clock_timestamp())::float
""")
POSTPONE = text("""
UPDATE sync_runs SET asks_at = greatest(asks_at, clock_timestamp() + :pause) WHERE run_id = :run_id
""")


class Busy(Exception):
    """Another run of this command is at work; the text says which."""


class TakenOver(Exception):
    """Somebody else goes on with this run."""

    def __init__(self) -> None:
        super().__init__("another process goes on with this run")


class Stopped(Exception):
    """The run may not go on; the text says why."""


class Run:
    """A run that is at work here."""

    def __init__(self, transact: Transact, row: Any) -> None:  # noqa: ANN401 - a row of sync_runs
        self._transact = transact
        self._key = {"run_id": row.run_id, "attempts": row.attempts}
        self.run_id: int = row.run_id
        self.started_at: datetime = row.started_at
        self.is_continued: bool = row.attempts > 1
        self.kinds: list[str] = row.kinds
        self.kind: str = row.kind or row.kinds[0]
        self.cursor: Mapping[str, Any] = row.cursor
        self.counts: Counts = row.counts

    def advance(self, connection: Connection, kind: str, cursor: Mapping[str, Any]) -> None:
        """Keep the place and `counts`, in the transaction that wrote what they tell of. Raises TakenOver."""
        self._update(connection, kind=kind, cursor=cursor, counts=self.counts)

    def end(self, status: str, *, error: str | None = None, drift: int | None = None) -> None:
        is_over = status != "interrupted"
        self._transact(
            lambda connection: self._update(
                connection,
                status=status,
                error=error,
                drift=drift,
                counts=self.counts,
                finished_at=func.clock_timestamp() if is_over else None,
            )
        )

    def take_turn(self, interval: float) -> float:
        """Book one request to Clerk; return the seconds until it may be sent. Raises TakenOver."""

        def book(connection: Connection) -> float | None:
            connection.execute(LOCK_TURN)
            values = {**self._key, "interval": timedelta(seconds=interval)}
            wait: float | None = connection.execute(TAKE_TURN, values).scalar()
            return wait

        wait = self._transact(book)
        if wait is None:
            raise TakenOver
        return wait

    def postpone(self, seconds: float) -> None:
        """Clerk has asked for a pause: it counts for all runs."""
        values = {"run_id": self.run_id, "pause": timedelta(seconds=seconds)}
        self._transact(lambda connection: connection.execute(POSTPONE, values))

    @contextmanager
    def asking(self, url: str, secret_key: str) -> Iterator[BulkApi]:
        """Clerk's Backend API, at the pace of all runs; and note what ends the run early."""
        api = BulkApi(url, secret_key, book=self.take_turn, postpone=self.postpone)
        try:
            with self.kept():
                yield api
        finally:
            api.close()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Note what ends the run early. After TakenOver it is not ours any more."""
        try:
            yield
        except TakenOver:
            raise
        except BaseException as error:
            is_stop = isinstance(error, Stopped)
            with suppress(SQLAlchemyError, TakenOver):
                self.end("stopped" if is_stop else "interrupted", error=str(error) if is_stop else type(error).__name__)
            raise

    def _update(self, connection: Connection, **values: object) -> None:
        is_ours = (SyncRun.run_id == self._key["run_id"]) & (SyncRun.attempts == self._key["attempts"])
        changed = update(SyncRun).where(is_ours).values(values | {"heartbeat_at": func.clock_timestamp()})
        if not connection.execute(changed).rowcount:
            raise TakenOver


def begin(transact: Transact, command: Command, kinds: Sequence[str], since: datetime | None = None) -> Run:
    """Begin a run, or go on with a backfill that was interrupted. Raises Busy.

    A backfill that is at work is taken over: it may have been killed a second ago, and if it was not, it ends at its
    next page. A reconcile is waited for.
    """

    def insert_or_continue(connection: Connection) -> Any:  # noqa: ANN401 - a row
        connection.execute(LOCK_BEGINNING)
        if command == "reconcile":
            _refuse_second(connection)
        going_on = _continue(connection, kinds, since) if command == "backfill" else None
        values = {"command": command, "kinds": list(kinds), "since": since}
        return going_on or connection.execute(insert(SyncRun).values(values).returning(*SyncRun.__table__.c)).one()

    return Run(transact, transact(insert_or_continue))


def resume(transact: Transact, run_id: int) -> Run:
    """Go on with a reconcile of which a part was done, here or elsewhere. Raises TakenOver when another has begun."""
    is_last = SyncRun.run_id == select(func.max(SyncRun.run_id)).where(SyncRun.command == "reconcile").scalar_subquery()
    is_unfinished = SyncRun.status.in_(("running", "interrupted"))

    def go_on(connection: Connection) -> Any:  # noqa: ANN401 - a row
        connection.execute(LOCK_BEGINNING)
        changed = update(SyncRun).where(SyncRun.run_id == run_id, is_last, is_unfinished).values(GOING_ON)
        return connection.execute(changed.returning(*SyncRun.__table__.c)).one_or_none()

    row = transact(go_on)
    if row is None:
        raise TakenOver
    return Run(transact, row)


def _continue(connection: Connection, kinds: Sequence[str], since: datetime | None) -> Any:  # noqa: ANN401 - a row
    is_last = SyncRun.run_id.in_(
        select(func.max(SyncRun.run_id)).where(
            SyncRun.command == "backfill", SyncRun.kinds == list(kinds), SyncRun.since.is_not_distinct_from(since)
        )
    )
    is_unfinished = SyncRun.status.in_(("running", "interrupted"))
    is_young = SyncRun.heartbeat_at > func.now() - CONTINUED_WITHIN
    changed = update(SyncRun).where(is_last, is_unfinished, is_young).values(GOING_ON)
    return connection.execute(changed.returning(*SyncRun.__table__.c)).one_or_none()


def _refuse_second(connection: Connection) -> None:
    is_running = (SyncRun.command == "reconcile") & (SyncRun.status == "running")
    at_work = connection.execute(select(SyncRun.run_id).where(is_running, IS_AT_WORK)).scalar()
    if at_work is not None:
        raise Busy(f"Another reconcile is at work (run {at_work}). If it was killed, try again in two minutes.")
    connection.execute(update(SyncRun).where(is_running).values({"status": "interrupted", "error": "was killed"}))
