"""Fixtures of many features: other servers, a page of traffic, subscribers, key owners, somebody who tries tokens."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Connection, create_engine, make_url

from backend.services.clerk.linking import LinkRules
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.webhooks.ledger import receive_event
from backend.services.readonly_role import ROLE
from tests.support.admins import add_user
from tests.support.api_keys import KeyOwner
from tests.support.attacks import Attacker
from tests.support.billing import USER
from tests.support.caller import Caller
from tests.support.clerk import Instance, KeyServer
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.filled import fill
from tests.support.purging import Purge
from tests.support.server import Server, in_process, running_server
from tests.support.specimen.base import migrate
from tests.support.subscribers import ADA, Subscriber
from tests.support.traffic import post_event

T = TypeVar("T")
Post = Callable[..., str]
Shown = Callable[[], Any]


@pytest.fixture(scope="session")
def linking(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = {**settings, "LEGACY_LINK_BY_EXTERNAL_ID": "true"}
    with running_server(tmp_path_factory.mktemp("linking"), own) as running:
        yield running


@pytest.fixture(scope="session")
def specimen_server(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The application with the tests' own resource, at /api/specimens."""
    migrate(settings["DATABASE_URL"])
    with running_server(
        tmp_path_factory.mktemp("specimen"), settings, app="tests.support.specimen.wsgi:app"
    ) as running:
        yield running


@pytest.fixture
def post(linking: Server, clerk: Instance, sql: Sql) -> Post:  # noqa: ARG001 - the tables are to be empty
    """Post an event that is to be applied."""

    def send(kind: str, data: object, **options: Any) -> str:
        answer = post_event(linking, clerk, kind, data, **options)
        assert answer.status_code == 200, answer.text
        status: str = answer.json()["status"]
        return status

    return send


Receive = Callable[..., str]


@pytest.fixture(scope="session")
def receive(database_url: str) -> Iterator[Receive]:
    """Receive an event in this process, which saves the way over HTTP; the same number is a repetition."""
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    mirror = Mirror(LinkRules(by_email=False, external_id_prefix=None), timedelta())

    def transact(work: Callable[[Connection], T], *, user: str | int | None = None) -> T:  # noqa: ARG001
        with engine.begin() as connection:
            return work(connection)

    def take(
        number: int, kind: str, data: object, timestamp: int | None = 1_700_000_000_000, *, signed_at: int | None = None
    ) -> str:
        body = json.dumps({"type": kind, "data": data, "timestamp": timestamp}).encode()
        at = int(time.time()) if signed_at is None else signed_at
        return receive_event(transact, mirror, f"msg_{number}", "svix", body, signed_at=at, instance_ids=())

    yield take
    engine.dispose()


@pytest.fixture
def filled(server: Server, clerk: Instance, sql: Sql) -> Sql:
    """The database as an admin finds it."""
    fill(server, clerk, sql)
    return sql


MakeRole = Callable[[], Result]


@pytest.fixture
def make_role(app: Flask, sql: Sql) -> Iterator[MakeRole]:
    """`flask readonly-role`. Afterwards there is no such role on the server."""
    yield lambda: app.test_cli_runner().invoke(args=["readonly-role"])
    if sql.rows("SELECT rolname FROM pg_roles WHERE rolname = %s", ROLE):
        sql.rows(f"DROP OWNED BY {ROLE}")
        sql.rows(f"DROP ROLE {ROLE}")


@pytest.fixture
def purge(app: Flask, sql: Sql) -> Purge:
    """`flask purge`, in a database with one user."""
    add_user(sql)
    return Purge(app)


@pytest.fixture
def subscriber(server: Server, clerk: Instance, sql: Sql) -> Subscriber:
    return Subscriber(server, clerk, sql)


@pytest.fixture
def key_owner(server: Server, clerk: Instance, subscriber: Subscriber) -> KeyOwner:  # noqa: ARG001 - she is to be there
    return KeyOwner(server, clerk, ADA)


@pytest.fixture
def shown(server: Server, clerk: Instance) -> Shown:
    """What the user of the billing events sees at GET /api/subscription."""
    return Caller(server, clerk, USER, "/api/subscription").page


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


StartApp = Callable[..., Server]


@pytest.fixture(scope="session")
def start_app(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> StartApp:
    """An application in this process, asked like a server: `start_app(CLERK_AUDIENCE="x")`. It logs nowhere.

    A tenth of a second, where a server takes two: for what the worker process has no part in.
    """

    def start(**changes: str) -> Server:
        own = {"CLERK_JWKS_DIR": str(tmp_path_factory.mktemp("app")), **settings, **changes}
        return in_process(make_app({name: value for name, value in own.items() if value}))

    return start


@pytest.fixture(scope="session")
def _key_server() -> Iterator[KeyServer]:
    with KeyServer() as running:
        yield running


@pytest.fixture
def key_server(_key_server: KeyServer, clerk: Instance) -> KeyServer:
    """Serves the key of `clerk`, until a test says otherwise."""
    _key_server.serve(clerk.jwk)
    return _key_server


@pytest.fixture(scope="session")
def _refetching_server(start_server: StartServer, _key_server: KeyServer) -> Iterator[Server]:
    settings = {"CLERK_JWT_KEY": "", "CLERK_JWKS_URL": _key_server.url, "CLERK_JWKS_TTL": "0"}
    with start_server(**settings) as running:
        yield running


@pytest.fixture
def refetching_server(_refetching_server: Server, key_server: KeyServer) -> Server:  # noqa: ARG001 - serves the key
    """A server that asks `key_server` anew for each request: what it serves counts at once."""
    return _refetching_server
