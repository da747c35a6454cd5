"""GET /healthz: the process lives. GET /readyz: it can serve."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy.engine import make_url

from backend.services import readiness
from tests.support.clerk import Instance
from tests.support.database import BLOCKED, Sql, driver_url, holding, locked, migrate, migrated_database
from tests.support.fixtures import StartApp
from tests.support.server import Server, running_server
from tests.support.waiting import wait_for

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"
NO_RUNS = {"backfill": None, "reconcile": None}
ALL_OK = dict.fromkeys(("reads", "writes", "migrations", "keys"), "ok")
VERSION_ROW = "SELECT ctid::text, xmax::text FROM alembic_version"


class Own(NamedTuple):
    name: str
    url: str
    admin: Sql


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
        state = {"schema": revision, "checks": ALL_OK, "clock": "unknown", "sync": NO_RUNS, "rate_limits": "off"}
        assert answer.json() == {"status": "ready", **state}
        assert server.get("/healthz").json() == {"status": "ok"}

    def test_database_away(self, settings: dict[str, str], clerk: Instance, tmp_path: Path) -> None:
        with running_server(tmp_path, {**settings, "DATABASE_URL": NOWHERE}) as server:
            assert server.get("/healthz").status_code == 200
            for path in ("/readyz", "/auth/me"):
                answer = server.get(path, clerk.token())
                assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
                assert "Retry-After" in answer.headers

    def test_ready_only_when_migrated(
        self, start_app: StartApp, clerk: Instance, empty_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Empty, half way (the new code before its migration), all the way: only the last can serve."""
        monkeypatch.setattr(readiness, "RETRY_SECONDS", 0)
        server, seen = start_app(DATABASE_URL=empty_url), {}
        for revision in ("none", "003", "head"):
            if revision != "none":
                migrate(empty_url, revision)
            works = server.get("/auth/me", clerk.token()).status_code
            seen[revision] = (works, server.get("/readyz").status_code)
        assert seen == {"none": (503, 503), "003": (503, 503), "head": (200, 200)}


def is_not_ready(server: Server, *failed: str) -> bool:
    """These checks fail, and no others; one that could not be tried counts for neither."""
    answer = server.get("/readyz")
    checks = answer.json()["checks"]
    assert [name for name, state in checks.items() if state == "failed"] == list(failed)
    return answer.status_code == 503


class TestReadiness:
    @pytest.fixture(autouse=True)
    def _no_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(readiness, "FRESH_SECONDS", 0)
        monkeypatch.setattr(readiness, "RETRY_SECONDS", 0)

    @pytest.fixture
    def own(self, postgres_url: str, worker_id: str) -> Iterator[Own]:
        """A database whose settings a test may change."""
        name = f"counterfoil_ready_{worker_id}"
        admin = Sql(postgres_url)
        with migrated_database(postgres_url, name) as url:
            yield Own(name, url, admin)
        admin.close()

    def test_read_only(self, start_app: StartApp, own: Own) -> None:
        own.admin.rows(f"ALTER DATABASE {own.name} SET default_transaction_read_only = on")
        assert is_not_ready(start_app(DATABASE_URL=own.url), "writes")

    def test_no_connection_left_to_write(self, start_app: StartApp, own: Own) -> None:
        """What could connect in time reads on."""
        own.admin.rows(f"DROP ROLE IF EXISTS {own.name}; CREATE ROLE {own.name} LOGIN CONNECTION LIMIT 1")
        sql = Sql(own.url)
        sql.rows(f"GRANT ALL ON alembic_version TO {own.name}")
        server = start_app(DATABASE_URL=make_url(own.url).set(username=own.name).render_as_string(hide_password=False))
        assert is_not_ready(server, "writes")
        own.admin.rows(f"ALTER ROLE {own.name} CONNECTION LIMIT 2")
        assert server.get("/readyz").json()["checks"] == ALL_OK
        sql.rows(f"DROP OWNED BY {own.name}; DROP ROLE {own.name}")
        sql.close()

    def test_a_write_leaves_nothing(self, start_app: StartApp, own: Own) -> None:
        server, sql = start_app(DATABASE_URL=own.url), Sql(own.url)
        before = sql.row(VERSION_ROW)
        for _ in range(20):
            assert server.get("/readyz").status_code == 200
        after = sql.row(VERSION_ROW)
        sql.close()
        assert after["ctid"] == before["ctid"]
        assert after["xmax"] != before["xmax"]

    def test_a_migration_that_runs_is_no_fault(self, start_app: StartApp, own: Own) -> None:
        server = start_app(DATABASE_URL=own.url)
        with holding(own.url, "UPDATE alembic_version SET version_num = version_num"):
            assert server.get("/readyz").status_code == 200

    def test_no_keys(self, start_app: StartApp, own: Own) -> None:
        nowhere = "http://127.0.0.1:9/.well-known/jwks.json"
        server = start_app(DATABASE_URL=own.url, CLERK_JWT_KEY="", CLERK_JWKS_URL=nowhere)
        assert is_not_ready(server, "keys")
        assert server.get("/readyz").json()["code"] == "jwks-unavailable"

    def test_a_crowd_asks_once(self, start_app: StartApp, own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
        """And for as long as the answer is fresh nobody asks: the database is away, and nobody notices."""
        monkeypatch.setattr(readiness, "FRESH_SECONDS", 60)
        server, sql = start_app(DATABASE_URL=own.url), Sql(own.url)

        def ask() -> int:
            return server.get("/readyz").status_code

        with ThreadPoolExecutor(20) as crowd:
            with locked(own.url, "alembic_version"):
                asked = [crowd.submit(ask) for _ in range(20)]
                wait_for(lambda: sql.rows(BLOCKED))
                assert not wait([*asked], timeout=0.3).done
                assert len(sql.rows(BLOCKED)) == 1
            assert {job.result() for job in asked} == {200}
        sql.close()
        own.admin.rows(f"ALTER DATABASE {own.name} ALLOW_CONNECTIONS false")
        own.admin.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", own.name)
        assert {ask() for _ in range(50)} == {200}
