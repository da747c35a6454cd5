"""Reads that each request pays: prepared by PostgreSQL, one round trip each, outside any transaction."""

import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import psycopg2
import psycopg2.extensions

from backend.database.fair_semaphore import FairSemaphore
from backend.database.statements import UNLIKE_LAST_TIME, name_prepared
from backend.deadline import DatabaseTimeout

R = TypeVar("R")


class PreparedRead(Generic[R]):
    """A query that PostgreSQL plans a few times a connection, not each time: planning takes longer than running."""

    def __init__(self, query: str, *rows: type[Any]) -> None:
        """`query` names its parameters $1, $2, …; all are texts.

        `rows`: the NamedTuple that a row is read as. Where there are several, the last field of each is the next one.
        Their other fields are the columns of the query, in order and by name.
        """
        self.query = query
        self.names: list[str] = []
        self.parts: list[tuple[Callable[[Any], Any], slice]] = []  # the innermost first
        for row in rows:
            fields = row._fields if row is rows[-1] else row._fields[:-1]
            self.parts.insert(0, (row._make, slice(len(self.names), len(self.names) + len(fields))))
            self.names += fields
        name = name_prepared(query)
        parameters = len(set(re.findall(r"\$\d", query)))
        types, places = (f"({', '.join([word] * parameters)})" if parameters else "" for word in ("text", "%s"))
        execute = f"EXECUTE {name}{places}"
        prepare = f"PREPARE {name}{types} AS {query.replace('%', '%%')}; {execute}"
        # What to try one after the other, on a connection that has prepared it and on one that has not.
        self.again = (execute, prepare, f"DEALLOCATE ALL; {prepare}")
        self.anew = (prepare, execute, f"DEALLOCATE ALL; {prepare}")


class ReadConnection(psycopg2.extensions.connection):
    """A connection that knows which reads it has prepared, and keeps its one cursor."""

    prepared: set[PreparedRead[Any]]
    reader: psycopg2.extensions.cursor


class NoFreeConnection(psycopg2.OperationalError):
    """Every connection stayed in use for as long as we wait."""


class ReadPool:
    """Connections for prepared reads.

    Apart from SQLAlchemy's pool, so that no flood of writes keeps requests from learning who calls. Its pool and
    execution layer would also cost 110 us of CPU a request, more than the driver, and a transaction two round trips.
    """

    def __init__(self, connect: Callable[[], ReadConnection], size: int, timeout: float) -> None:
        """`timeout`: seconds to wait for a free connection."""
        self._connect = connect
        self._timeout = timeout
        self.places = FairSemaphore(size)
        self._idle: list[ReadConnection] = []

    def fetch(self, read: PreparedRead[R], *values: str | None) -> R | None:
        """Run a read and return its first row, None when there is none. Raises psycopg2.Error.

        The connection that was used last comes first: its backend has its caches warm. One that died while it lay here
        (PostgreSQL was restarted) is forgotten, and the next one is tried.
        """
        if not self.places.acquire(self._timeout):
            raise NoFreeConnection("all connections are in use")
        try:
            while self._idle:
                connection = self._idle.pop()
                try:
                    return self._run(connection, read, values)
                except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                    if isinstance(error, DatabaseTimeout):
                        # A server that went away without a word: each of the others would cost a whole deadline too.
                        self._idle.clear()
                    if not connection.closed or isinstance(error, DatabaseTimeout):
                        raise
            return self._run(self._open(), read, values)
        finally:
            self.places.release()

    def _open(self) -> ReadConnection:
        connection = self._connect()
        connection.autocommit = True
        connection.prepared = set()
        connection.reader = connection.cursor()
        return connection

    def _run(self, connection: ReadConnection, read: PreparedRead[R], values: tuple[str | None, ...]) -> R | None:
        cursor = connection.reader
        is_prepared = read in connection.prepared
        statements = read.again if is_prepared else read.anew
        try:
            for statement in statements:
                try:
                    cursor.execute(statement, values)
                    break
                except UNLIKE_LAST_TIME:
                    if statement is statements[-1]:
                        raise
            if not is_prepared:
                found = [column.name for column in cursor.description or ()]
                if found != read.names:
                    raise AssertionError(f"the columns of a prepared read are {found}, not {read.names}")
                connection.prepared.add(read)
            row = cursor.fetchone()
            if row is None:
                return None
            value: tuple[Any, ...] = ()
            for make, columns in read.parts:
                value = (make((*row[columns], *value)),)
            return cast("R", value[0])
        finally:
            if not connection.closed:
                self._idle.append(connection)
