"""Each test process has a PostgreSQL, a database and a gunicorn. A test that asks for `sql` finds the tables empty."""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from development.database import temporary_server
from tests.support.clerk import Instance
from tests.support.commands import make_app
from tests.support.database import Sql, migrated_database
from tests.support.scheduling import ByFile
from tests.support.secrecy import told_in
from tests.support.server import PROJECT, Server, running_server
from tests.support.traffic import post_event

pytest_plugins = ["counterfoil_testing.fixtures", "tests.support.fixtures"]

SHARED_DATA = PROJECT.parent / "shared" / "data"


def pytest_configure() -> None:
    """A shell lets what it starts with `&` ignore SIGINT: tests, and their children, some of which are to heed it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a quarter of the time tests wait, for a server, a clock or a lock."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what its servers complained of: a 503 names no cause to its client."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for name, value in item.funcargs.items():
            if isinstance(value, Server):
                report.sections.append((f"log of {name}", value.complaints()))
    return report


@pytest.fixture(scope="session", autouse=True)
def _nothing_secret_is_logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No program that the tests started has written a token, a key, a password or an address."""
    yield
    told = list(told_in(tmp_path_factory.getbasetemp()))
    assert not told, "\n".join(told)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The maintenance database of a server of the tests' own, which can count statements."""
    with temporary_server(max_connections=200, shared_preload_libraries="pg_stat_statements") as url:
        yield url


@pytest.fixture(scope="session")
def database_url(postgres_url: str, worker_id: str) -> Iterator[str]:
    """A migrated database."""
    with migrated_database(postgres_url, f"counterfoil_{worker_id}") as url:
        yield url


@pytest.fixture(scope="session")
def settings(database_url: str, clerk: Instance) -> dict[str, str]:
    """The settings of `server`: keys by PEM, webhooks on, no rate limits. Copy and change them for another server."""
    return {"DATABASE_URL": database_url, "RATE_LIMITS": "off", **clerk.settings}


@pytest.fixture(scope="session")
def server(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


@pytest.fixture
def app(settings: dict[str, str]) -> Flask:
    """The application of `server`, in this process."""
    return make_app(settings)


@pytest.fixture(scope="session")
def _connection(database_url: str) -> Iterator[Sql]:
    connection = Sql(database_url)
    yield connection
    connection.close()


@pytest.fixture
def sql(_connection: Sql) -> Sql:
    """The database, empty."""
    _connection.empty_all()
    return _connection


Deliver = Callable[..., requests.Response]


@pytest.fixture
def deliver(server: Server, clerk: Instance, sql: Sql) -> Deliver:  # noqa: ARG001 - the tables are to be empty
    """Post a signed webhook: `deliver("user.created", data)`, with `event_id=` to repeat one."""
    return partial(post_event, server, clerk)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published test vectors beside the project; they are not part of it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the published vectors are not here ({SHARED_DATA})")
    return SHARED_DATA
