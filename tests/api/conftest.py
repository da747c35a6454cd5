"""What several files here need: a server that links legacy rows by e-mail too, subscribers, the purge."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.api.admins import add_user
from tests.api.billing import USER
from tests.api.keys import KeyOwner
from tests.api.purging import Purge
from tests.api.subscribers import ADA, Subscriber
from tests.api.traffic import post_event
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, running_server

Post = Callable[..., str]
Shown = Callable[[], dict[str, Any]]


@pytest.fixture(scope="session")
def linking(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = {**settings, "LEGACY_LINK_BY_EMAIL": "true"}
    with running_server(tmp_path_factory.mktemp("linking"), own) as running:
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

    def get() -> dict[str, Any]:
        answer = server.get("/api/subscription", clerk.token(sub=USER))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return get
