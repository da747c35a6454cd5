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

from development.describe_api import describe
from tests.emulator.harness import EmulatorProcess
from tests.support.admins import add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, running_server

CONFIG = SchemathesisConfig.from_path(Path(__file__).with_name("schemathesis.toml"))
API = schemathesis.openapi.from_dict(json.loads(describe()), config=CONFIG)

Case = schemathesis.Case[Any]
Call = Callable[[Case], None]

# Where the rows are made that the ids of a path name.
MADE_AT: dict[str, tuple[str, dict[str, Any]]] = {
    "campaign_id": ("/api/campaigns", {"name": "x", "channel": "sms"}),
    "template_id": ("/api/templates", {"name": "x", "channel": "sms"}),
    "key_id": ("/api/keys", {"name": "x", "scopes": ["profile:read"]}),
}
# Nobody but Clerk can sign one.
NEVER_GOOD = {"/api/webhooks"}


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

    def make(self, name: str) -> int:
        """A row that the id `name` in a path can name."""
        if name == "user_id":
            return self.bob
        path, body = MADE_AT[name]
        made = self.server.request("POST", path, json=body, headers=self._headers(path))
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


@pytest.fixture
def call(caller: Caller) -> Iterator[Call]:
    """For one operation, which is to be reached: not all of its requests may end in a refusal."""
    there: dict[str, int] = {}
    statuses: dict[str, list[int]] = {}

    def record(case: Case) -> None:
        for name in re.findall(r"\{(\w+)\}", case.path):
            if name not in there:
                there[name] = caller.make(name)
        statuses.setdefault(case.path, []).append(caller.send(case, there))

    yield record
    for path, found in statuses.items():
        assert path in NEVER_GOOD or any(status < 400 for status in found), (path, found)


@API.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_some(case: Case, call: Call) -> None:
    call(case)


@pytest.mark.slow
@API.parametrize()
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_many(case: Case, call: Call) -> None:
    call(case)
