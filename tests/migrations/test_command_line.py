import logging
import shutil
import subprocess
import sys

import pytest
from alembic import command
from sqlalchemy import make_url

from config import PROJECT
from development.postgres import programs
from tests.migrations.databases import HEAD, REVISIONS, Database, run_alembic
from tests.support.pgbouncer import running_pgbouncer
from tests.support.ports import free_port
from tests.support.server import clean_environment

PASSWORD = "correct-horse"


WRONG_URLS = [
    "postgresql://owner:{password}@127.0.0.1:{port}/app",
    "postgresql://owner:x@{password}@127.0.0.1:{port}/app",
    "postgresql://owner:{password}@127.0.0.1:{port}/app?sslmode=bogus",
    "postgresql://owner:{password}@127.0.0.1:{port}/app?bogus=1",
    "mysql://owner:{password}@127.0.0.1/app",
    "{password}",
]
# In one process, since a start takes a second: what each command would end with, a line each.
EACH = """
import os, sys
from alembic.config import main
config, *commands = sys.argv[1:]
for command in commands:
    os.environ["DATABASE_URL"], *arguments = command.split()
    try:
        main(["-c", config, *arguments])
        print(0)
    except SystemExit as end:
        print(end)
"""


def run_each(commands: list[str]) -> subprocess.CompletedProcess[str]:
    """`commands`: a URL each, and what is said to `alembic`."""
    return subprocess.run(
        [sys.executable, "-c", EACH, str(PROJECT / "alembic.ini"), *commands],
        cwd=PROJECT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_wrong_database_is_one_line_without_the_password() -> None:
    urls = [url.format(password=PASSWORD, port=free_port()) for url in WRONG_URLS]
    result = run_each([f"{url} upgrade head" for url in urls])
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert len(lines) == len(urls)
    assert all(line.startswith(("database: ", "DATABASE_URL: ")) for line in lines), lines
    assert PASSWORD not in result.stdout


def test_a_missing_database_setting_is_one_line() -> None:
    result = run_alembic("upgrade", "head", database_url="", ENV="production")

    said = (result.returncode, result.stdout, result.stderr)
    assert said == (1, "", "DATABASE_URL: missing, production needs it\n")


def test_progress_is_shown(database: Database) -> None:
    result = run_alembic("upgrade", "head", database_url=database.url, ENV="production")

    assert result.returncode == 0, result.stderr
    steps = [line for line in result.stderr.splitlines() if line.startswith("Running upgrade")]
    assert len(steps) == len(REVISIONS)
    assert steps[2].startswith("Running upgrade 002 -> 003, Clerk signs users in")
    assert "Traceback" not in result.stderr


def test_rows_in_the_way_are_not_shown(old: Database) -> None:
    """PostgreSQL's DETAIL of a unique index that fails names the key: here an address."""
    database = old
    database.upgrade("003")
    database.rows(
        """
        INSERT INTO users (email, email_verified) VALUES ('secret@example.com', true), ('Secret@example.com', true);
        CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER skip BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION skip()
        """
    )
    result = run_alembic("upgrade", "head", database_url=database.url)

    assert result.returncode == 1
    last_line = result.stderr.splitlines()[-1]
    assert last_line == 'database: could not create unique index "uq_users_verified_email"'
    assert "secret" not in (result.stdout + result.stderr).lower()

    database.rows("DROP TRIGGER skip ON users")
    database.upgrade()
    assert database.rows("SELECT count(*) FROM users WHERE email_verified") == [(1,)]


def test_programs_that_migrate_keep_their_logging_and_may_give_a_connection(migrated: Database) -> None:
    root = logging.getLogger()
    other = logging.getLogger("tests.migrations.other")
    before = (list(root.handlers), root.level, other.disabled, logging.getLogger("alembic").level)
    config = migrated.config()
    config.set_main_option("sqlalchemy.url", "postgresql://nobody@127.0.0.1:1/nothing")
    with migrated.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
        assert not connection.closed
        with connection.begin(), pytest.raises(ValueError, match="without an open transaction"):
            command.downgrade(config, "base")
    assert migrated.revision() == REVISIONS[-2]
    after = (list(root.handlers), root.level, other.disabled, logging.getLogger("alembic").level)
    assert after == before


def test_release_that_is_older_than_the_schema(migrated: Database) -> None:
    """As after a release is rolled back: nothing is left to do, and only going down needs the newer one."""
    migrated.rows("UPDATE alembic_version SET version_num = '999'")
    result = run_each([f"{migrated.url} {command}" for command in ("upgrade head", "current", "downgrade -1")])

    said = f"database: its schema (999) is newer than this release ({HEAD})"
    assert result.stdout.splitlines() == ["0", "0", said]
    assert [line for line in result.stderr.splitlines() if "schema" in line] == [said, said]
    assert migrated.revision() == "999"


@pytest.mark.parametrize("size", [1, 10])
def test_pooler_that_shares_sessions_is_refused(migrated: Database, size: int) -> None:
    """It would keep the lock and the time-outs, in sessions that the application uses next."""
    with running_pgbouncer(migrated.url, default_pool_size=size) as bouncer:
        result = run_each([f"{bouncer.url} downgrade -1", f"{bouncer.url} current"])
        said = result.stdout.splitlines()
        assert len(said) == 2
        assert all(line.startswith("DATABASE_URL: leads through a pooler") for line in said)
        through = Database(make_url(bouncer.url).set(drivername="postgresql+psycopg2"))
        assert through.rows("SHOW lock_timeout") + through.rows("SHOW statement_timeout") == [("0",), ("0",)]
        assert migrated.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    assert migrated.revision() == HEAD


def test_pooler_that_keeps_sessions_apart_is_used(migrated: Database) -> None:
    with running_pgbouncer(migrated.url, pool_mode="session") as bouncer:
        result = run_each([f"{bouncer.url} downgrade -1", f"{bouncer.url} upgrade head"])
    assert result.stdout.splitlines() == ["0", "0"]
    assert migrated.revision() == HEAD


def test_sql_for_an_admin_makes_the_same_schema(database: Database, migrated: Database) -> None:
    script = run_alembic("upgrade", "head", "--sql", database_url="")
    assert script.returncode == 0, script.stderr
    run_psql(database, script.stdout)
    assert database.schema() == migrated.schema()

    script = run_alembic("downgrade", f"{HEAD}:base", "--sql", database_url="")
    run_psql(database, script.stdout)
    assert database.schema() == []


def run_psql(database: Database, script: str) -> None:
    libpq_url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run(
        [*(shutil.which("psql") or programs() / "psql", "-X", "-q"), *("-v", "ON_ERROR_STOP=1", libpq_url)],
        input=script,
        text=True,
        check=True,
        capture_output=True,
    )
