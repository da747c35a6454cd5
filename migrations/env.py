"""Runs by `alembic` or by `alembic.command`, for one database.

The database is, in this order: `config.attributes["connection"]`, the option `sqlalchemy.url`, the settings.
A given connection has no open transaction, and keeps the time-outs set here.
"""

import logging
import re
import sys
from logging.config import fileConfig
from typing import Any

from alembic import context
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from backend.models import Base
from config import ConfigError, load_settings
from migrations.locking import ADVISORY_KEY, LOCK_TIMEOUT, alone, refuse_pooler, retry_when_locked

CONNECT_TIMEOUT = 10  # seconds
OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "transaction_per_migration": True,
    "compare_type": True,
    "compare_server_default": True,
    "include_schemas": True,
}
config = context.config
logger = logging.getLogger("alembic.env")


def main() -> None:
    command_line = config.cmd_opts
    if command_line is None:
        run()
        return
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    try:
        run()
    except (ConfigError, DBAPIError, PendingRollbackError, TimeoutError) as error:
        if command_line.raiseerr:
            raise
        sys.exit(explain(error))


def run() -> None:
    if context.is_offline_mode():
        write_sql()
        return
    given: Connection | None = config.attributes.get("connection")
    if given is not None:
        if given.in_transaction():
            raise ValueError("migrations commit; give a connection without an open transaction")
        migrate(given)
        return
    url = config.get_main_option("sqlalchemy.url") or load_settings().database_url.get_secret_value()
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT})
    with engine.connect() as connection:
        refuse_pooler(connection)
        migrate(connection)


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, **OPTIONS)
    with alone(connection):
        if not is_newer():
            retry_when_locked(connection, context.run_migrations)


def is_newer() -> bool:
    """Whether a newer release has migrated already: the older one, rolled back to, has nothing to do. Says so.

    Ends a command that needs those later revisions. For programs, that is left to Alembic.
    """
    head = str(context.script.get_current_head())
    newer = [number for number in context.get_context().get_current_heads() if number.isdecimal() and number > head]
    if not newer or config.cmd_opts is None:
        return False
    said = f"database: its schema ({newer[0]}) is newer than this release ({head})"
    if config.cmd_opts.cmd[0].__name__ not in {"upgrade", "current"}:
        sys.exit(said)
    logger.info(said)
    return True


def write_sql() -> None:
    """`--sql`: a script for psql, which has to run it statement by statement, without --single-transaction."""
    context.configure(dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"}, **OPTIONS)
    context.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    context.execute(text(f"SELECT pg_advisory_lock({ADVISORY_KEY})"))
    context.run_migrations()


def explain(error: ConfigError | DBAPIError | PendingRollbackError | TimeoutError) -> str:
    """One line that is fit for a log. PostgreSQL's DETAIL is left out, it can hold rows."""
    if isinstance(error, PendingRollbackError):  # all that Alembic's clean-up knows of a session that is gone
        return "database: the connection was lost"
    if not isinstance(error, DBAPIError):
        return str(error)
    diagnosis = getattr(error.orig, "diag", None)
    primary: str = getattr(diagnosis, "message_primary", None) or " ".join(str(error.orig).split())
    # An unescaped @ in a password makes its tail a part of the host name, which libpq repeats.
    return "database: " + re.sub(r'"[^"]*@', '"…@', primary)


main()
