"""Work in a transaction: begun here, committed here, and tried again only where it surely was not committed."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from psycopg2.errors import DeadlockDetected, SerializationFailure
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from backend.deadline import DatabaseTimeout

T = TypeVar("T")

TRIES = 3


class UnknownOutcomeError(SQLAlchemyError):
    """The connection was lost during COMMIT: nobody knows whether the work was committed."""

    def __init__(self) -> None:
        super().__init__("the connection was lost during COMMIT")


class Transact(Protocol):
    """Runs work in one transaction and commits it; may run it again after a passing fault. `Database.transact`."""

    def __call__(self, work: Callable[[Connection], T], /) -> T: ...


class Database:
    """The writers of one process. The one place that commits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` and commit.

        Tried again after a deadlock, a serialization failure or a connection that had died before COMMIT was sent.
        Where the confirmation of a COMMIT is lost nobody knows what became of it. Raises UnknownOutcomeError then: a
        503 follows, and whoever sends the request again is safe by the ledger of events or an Idempotency-Key.
        """
        tries = 0
        while True:
            tries += 1
            is_committing = False
            try:
                with self._engine.begin() as connection:
                    result = work(connection)
                    is_committing = True
            except DBAPIError as error:
                if is_committing and error.connection_invalidated:
                    raise UnknownOutcomeError from error
                is_dead = error.connection_invalidated and not isinstance(error.orig, DatabaseTimeout)
                is_passing = is_dead or isinstance(error.orig, DeadlockDetected | SerializationFailure)
                if is_committing or tries == TRIES or not is_passing:
                    raise
            else:
                return result

    def has_free_writer(self) -> bool:
        """Whether a transaction could begin without waiting for another one to end."""
        pool = self._engine.pool
        return not isinstance(pool, QueuePool) or pool.checkedout() < pool.size()


def describe_fault(error: Exception) -> str:
    """The kind of a database's fault, without the statement and its values: they hold personal data.

    What libpq says of a connection, before PostgreSQL gave a code, names the database's host and user at most.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code: str | None = getattr(cause, "pgcode", None)
    reason = code or str(cause).partition("\n")[0]
    return f"{type(cause).__name__} {reason}"
