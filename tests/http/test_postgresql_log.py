"""What of ours lands in PostgreSQL's own log: as docs/operations.md says, nothing personal with the settings there."""

import configparser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from sqlalchemy.engine import make_url

from tests.documentation.pages import blocks
from tests.support.caller import is_problem
from tests.support.clerk import Instance, event, user_data
from tests.support.database import Sql, migrated_database
from tests.support.fixtures import StartApp
from tests.support.server import Server

NAME = "counterfoil_postgresql_log"
# PostgreSQL as it is delivered, and looking for slow statements.
USUAL = {"log_min_error_statement": "error", "log_error_verbosity": "default", "log_min_duration_statement": "0"}
ADDRESS, NAMES, BIO = "ada.secret@example.com", "Ada Secret", "My secret hobby"
PERSONAL = (ADDRESS, NAMES, BIO)


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    with migrated_database(postgres_url, NAME) as url:
        yield url


@pytest.fixture
def log(postgres_url: str) -> Path:
    """Of a server that these tests started."""
    file = Path(str(make_url(postgres_url).query.get("host", ""))) / "server.log"
    if not file.exists():
        pytest.skip("PostgreSQL's log is not here")
    return file


@contextmanager
def set_for_database(sql: Sql, settings: Mapping[str, str]) -> Iterator[None]:
    """For those who connect from now on."""
    for name, value in settings.items():
        sql.rows(f"ALTER DATABASE {NAME} SET {name} = '{value}'")
    yield
    sql.rows(f"ALTER DATABASE {NAME} RESET ALL")


def documented() -> dict[str, str]:
    (block,) = blocks("ini", "docs/operations.md")
    parser = configparser.ConfigParser()
    parser.read_string(f"[all]\n{block.text}")
    return dict(parser["all"])


def deliver(server: Server, clerk: Instance, kind: str, data: object) -> requests.Response:
    body = event(kind, data)
    return server.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))


def use(server: Server, clerk: Instance, sql: Sql) -> None:
    """Personal data comes in and is looked for, slowly for PostgreSQL and in vain."""
    me = clerk.token(sub="user_ada")
    ada = user_data("user_ada", email=ADDRESS, first_name=NAMES)
    assert deliver(server, clerk, "user.created", ada).json() == {"status": "applied"}
    sql.rows("UPDATE users SET role = 'admin'")
    assert server.get(f"/api/users?search={ADDRESS}", me).json()["users"][0]["email"] == ADDRESS
    sql.rows("ALTER TABLE users ADD CONSTRAINT odd CHECK (bio IS NULL AND username IS NULL)")
    answer = server.request("PATCH", "/api/me", me, json={"bio": BIO})
    is_problem(answer, 503, "database-unavailable")
    again = user_data("user_ada", email=ADDRESS, first_name=NAMES, username=NAMES)
    assert deliver(server, clerk, "user.updated", again).status_code == 503
    dead = {"id": "user_ada", "email_addresses": [ADDRESS], "first_name": NAMES}
    assert deliver(server, clerk, "user.updated", dead).json() == {"status": "dead"}


@pytest.mark.parametrize("advised", [False, True])
def test_what_is_logged(start_app: StartApp, clerk: Instance, database: str, log: Path, *, advised: bool) -> None:
    sql, start = Sql(database), log.stat().st_size
    with set_for_database(sql, USUAL | documented() if advised else USUAL):
        use(start_app(DATABASE_URL=database), clerk, sql)
    sql.close()
    logged = log.read_bytes()[start:].decode()
    assert 'violates check constraint "odd"' in logged
    told = [text for text in PERSONAL if text in logged]
    assert told == ([] if advised else list(PERSONAL))
    assert ("Failing row contains" in logged, "STATEMENT:" in logged, "duration:" in logged) == (not advised,) * 3
