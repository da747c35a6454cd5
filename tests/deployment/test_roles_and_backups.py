"""The drill of docs/production.md: one role migrates and another serves; a dump is restored, and served with the pepper
that belongs to it and with another.
"""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest
import requests
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy.engine import URL, make_url

from backend.models import Base
from config import PROJECT
from development.postgres import programs
from tests.migrations.databases import REVISIONS, run_alembic
from tests.support.api_keys import KeyOwner
from tests.support.clerk import Instance, event, user_data
from tests.support.commands import make_app
from tests.support.database import Sql, driver_url, migrate
from tests.support.server import Server, clean_environment, in_process, running_server

OWNER, APP, READONLY = "counterfoil_owner", "counterfoil_app", "counterfoil_readonly"
LIVE, RESTORED = "drill_live", "drill_restored"
PEPPER = secrets.token_urlsafe(32)
DEPLOY = PROJECT / "deploy"
OF_OTHERS = f"""
    SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace::regnamespace::text IN ('public', 'clerk') AND relowner <> '{OWNER}'::regrole
"""


class Place(NamedTuple):
    """The server of the drill."""

    url: URL

    def url_of(self, role: str, database: str = LIVE) -> str:
        return driver_url(self.url.set(username=role).render_as_string(hide_password=False), database)

    def run(self, *command: str | Path, role: str, database: str) -> subprocess.CompletedProcess[str]:
        """A program that finds the database by libpq's variables."""
        where = self.url.set(username=role, database=database).translate_connect_args(
            host="PGHOST", port="PGPORT", username="PGUSER", password="PGPASSWORD", database="PGDATABASE"
        )
        named = {"PGHOST": self.url.query.get("host"), "PGPORT": self.url.query.get("port")} | where
        environment = clean_environment(
            **{name: str(value) for name, value in named.items() if value},
            OWNER_PASSWORD="it's of the owner", APP_PASSWORD="of the application",
            PATH=f"{programs()}:{os.environ['PATH']}",
        )  # fmt: skip
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)

    def prepare(self, database: str) -> None:
        """As a superuser: an empty database, and the roles."""
        self.admin(f"CREATE DATABASE {database}")
        self.grant(database)

    def grant(self, database: str) -> None:
        superuser = self.url.username or "postgres"
        for _ in range(2):  # to run it again does no harm
            file = ("psql", "--set", "ON_ERROR_STOP=1", "--quiet", "--file", "deploy/roles.sql")
            result = self.run(*file, role=superuser, database=database)
            assert result.returncode == 0, result.stderr

    def admin(self, statement: str) -> None:
        admin = Sql(self.url.render_as_string(hide_password=False))
        admin.rows(statement)
        admin.close()

    def clean(self) -> None:
        for database in (LIVE, RESTORED):
            self.admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for role in (OWNER, APP, READONLY):
            self.admin(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture(scope="module")
def place(postgres_url: str) -> Iterator[Place]:
    place = Place(make_url(postgres_url))
    place.clean()
    place.prepare(LIVE)
    migrated = run_alembic("upgrade", "head", database_url=place.url_of(OWNER))
    assert migrated.returncode == 0, migrated.stderr
    yield place
    place.clean()


@pytest.fixture(scope="module")
def served(place: Place, clerk: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = clerk.settings | {"DATABASE_URL": place.url_of(APP), "API_KEY_PEPPER": PEPPER}
    with running_server(tmp_path_factory.mktemp("served"), own, ready="/readyz") as running:
        yield running


@pytest.fixture(scope="module")
def key(served: Server, clerk: Instance) -> str:
    """Of a user who came by webhook and has done something."""
    body = event("user.created", user_data("user_1", first_name="Ada"))
    answer = served.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
    assert answer.status_code == 200, answer.text
    owner = KeyOwner(served, clerk)
    made: str = owner.create(name="nightly")["key"]
    assert _ask(served, made).json()["user"]["first_name"] == "Ada"
    return made


def _ask(server: Server, key: str) -> requests.Response:
    return server.get("/auth/me", headers={"X-API-Key": key})


def _flask(clerk: Instance, url: str, *words: str) -> str:
    app = make_app(clerk.settings | {"DATABASE_URL": url})
    result = app.test_cli_runner().invoke(args=words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def dump(place: Place, key: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - is in it
    result = place.run(DEPLOY / "backup.sh", tmp_path_factory.mktemp("dumps"), role=OWNER, database=LIVE)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())


@pytest.fixture(scope="module")
def restored(place: Place, dump: Path) -> str:
    """The URL of the application's role for the restored database."""
    place.prepare(RESTORED)
    result = place.run(DEPLOY / "restore.sh", dump, role=OWNER, database=RESTORED)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(", 1 users\n")
    return place.url_of(APP, RESTORED)


class TestRoles:
    def test_the_application_serves(self, served: Server, key: str) -> None:
        """Ready, which includes that it can write; and what was written by `key`."""
        assert set(served.get("/readyz").json()["checks"].values()) == {"ok"}
        assert _ask(served, key).status_code == 200
        assert served.complaints() == ""

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TABLE mine (id int)",
            "ALTER TABLE users ADD COLUMN mine int",
            "DROP TABLE audit_events",
            "TRUNCATE users",
            "CREATE SCHEMA mine",
            "CREATE TEMP TABLE mine (id int)",
            "CREATE ROLE mine",
            "CREATE INDEX mine ON users (bio)",
        ],
    )
    def test_the_application_changes_rows_alone(self, place: Place, statement: str) -> None:
        with closing(psycopg2.connect(place.url_of(APP))) as connection, pytest.raises(InsufficientPrivilege):
            connection.cursor().execute(statement)

    def test_the_application_purges(self, place: Place, clerk: Instance) -> None:
        assert "api_keys" in _flask(clerk, place.url_of(APP), "purge")

    def test_the_owner_opens_the_tables_to_people(self, place: Place, clerk: Instance) -> None:
        _flask(clerk, place.url_of(OWNER), "readonly-role")
        admin = Sql(place.url.set(database=LIVE).render_as_string(hide_password=False))
        admin.rows(f"SET ROLE {READONLY}")
        assert admin.rows("SELECT user_id FROM admin_users") is not None
        admin.close()

    def test_a_database_that_somebody_else_migrated_becomes_theirs(self, place: Place) -> None:
        place.admin(f"DROP DATABASE IF EXISTS {RESTORED} WITH (FORCE)")
        place.admin(f"CREATE DATABASE {RESTORED}")
        superuser = driver_url(place.url.render_as_string(hide_password=False), RESTORED)
        migrate(superuser, REVISIONS[-2])
        place.grant(RESTORED)
        migrate(place.url_of(OWNER, RESTORED))
        application = Sql(place.url_of(APP, RESTORED))
        for table in Base.metadata.sorted_tables:
            application.rows(f"DELETE FROM {table.fullname} WHERE false")
        assert application.rows(OF_OTHERS) == []
        application.close()
        place.admin(f"DROP DATABASE {RESTORED} WITH (FORCE)")


class TestBackup:
    def test_is_nobody_elses(self, dump: Path) -> None:
        assert dump.stat().st_mode & 0o077 == 0
        assert [file.name for file in dump.parent.iterdir()] == [dump.name]

    def test_an_api_key_works_with_its_pepper_alone(self, restored: str, clerk: Instance, key: str) -> None:
        for pepper, status, code in ((PEPPER, 200, None), (secrets.token_urlsafe(32), 401, "api-key-invalid")):
            own = clerk.settings | {"DATABASE_URL": restored, "API_KEY_PEPPER": pepper}
            server = in_process(make_app(own))
            answer = _ask(server, key)
            assert (answer.status_code, answer.json().get("code")) == (status, code)
            # Everything else is there either way.
            mine = server.get("/auth/me", clerk.token(sub="user_1")).json()
            assert mine["user"]["first_name"] == "Ada"

    def test_is_restored_whole_or_not_at_all(self, place: Place, dump: Path, restored: str, tmp_path: Path) -> None:  # noqa: ARG002 - has tables
        again = place.run(DEPLOY / "restore.sh", dump, role=OWNER, database=RESTORED)
        assert "already exists" in again.stderr
        assert again.returncode != 0
        half = tmp_path / "half.dump"
        half.write_bytes(dump.read_bytes()[:-2_000])
        place.admin(f"DROP DATABASE {RESTORED} WITH (FORCE)")
        place.prepare(RESTORED)
        assert place.run(DEPLOY / "restore.sh", half, role=OWNER, database=RESTORED).returncode != 0
        empty = Sql(place.url_of(OWNER, RESTORED))
        assert empty.rows("SELECT FROM pg_tables WHERE schemaname IN ('public', 'clerk')") == []
        empty.close()

    def test_that_fails_leaves_no_dump(self, place: Place, tmp_path: Path) -> None:
        result = place.run(DEPLOY / "backup.sh", tmp_path, role=OWNER, database="nowhere")
        assert result.returncode != 0
        assert list(tmp_path.glob("*.dump")) == []
