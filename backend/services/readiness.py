"""Whether requests can be served, from what was seen in the last seconds."""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import psycopg2
from psycopg2.errors import UndefinedTable
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from backend.database.prepared_reads import PreparedRead, ReadPool
from backend.database.transactions import Transact, describe_fault
from backend.errors import AppError
from backend.models import SCHEMA_REVISION
from backend.services.clerk.mirror.status import LAST_RUNS

FRESH_SECONDS = 5.0
RETRY_SECONDS = 1.0  # after a failure, so that its end is noticed soon

State = Literal["ok", "failed", "unknown"]

log = logging.getLogger(__name__)


class Schema(NamedTuple):
    version_num: str


SCHEMA = PreparedRead[Schema]("SELECT version_num FROM alembic_version", Schema)
# A lock on a row is a write like any other: into the WAL and to the disk, refused by a standby and by a read-only
# server. But it leaves no dead row, and waits for nobody.
WRITE = text("SELECT 1 FROM alembic_version FOR NO KEY UPDATE SKIP LOCKED")


class Checks(NamedTuple):
    """`unknown`: not tried, because it cannot work without another one that failed."""

    reads: State
    writes: State
    migrations: State
    keys: State


class Readiness:
    """Looks at most every few seconds and once at a time, however many ask: a flood of probes costs nothing."""

    def __init__(self, reads: ReadPool, transact: Transact, check_keys: Callable[[], None]) -> None:
        """`check_keys` raises AppError unless tokens can be verified."""
        self._reads = reads
        self._transact = transact
        self._check_keys = check_keys
        self._looking = threading.Lock()
        self._fresh_until = -math.inf
        self._checks = Checks("unknown", "unknown", "unknown", "unknown")
        self.revision = ""  # that the database is at; empty where there is none, or nobody knows
        self.last_runs: dict[str, dict[str, Any]] = {}  # as LastRuns. They never make anybody unready

    def look(self) -> Checks:
        """What was seen last. Whoever comes when that is too old looks, and the others wait for it."""
        if time.monotonic() >= self._fresh_until:
            with self._looking:
                if time.monotonic() >= self._fresh_until:
                    self._checks = self._look()
                    seconds = FRESH_SECONDS if set(self._checks) == {"ok"} else RETRY_SECONDS
                    self._fresh_until = time.monotonic() + seconds
        return self._checks

    def _look(self) -> Checks:
        keys = _try("keys", self._check_keys)
        self.revision = ""
        reads = _try("reads", self._read_revision)
        # Revisions are numbered with leading zeros. A later one is fine: while nodes are replaced, the schema is ahead.
        migrations: State = "ok" if self.revision >= SCHEMA_REVISION else "failed" if reads == "ok" else "unknown"
        writes = _try("writes", lambda: self._transact(_write)) if self.revision else "unknown"
        self.last_runs = {}
        if migrations == "ok":
            with contextlib.suppress(psycopg2.Error):
                last = self._reads.fetch(LAST_RUNS)
                self.last_runs = (last.by_command if last else None) or {}
        return Checks(reads, writes, migrations, keys)

    def _read_revision(self) -> None:
        with contextlib.suppress(UndefinedTable):
            schema = self._reads.fetch(SCHEMA)
            self.revision = schema.version_num if schema else ""


def _write(connection: Connection) -> None:
    connection.execute(WRITE)


def _try(name: str, check: Callable[[], object]) -> State:
    try:
        check()
    except (SQLAlchemyError, psycopg2.Error, AppError) as error:
        log.warning("Not ready: %s failed: %s.", name, describe_fault(error))
        return "failed"
    return "ok"
