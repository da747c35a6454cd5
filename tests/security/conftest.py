"""A server that fetches its keys, and somebody who tries tokens on one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.security.attacks import Attacker
from tests.support.clerk import Instance, KeyServer
from tests.support.database import Sql
from tests.support.server import Server, running_server

StartServer = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def attacker(server: Server, sql: Sql) -> Attacker:
    return Attacker(server, sql)


@pytest.fixture(scope="session")
def start_server(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """Another server: `with start_server(CLERK_AUDIENCE="x") as server`."""

    def start(**changes: str) -> AbstractContextManager[Server]:
        return running_server(tmp_path_factory.mktemp("server"), {**settings, **changes})

    return start


@pytest.fixture(scope="module")
def key_server(clerk: Instance) -> Iterator[KeyServer]:
    """Serves the key of `clerk`, until a test says otherwise."""
    with KeyServer(clerk.jwk) as running:
        yield running


@pytest.fixture(scope="module")
def refetching_server(start_server: StartServer, key_server: KeyServer) -> Iterator[Server]:
    """A server that asks `key_server` anew for each request: what it serves counts at once."""
    settings = {"CLERK_JWT_KEY": "", "CLERK_JWKS_URL": key_server.url, "CLERK_JWKS_TTL": "0"}
    with start_server(**settings) as running:
        yield running
