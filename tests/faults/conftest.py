"""A PostgreSQL of the fault tests' own: nobody else's is frozen or killed. And the table of what they measure."""

from collections.abc import Callable, Iterator

import pytest

from development.database import temporary_server
from tests.support.database import Sql, migrated_database
from tests.support.server import Server, running_server

REQUEST_TIMEOUT = 2.0
FIGURES = pytest.StashKey[list[tuple[str, str, str]]]()

Report = Callable[[str, str, str], None]


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Report:
    """`report(attack, figure, target)`: a line of the table at the end of `make faults`."""
    figures = pytestconfig.stash.setdefault(FIGURES, [])
    return lambda attack, figure, target: figures.append((attack, figure, target))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if figures := config.stash.get(FIGURES, []):
        terminalreporter.section("what each attack did")
        rows = [("attack", "measured", "target"), *figures]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            terminalreporter.write_line(line.rstrip())


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
