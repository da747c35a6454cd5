"""Work on a connection: in which order it gets one, where it commits, and what is tried again: only what surely was not
committed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from psycopg2.errors import DeadlockDetected, SerializationFailure
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.database.engine import POOL_TIMEOUT_SECONDS, READERS, READERS_OF_ONE_USER, WRITERS
from backend.database.fair_semaphore import FairSemaphore
from backend.database.statements import UNLIKE_LAST_TIME
from backend.deadline import DatabaseTimeout

T = TypeVar("T")

TRIES = 3


class UnknownOutcomeError(SQLAlchemyError):
    """The connection was lost during COMMIT: nobody knows whether the work was committed."""

    def __init__(self) -> None:
        super().__init__("the connection was lost during COMMIT")


class TooManyAtOnce(PoolTimeout):
    """So much of one user is under way that the turn of this request did not come."""


class Transact(Protocol):
    """Runs work in one transaction and commits it; may run it again after a passing fault. `Database.transact`."""

    def __call__(self, work: Callable[[Connection], T], /, *, user: str | int | None = None) -> T: ...


class Lane:
    """The connections for one kind of work, taken in order. Each user has a share of them, and waits for the rest.

    So no flood of one user's requests takes them all, for example to wait for the lock of that user's row.
    """

    def __init__(self, engine: Engine, connections: int, share: int) -> None:
        self.engine = engine
        self.places = FairSemaphore(connections)
        self._share = share
        # Those of users of whom something runs or waits.
        self._shares: WeakValueDictionary[str | int, FairSemaphore] = WeakValueDictionary()

    @contextmanager
    def place(self, user: str | int | None) -> Iterator[None]:
        """Raises PoolTimeout when none becomes free, TooManyAtOnce when it is the user's own share that does not."""
        if user is None:
            with _held(self.places, PoolTimeout("all connections are in use")):
                yield
            return
        share = self._shares.setdefault(user, FairSemaphore(self._share))
        with _held(share, TooManyAtOnce("much of this user is under way")), self.place(None):
            yield


@contextmanager
def _held(semaphore: FairSemaphore, refusal: PoolTimeout) -> Iterator[None]:
    if not semaphore.acquire(POOL_TIMEOUT_SECONDS):
        raise refusal
    try:
        yield
    finally:
        semaphore.release()


class Database:
    """The connections of one process for statements of services. The one place that commits.

    `user`: whom the work serves, or whom an event is about: the Clerk id, or users.user_id of who has none. All that
    makes and changes things of one user waits for the locks of that user; here one of them waits on a connection, the
    others in line before it.
    """

    def __init__(self, engine: Engine) -> None:
        self._writers = Lane(engine, WRITERS, 1)
        # A read needs no BEGIN and COMMIT: two round trips less.
        reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._readers = Lane(reading, READERS, READERS_OF_ONE_USER)
        self.pools = {"readers": self._readers.places, "writers": self._writers.places}

    def transact(self, work: Callable[[Connection], T], *, user: str | int | None = None) -> T:
        """Run `work` and commit.

        Tried again after a deadlock, a serialization failure or a connection that had died before COMMIT was sent.
        Where the confirmation of a COMMIT is lost nobody knows what became of it. Raises UnknownOutcomeError then: a
        503 follows, and whoever sends the request again is safe by the ledger of events or an Idempotency-Key.
        """
        with self._writers.place(user):
            return _run(self._writers.engine, work)

    def read(self, work: Callable[[Connection], T], *, user: str | int | None = None) -> T:
        """Run `work`, which changes and locks nothing, in no transaction. Writers never keep it waiting."""
        with self._readers.place(user):
            return _run(self._readers.engine, work)

    def has_free_writer(self) -> bool:
        """Whether a transaction could begin without waiting for another one to end."""
        return self._writers.places.has_room


def _run(engine: Engine, work: Callable[[Connection], T]) -> T:
    tries = 0
    is_unlike = False
    while True:
        tries += 1
        is_committing = False
        try:
            with engine.begin() as connection:
                connection.info["is_unlike"] = is_unlike
                result = work(connection)
                is_committing = True
        except DBAPIError as error:
            if is_committing and error.connection_invalidated:
                raise UnknownOutcomeError from error
            is_dead = error.connection_invalidated and not isinstance(error.orig, DatabaseTimeout)
            is_unlike = isinstance(error.orig, UNLIKE_LAST_TIME)
            is_passing = is_dead or is_unlike or isinstance(error.orig, DeadlockDetected | SerializationFailure)
            if is_committing or tries == TRIES or not is_passing:
                raise
        else:
            return result


def describe_fault(error: Exception) -> str:
    """The kind of a database's fault, without the statement and its values: they hold personal data.

    What libpq says of a connection, before PostgreSQL gave a code, names the database's host and user at most.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code: str | None = getattr(cause, "pgcode", None)
    reason = code or str(cause).partition("\n")[0]
    return f"{type(cause).__name__} {reason}"
