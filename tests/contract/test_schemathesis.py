"""Requests made from /openapi.json, good and bad ones: every answer is one that it names, and none is a 5xx.

Called by an admin in a Clerk session, so that no operation ends at the door.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from development.describe_api import describe
from tests.api.admins import add_user
from tests.emulator.harness import EmulatorProcess
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import running_server

CONFIG = SchemathesisConfig.from_path(Path(__file__).with_name("schemathesis.toml"))
API = schemathesis.openapi.from_dict(json.loads(describe()), config=CONFIG)

Call = Callable[[schemathesis.Case[Any]], None]


@pytest.fixture(scope="module")
def call(
    settings: dict[str, str],
    clerk: Instance,
    emulator: EmulatorProcess,
    _connection: Sql,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Call]:
    """Sends one request, and checks the answer by all that schemathesis knows."""
    _connection.empty_all()
    admin = emulator.create_user("admin@example.com")["id"]
    add_user(_connection, clerk_user_id=admin, role="admin")
    session = emulator.create_session(admin)["id"]
    own = settings | {"CLERK_API_URL": emulator.url, "CLERK_SECRET_KEY": emulator.keys["CLERK_SECRET_KEY"]}
    with running_server(tmp_path_factory.mktemp("described"), own) as server:

        def send(case: schemathesis.Case[Any]) -> None:
            # A session that a request may end is not the one that the others need.
            is_ending = case.path == "/api/sessions/revoke"
            sid = emulator.create_session(admin)["id"] if is_ending else session
            token = clerk.token(sub=admin, sid=sid, exp=int(time.time()) + 300)
            case.call_and_validate(base_url=server.url, headers={"Authorization": f"Bearer {token}"})

        yield send


@API.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_some(case: schemathesis.Case[Any], call: Call) -> None:
    call(case)


@pytest.mark.slow
@API.parametrize()
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_many(case: schemathesis.Case[Any], call: Call) -> None:
    call(case)
