"""How a migration shares the database with the live application, and with a second migration.

All of it is state of one database session, and CREATE INDEX CONCURRENTLY takes no transaction that could hold it
instead. So migrations need a session of their own: PgBouncer in transaction mode would spread the statements over
several, and leave lock and time-outs behind in those of the application.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import op
from psycopg2.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from config import ConfigError

logger = logging.getLogger("alembic.locking")

ADVISORY_KEY = 7_164_017_310_282_346_310  # arbitrary; the same in every release
WAIT_FOR_OTHER = 600.0  # seconds
POLL = 0.5
LOOKS = 10  # a busy pooler may give out the same sessions twice by chance

# A waiting ALTER TABLE makes every later reader of the table wait behind it. So it gives up soon, lets the
# readers through for a while, and tries again.
LOCK_TIMEOUT = "1s"
ATTEMPTS = 30
PAUSE = 2.0  # seconds

STATEMENT_TIMEOUT = "5min"
STATEMENT_TIMEOUT_WITHOUT_BLOCKING = "1h"


def refuse_pooler(connection: Connection) -> None:
    """Raise ConfigError when transactions of this connection take place in one session now, in another one then.

    PostgreSQL names its process to each client. A proxy names another one, but some of them keep sessions apart, and
    are the only way to the database: whether this one does is tried out, with a second connection.
    """
    driver: Any = connection.connection.driver_connection
    if _scalar(connection, "SELECT pg_backend_pid()") == driver.info.backend_pid:
        return
    with connection.engine.connect() as other:
        pairs = {tuple(_scalar(each, "SELECT pg_backend_pid()") for each in (connection, other)) for _ in range(LOOKS)}
    if len(pairs) > 1 or any(one == two for one, two in pairs):
        raise ConfigError(
            "DATABASE_URL: leads through a pooler that shares sessions, like PgBouncer in transaction mode. "
            "Migrate on a direct connection"
        )


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Of two nodes that deploy at once, one migrates; the other waits, then finds nothing left to do.

    Polled: a session that blocks in pg_advisory_lock() holds a snapshot, CREATE INDEX CONCURRENTLY in the
    session it waits for would wait for that snapshot, and the two would deadlock.
    Raises TimeoutError.
    """
    deadline = time.monotonic() + WAIT_FOR_OTHER
    announced = False
    while not _scalar(connection, f"SELECT pg_try_advisory_lock({ADVISORY_KEY})"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"another migration is running, still after {WAIT_FOR_OTHER:.0f} s: gave up")
        if not announced:
            logger.info("another migration is running: waiting for it")
            announced = True
        time.sleep(POLL)
    try:
        yield
    finally:
        connection.rollback()
        if not connection.invalidated:  # the lock went with a lost session
            _scalar(connection, f"SELECT pg_advisory_unlock({ADVISORY_KEY})")


def retry_when_locked(connection: Connection, migrate: Callable[[], None]) -> None:
    """Run `migrate` with short lock waits, again and again while transactions of others keep tables busy."""
    for attempt in range(1, ATTEMPTS + 1):
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        # Alembic would take an open transaction for the caller's, and never commit.
        connection.commit()
        try:
            migrate()
        except OperationalError as error:
            connection.rollback()
            if not isinstance(error.orig, LockNotAvailable | DeadlockDetected) or attempt == ATTEMPTS:
                raise
            logger.warning(
                "a table is locked by another transaction: trying again in %.0f s (attempt %d of %d)",
                PAUSE,
                attempt,
                ATTEMPTS,
            )
            time.sleep(PAUSE)
        else:
            return


@contextmanager
def without_blocking() -> Iterator[None]:
    """For revisions: statements that take long but stop neither readers nor writers, so they may wait long.

    Each is a transaction of its own. What the revision did before is committed first, so that its locks go.
    An UPDATE belongs here only when it changes few rows: it locks those.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_WITHOUT_BLOCKING}'")
        yield
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        op.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'")


def _scalar(connection: Connection, query: str) -> Any:  # noqa: ANN401 - whatever the query gives
    """In a transaction of its own."""
    value = connection.scalar(text(query))
    connection.commit()
    return value
