"""How services reach the database: hot reads through the driver, and work in a caller's transaction."""

import hashlib
import queue
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import psycopg2
import psycopg2.extensions
from psycopg2.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from backend.deadline import DatabaseTimeout

T = TypeVar("T")


class Transact(Protocol):
    """Runs work in one transaction and commits it; may run it again after a passing fault."""

    def __call__(self, work: Callable[[Connection], T], /) -> T: ...


def describe_fault(error: Exception) -> str:
    """The kind of a database's fault, without the statement and its values: they hold personal data.

    What libpq says of a connection, before PostgreSQL gave a code, names the database's host and user at most.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code: str | None = getattr(cause, "pgcode", None)
    reason = code or str(cause).partition("\n")[0]
    return f"{type(cause).__name__} {reason}"


class HotRead:
    """A read that PostgreSQL plans a few times for each connection, not each time: that takes longer than running it."""

    def __init__(self, query: str, parameters: int = 0) -> None:
        """`query` names its parameters $1, $2, …; all are texts."""
        self.query = query
        # Named by its text: through PgBouncer two versions of this application may share a server connection.
        name = f"counterfoil_{hashlib.sha256(query.encode()).hexdigest()[:16]}"
        types, places = (
            f"({', '.join([word] * parameters)})" if parameters else "" for word in ("text", "%s")
        )
        self.execute = f"EXECUTE {name}{places}"
        self.prepare = f"PREPARE {name}{types} AS {query.replace('%', '%%')}; {self.execute}"
        self.renew = f"DEALLOCATE ALL; {self.prepare}"


class ReadConnection(psycopg2.extensions.connection):
    """A connection that knows which reads it has prepared, and keeps its one cursor."""

    prepared: set[HotRead]
    reader: psycopg2.extensions.cursor


class NoFreeConnection(psycopg2.OperationalError):
    """Every connection stayed in use for as long as we wait."""


class ReadPool:
    """Connections for reads outside any transaction: one round trip each.

    Apart from SQLAlchemy's pool, so that no flood of writes keeps requests from learning who calls. Its pool and
    execution layer would also cost 110 us of CPU a request, more than the driver, and a transaction two round trips.
    """

    def __init__(self, connect: Callable[[], ReadConnection], size: int, patience: float) -> None:
        """`patience`: seconds to wait for a free connection."""
        self._connect = connect
        self._patience = patience
        # One permit a connection. gevent patches this queue in C (0.1 us), threading.Semaphore in Python (3.5 us).
        self._permits: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(size):
            self._permits.put(None)
        self._idle: list[ReadConnection] = []

    def fetch_row(self, read: HotRead, *values: str | None) -> tuple[Any, ...] | None:
        """Run a read and return its first row. Raises psycopg2.Error."""
        try:
            self._permits.get(timeout=self._patience)
        except queue.Empty:
            raise NoFreeConnection("all connections are in use") from None
        try:
            return self._fetch_row(read, values)
        finally:
            self._permits.put(None)

    def _fetch_row(self, read: HotRead, values: tuple[str | None, ...]) -> tuple[Any, ...] | None:
        """Use the connection that was used last: its backend has its caches warm.

        One that died while it lay here (PostgreSQL was restarted) is forgotten, and the next one is tried.
        """
        while (connection := self._take_idle()) is not None:
            try:
                return self._run(connection, read, values)
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                if isinstance(error, DatabaseTimeout):
                    # A server that went away without a word: each of the others would cost a whole deadline too.
                    self._idle.clear()
                if not connection.closed or isinstance(error, DatabaseTimeout):
                    raise
        connection = self._connect()
        connection.autocommit = True
        connection.prepared = set()
        connection.reader = connection.cursor()
        return self._run(connection, read, values)

    def _take_idle(self) -> ReadConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _run(
        self, connection: ReadConnection, read: HotRead, values: tuple[str | None, ...]
    ) -> tuple[Any, ...] | None:
        try:
            _execute(connection.reader, read, values, is_prepared=read in connection.prepared)
            connection.prepared.add(read)
            return connection.reader.fetchone()
        finally:
            if not connection.closed:
                self._idle.append(connection)


def _execute(
    cursor: psycopg2.extensions.cursor, read: HotRead, values: tuple[str | None, ...], *, is_prepared: bool
) -> None:
    try:
        try:
            cursor.execute(read.execute if is_prepared else read.prepare, values)
        except (InvalidSqlStatementName, DuplicatePreparedStatement):
            # PgBouncer gave us another server connection than last time: one that is the other way round.
            cursor.execute(read.prepare if is_prepared else read.execute, values)
    except FeatureNotSupported:
        # A migration changed the type of a column: the plan no longer fits.
        cursor.execute(read.renew, values)


def delete_found(table: str, rows: str) -> TextClause:
    """The statement that deletes at most `:limit` rows. `rows`: the FROM clause that finds them as `t`, and what follows it.

    It should sort them as an index does: without that PostgreSQL may read the whole table for somebody who has much of it.
    Left alone is a row that is just being restored or applied again, and one that another purge has.
    """
    return text(f"""
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT t.ctid {rows} LIMIT :limit FOR UPDATE OF t SKIP LOCKED))
    """)  # noqa: S608 - all of it is ours
