"""GET /healthz: the process lives. GET /readyz: it can serve."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clerk import Instance
from tests.support.database import Sql, driver_url, migrate
from tests.support.fixtures import StartApp
from tests.support.server import Server, running_server

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"


@pytest.fixture
def empty_url(postgres_url: str, worker_id: str) -> Iterator[str]:
    """A database that nobody has migrated."""
    name = f"counterfoil_empty_{worker_id}"
    admin = Sql(postgres_url)
    admin.rows(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    admin.rows(f"CREATE DATABASE {name}")
    yield driver_url(postgres_url, name)
    admin.rows(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


class TestHealth:
    def test_ready(self, server: Server, sql: Sql) -> None:
        answer = server.get("/readyz")
        assert answer.status_code == 200
        revision = sql.value("SELECT version_num FROM alembic_version")
        assert answer.json() == {"status": "ready", "schema": revision}
        assert server.get("/healthz").json() == {"status": "ok"}

    def test_database_away(self, settings: dict[str, str], clerk: Instance, tmp_path: Path) -> None:
        with running_server(tmp_path, {**settings, "DATABASE_URL": NOWHERE}) as server:
            assert server.get("/healthz").status_code == 200
            for path in ("/readyz", "/auth/me"):
                answer = server.get(path, clerk.token())
                assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
                assert "Retry-After" in answer.headers

    def test_ready_only_when_migrated(self, start_app: StartApp, clerk: Instance, empty_url: str) -> None:
        """Empty, half way (the new code before its migration), all the way: only the last can serve."""
        server, seen = start_app(DATABASE_URL=empty_url), {}
        for revision in ("none", "003", "head"):
            if revision != "none":
                migrate(empty_url, revision)
            works = server.get("/auth/me", clerk.token()).status_code
            seen[revision] = (works, server.get("/readyz").status_code)
        assert seen == {"none": (503, 503), "003": (503, 503), "head": (200, 200)}
