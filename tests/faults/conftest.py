"""A PostgreSQL of the fault tests' own: nobody else's is frozen, killed or restarted."""

from collections.abc import Iterator

import pytest

from development.database import temporary_server
from tests.support.database import Sql, migrated_database
from tests.support.server import Server, running_server

REQUEST_TIMEOUT = 2.0


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[str]:
    """The URL of its maintenance database."""
    with temporary_server(max_connections=100) as url:
        yield url


@pytest.fixture(scope="session")
def own_database(own_postgres: str) -> Iterator[str]:
    """A migrated database there."""
    with migrated_database(own_postgres, "counterfoil_faults") as url:
        yield url


@pytest.fixture(scope="session")
def own_settings(settings: dict[str, str], own_database: str) -> dict[str, str]:
    return {**settings, "DATABASE_URL": own_database, "REQUEST_TIMEOUT": str(REQUEST_TIMEOUT)}


@pytest.fixture(scope="session")
def own_server(own_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker for all of these tests: it must outlive each of them."""
    with running_server(tmp_path_factory.mktemp("faults"), own_settings) as running:
        (worker,) = running.worker_pids()
        yield running
        assert running.worker_pids() == [worker], "the worker was replaced"


@pytest.fixture
def own_sql(own_database: str) -> Iterator[Sql]:
    """That database, empty. A connection for each test: the faults cut it."""
    connection = Sql(own_database)
    connection.empty_all()
    yield connection
    connection.close()
