"""A second server, which links legacy rows by e-mail too."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.traffic import post_event
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, running_server

Post = Callable[..., str]


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
