"""What every migration test needs: a new database, Alembic in this process or as a command, the catalog, a reader."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, NullPool, Row, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from backend.models import ADMIN_VIEWS
from config import PROJECT
from tests.support.server import clean_environment

HISTORY = ScriptDirectory.from_config(Config(PROJECT / "alembic.ini"))
REVISIONS = [script.revision for script in HISTORY.walk_revisions()][::-1]
HEAD = REVISIONS[-1]

Rows = list[Row[*tuple[Any, ...]]]

# All that makes a schema, except the order of columns and PostgreSQL's own names of NOT NULL (from 18 on).
CATALOG = """
    SELECT 'column', attrelid::regclass::text, attname::text, concat_ws(' ',
        format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END, nullif(attidentity, ''),
        'DEFAULT ' || pg_get_expr(adbin, adrelid), 'COMMENT ' || col_description(attrelid, attnum))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped AND {ours}
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname::text,
        concat_ws(' ', pg_get_constraintdef(pg_constraint.oid), CASE WHEN NOT convalidated THEN 'UNCHECKED' END)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE contype <> 'n' AND {ours}
    UNION ALL
    SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text,
        concat_ws(' ', pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'INVALID' END)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE {ours}
    UNION ALL
    SELECT 'table', pg_class.oid::regclass::text, '', obj_description(pg_class.oid)
    FROM pg_class
    WHERE relkind IN ('r', 'v') AND {ours}
    UNION ALL
    SELECT 'view', pg_class.oid::regclass::text, '', pg_get_viewdef(pg_class.oid)
    FROM pg_class
    WHERE relkind = 'v' AND {ours}
    ORDER BY 1, 2, 3
""".format(ours="relnamespace::regnamespace::text IN ('public', 'clerk') AND relname <> 'alembic_version'")

PASSWORD_USERS = """
    INSERT INTO users (email, email_verified, password_hash, first_name, role, is_active, social_links, created_at)
    SELECT
        CASE WHEN n < 250 THEN format('user%s@example.com', n) ELSE format('User%s@Example.com', n - 250) END,
        n % 5 <> 0,
        'scrypt:' || md5(n::text),
        'First ' || n,
        (ARRAY['user', 'developer', 'admin'])[n % 3 + 1],
        n % 11 <> 0,
        jsonb_build_object('github', n),
        timestamptz '2024-01-01 00:00Z' + n * 37 % 300 * interval '1 hour'
    FROM generate_series(0, 299) AS n
"""
PLANS_AND_USAGE = """
    INSERT INTO subscriptions (user_id, plan, stripe_customer_id)
    SELECT user_id, (ARRAY['free', 'pro', 'enterprise'])[user_id % 3 + 1], 'cus_' || user_id FROM users;
    INSERT INTO usage_metrics (user_id, period_start, period_end, tokens_used)
    SELECT user_id, month, month + interval '31 days', user_id * 7
    FROM users, unnest(ARRAY[timestamptz '2024-01-01 00:00Z', '2024-03-01 00:00Z']) AS month
"""


class Database:
    def __init__(self, url: URL) -> None:
        self.url = url.render_as_string(hide_password=False)
        self.engine: Engine = create_engine(url, poolclass=NullPool)

    def config(self) -> Config:
        config = Config(PROJECT / "alembic.ini")
        config.set_main_option("sqlalchemy.url", self.url.replace("%", "%%"))
        return config

    def upgrade(self, revision: str = "head") -> None:
        command.upgrade(self.config(), revision)

    def downgrade(self, revision: str) -> None:
        command.downgrade(self.config(), revision)

    def rows(self, sql: str, **values: object) -> Rows:
        with self.engine.begin() as connection:
            result = connection.execute(text(sql), values)
            return list(result) if result.returns_rows else []

    def revision(self) -> str:
        return str(self.rows("SELECT version_num FROM alembic_version")[0][0])

    def schema(self) -> Rows:
        return self.rows(CATALOG)

    def tables(self) -> Rows:
        """The schema without views, which no model makes."""
        return [row for row in self.schema() if row[1] not in ADMIN_VIEWS]

    def fill_password_era(self) -> None:
        """A few hundred users at revision 002, some with the address of another one in other letters."""
        self.rows(PASSWORD_USERS)
        self.rows(PLANS_AND_USAGE)

    def what_users_keep(self) -> Rows:
        return self.rows(
            """
            SELECT user_id, email, first_name, role, is_active, social_links, users.created_at,
                plan, stripe_customer_id, usage_metrics.period_start, tokens_used, tokens_limit
            FROM users LEFT JOIN subscriptions USING (user_id) LEFT JOIN usage_metrics USING (user_id)
            ORDER BY user_id, usage_metrics.period_start
            """
        )


@contextmanager
def new_database(server: URL, template: Database | None = None) -> Iterator[Database]:
    """On a server that others may use at the same time; as a copy of the template, which nobody may be using."""
    name = f"migrations_{uuid4().hex}"
    source = make_url(template.url).database if template else "template1"
    maintenance = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with maintenance.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {source}"))
    try:
        yield Database(server.set(database=name))
    finally:
        with maintenance.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def alembic(*arguments: str, database_url: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command an operator runs, from another folder; killed when the test is done with it."""
    with subprocess.Popen(
        [sys.executable, "-m", "alembic", "-c", str(PROJECT / "alembic.ini"), *arguments],
        cwd="/",
        env=clean_environment(DATABASE_URL=database_url, **environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_alembic(*arguments: str, database_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    with alembic(*arguments, database_url=database_url, **environment) as process:
        output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


class Reads:
    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self.fault: Exception | None = None


@contextmanager
def reading_users(database: Database) -> Iterator[Reads]:
    """Read users all the time. PostgreSQL itself refuses a read that waits longer than migrations may wait."""
    reads, enough = Reads(), threading.Event()

    def read() -> None:
        try:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SET lock_timeout = '1500ms'"))
                while not enough.is_set():
                    started = time.monotonic()
                    connection.execute(text("SELECT user_id, email, role FROM users WHERE user_id = 42")).all()
                    reads.longest = max(reads.longest, time.monotonic() - started)
                    reads.count += 1
                    time.sleep(0.002)
        except OperationalError as error:
            reads.fault = error

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield reads
    finally:
        enough.set()
        reader.join()
    assert reads.fault is None
    assert reads.count > 0
