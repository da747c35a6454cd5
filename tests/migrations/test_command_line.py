import logging
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import URL, make_url

from development.postgres import programs
from tests.migrations.databases import HEAD, REVISIONS, Database, empty_database, run_alembic

PASSWORD = "correct-horse"


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://owner:{PASSWORD}@127.0.0.1:{{port}}/app",
        f"postgresql://owner:x@{PASSWORD}@127.0.0.1:{{port}}/app",
        f"postgresql://owner:{PASSWORD}@127.0.0.1:{{port}}/app?sslmode=bogus",
        f"postgresql://owner:{PASSWORD}@127.0.0.1:{{port}}/app?bogus=1",
        f"mysql://owner:{PASSWORD}@127.0.0.1/app",
        PASSWORD,
    ],
)
def test_a_wrong_database_is_one_line_without_the_password(url: str) -> None:
    result = run_alembic("upgrade", "head", database_url=url.format(port=closed_port()))

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(("database: ", "DATABASE_URL: "))
    assert PASSWORD not in result.stderr


def test_a_missing_database_setting_is_one_line() -> None:
    result = run_alembic("upgrade", "head", database_url="", ENV="production")

    assert (result.returncode, result.stderr) == (1, "DATABASE_URL: missing, production needs it\n")


def test_progress_is_shown(database: Database) -> None:
    result = run_alembic("upgrade", "head", database_url=database.url, ENV="production")

    assert result.returncode == 0, result.stderr
    steps = [line for line in result.stderr.splitlines() if line.startswith("Running upgrade")]
    assert len(steps) == len(REVISIONS)
    assert steps[2].startswith("Running upgrade 002 -> 003, Clerk signs users in")
    assert "Traceback" not in result.stderr


def test_rows_in_the_way_are_not_shown(database: Database) -> None:
    """PostgreSQL's DETAIL of a unique index that fails names the key: here an address."""
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


def test_programs_that_migrate_keep_their_logging(database: Database) -> None:
    root = logging.getLogger()
    other = logging.getLogger("tests.migrations.other")
    before = (list(root.handlers), root.level, other.disabled, logging.getLogger("alembic").level)

    database.upgrade()

    assert (list(root.handlers), root.level, other.disabled, logging.getLogger("alembic").level) == before


def test_a_given_connection_is_used(database: Database) -> None:
    config = database.config()
    config.set_main_option("sqlalchemy.url", "postgresql://nobody@127.0.0.1:1/nothing")
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert not connection.closed

        with connection.begin(), pytest.raises(ValueError, match="without an open transaction"):
            command.downgrade(config, "base")
    assert database.revision() == HEAD


def test_sql_for_an_admin_makes_the_same_schema(database: Database, postgres: URL) -> None:
    psql = shutil.which("psql") or programs() / "psql"
    database.upgrade()

    with empty_database(postgres) as by_script:
        script = run_alembic("upgrade", "head", "--sql", database_url="")
        assert script.returncode == 0, script.stderr
        run_psql(psql, by_script, script.stdout)
        assert by_script.schema() == database.schema()

        script = run_alembic("downgrade", f"{HEAD}:base", "--sql", database_url="")
        run_psql(psql, by_script, script.stdout)
        assert by_script.schema() == []


def run_psql(psql: str | Path, database: Database, script: str) -> None:
    libpq_url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", libpq_url],
        input=script,
        text=True,
        check=True,
        capture_output=True,
    )
