"""The database: that it is there, of an age that serves, writable, migrated, and has our time."""

import time
from typing import NamedTuple

from psycopg2.errors import UndefinedTable
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from backend.models import SCHEMA_REVISION
from backend.services.clerk.client.clock import describe_difference
from backend.services.core.claims import SKEW_SECONDS
from backend.services.doctor.finding import Finding, Subject, failed, ok

OLDEST_SERVER = 15

SELECT_SERVER = text("""
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major,
       pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only
""")
SELECT_TIME = text("SELECT extract(epoch FROM clock_timestamp())::float")
SELECT_REVISION = text("SELECT version_num FROM alembic_version")


class _Server(NamedTuple):
    version: str
    major: int
    is_read_only: bool


def check_database(subject: Subject) -> Finding:
    server = subject.read(lambda connection: _Server._make(connection.execute(SELECT_SERVER).one()))
    if server.major < OLDEST_SERVER:
        return failed(f"PostgreSQL {server.version} is too old", f"Move to PostgreSQL {OLDEST_SERVER} or newer.")
    if server.is_read_only:
        return failed("takes no writes: it is a standby, or read-only", "Let DATABASE_URL name the primary.")
    return ok(f"PostgreSQL {server.version}")


def check_migrations(subject: Subject) -> Finding:
    revision = subject.read(_read_revision)
    if revision < SCHEMA_REVISION:
        says = f"the database is at {revision or 'none'}, and this release needs {SCHEMA_REVISION}"
        return failed(says, "Run alembic upgrade head.")
    return ok(f"at {revision}" if revision == SCHEMA_REVISION else f"at {revision}, of a newer release")


def _read_revision(connection: Connection) -> str:
    """Empty where there is none."""
    try:
        return str(connection.execute(SELECT_REVISION).scalar() or "")
    except ProgrammingError as error:
        if isinstance(error.orig, UndefinedTable):
            return ""
        raise


def check_database_clock(subject: Subject) -> Finding:
    asked_at = time.time()
    theirs = subject.read(lambda connection: connection.execute(SELECT_TIME).scalar_one())
    return judge_clock("PostgreSQL", theirs - (asked_at + time.time()) / 2)


def judge_clock(whose: str, ahead: float) -> Finding:
    """`ahead`: by how many seconds their clock is ahead of ours."""
    if abs(ahead) > SKEW_SECONDS:
        return failed(describe_difference(whose, ahead), "Let both be set by NTP.")
    return ok(f"within {SKEW_SECONDS:.0f} s of {whose}'s")
