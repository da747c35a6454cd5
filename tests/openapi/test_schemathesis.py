"""Requests made from /openapi.json, good and bad ones: every answer is one that it names, and none is a 5xx.

Called by an admin in a Clerk session, so that no operation ends at the door.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.schemas import OpenApiSchema

from development.describe_api import describe
from tests.emulator.harness import EmulatorProcess
from tests.support.admins import add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.outcomes import MADE_BY
from tests.support.server import Server, running_server

Case = schemathesis.Case[Any]
Call = Callable[[Case], None]

# Nobody but Clerk can sign one.
NEVER_GOOD = ["POST /api/webhooks"]


class Caller:
    """An admin in a Clerk session."""

    def __init__(self, server: Server, clerk: Instance, emulator: EmulatorProcess, sql: Sql) -> None:
        self.server, self.clerk, self.emulator = server, clerk, emulator
        sql.empty_all()
        self.admin = emulator.create_user("admin.described@example.com")["id"]
        add_user(sql, clerk_user_id=self.admin, role="admin", plan="enterprise")
        bob = emulator.create_user("bob.described@example.com")["id"]
        self.bob = add_user(sql, clerk_user_id=bob)
        self.session = emulator.create_session(self.admin)["id"]

    def send(self, case: Case, there: dict[str, int]) -> int:
        """One request, its answer checked by all that schemathesis knows; the status."""
        # Made-up ids end at 404: let every other one be of a row that is there.
        for name, value in case.path_parameters.items():
            if isinstance(value, int) and value % 2:
                case.path_parameters[name] = there[name]
        return case.call_and_validate(base_url=self.server.url, headers=self._headers(case.path)).status_code

    def make(self, name: str, path: str) -> int:
        """A row that the id `name` in `path` can name."""
        if name == "user_id":
            return self.bob
        route = MADE_BY[path.partition("/{")[0]]
        made = self.server.request("POST", route.path, json=route.body, headers=self._headers(route.path))
        assert made.status_code == 201, made.text
        made_id: int = made.json()[name]
        return made_id

    def _headers(self, path: str) -> dict[str, str]:
        # A session that a request may end is not the one that the others need.
        is_ending = path == "/api/sessions/revoke"
        sid = self.emulator.create_session(self.admin)["id"] if is_ending else self.session
        token = self.clerk.token(sub=self.admin, sid=sid, exp=int(time.time()) + 300)
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def caller(
    settings: dict[str, str],
    clerk: Instance,
    emulator: EmulatorProcess,
    _connection: Sql,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Caller]:
    own = settings | {"CLERK_API_URL": emulator.url, "CLERK_SECRET_KEY": emulator.keys["CLERK_SECRET_KEY"]}
    with running_server(tmp_path_factory.mktemp("described"), own) as server:
        yield Caller(server, clerk, emulator, _connection)


@pytest.fixture(scope="module")
def described() -> OpenApiSchema:
    """What is asked, made when the tests run: schemathesis would make it at collection, in each process, for 8 s."""
    config = SchemathesisConfig.from_path(Path(__file__).with_name("schemathesis.toml"))
    return schemathesis.openapi.from_dict(json.loads(describe()), config=config)


@pytest.fixture
def call(caller: Caller, request: pytest.FixtureRequest) -> Iterator[Call]:
    """For operations that are to be reached: not all requests of one may end in a refusal."""
    request.node._nodeid = request.node.nodeid  # schemathesis 4.32 writes to it, and pytest 9.2 has it no more
    there: dict[str, dict[str, int]] = {}
    statuses: dict[str, list[int]] = {}

    def record(case: Case) -> None:
        label = case.operation.label
        if label not in there:
            there[label] = {name: caller.make(name, case.path) for name in re.findall(r"\{(\w+)\}", case.path)}
        status = caller.send(case, there[label])
        if case.method == case.operation.method.upper():  # it tries other methods too
            statuses.setdefault(label, []).append(status)

    yield record
    unreached = [label for label, found in statuses.items() if min(found) >= 400]
    assert unreached == NEVER_GOOD


API = schemathesis.pytest.from_fixture("described")
EACH = API.exclude(path_regex="^/campaigns")  # the views of /api/campaigns once more


@EACH.parametrize()
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_some(case: Case, call: Call) -> None:
    call(case)


@pytest.mark.slow
@API.parametrize()
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_many(case: Case, call: Call) -> None:
    call(case)
