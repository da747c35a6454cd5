"""Every protected route x every credential x every state: the table of tests/support/outcomes.py, over HTTP."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
import requests
from flask import Flask

from backend.access.policy import policies_of
from backend.models.choices import Scope
from backend.services.api_keys.form import KeyForm
from config import DEVELOPMENT_PEPPER
from tests.emulator.harness import EmulatorProcess
from tests.support.clerk import Instance, clerk_id
from tests.support.database import Sql
from tests.support.outcomes import (
    CREDENTIALS,
    FOREIGN_PAGE,
    GROUPS,
    PAGE,
    STATES,
    YES,
    Call,
    expected,
    page_with_tables,
)
from tests.support.server import Server, running_server

LEGACY_SECRET = "".join(f"{number:02x}" for number in range(0, 256, 7))
KEYS = KeyForm("sk_app", DEVELOPMENT_PEPPER)
CASES = [
    pytest.param(call, credential, state, outcome, id=f"{call}-{credential}-{state}")
    for group, calls in GROUPS.items()
    for call in calls
    for credential in CREDENTIALS
    for state in STATES
    if (outcome := expected(group, call, credential, state)) is not None
]


class Worlds(NamedTuple):
    """A server that accepts every credential, one for which legacy tokens have had their time, and Clerk's API."""

    present: Server
    late: Server
    emulator: EmulatorProcess


@pytest.fixture(scope="module")
def worlds(
    settings: dict[str, str], emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worlds]:
    own = settings | {
        "CLERK_API_URL": emulator.url,
        "CLERK_SECRET_KEY": emulator.keys["CLERK_SECRET_KEY"],
        "LEGACY_JWT_SECRET": LEGACY_SECRET,
    }
    place = tmp_path_factory.mktemp("outcomes")
    with (
        running_server(place, own) as open_server,
        running_server(place, own | {"LEGACY_JWT_SUNSET": "2026-01-01"}) as late_server,
    ):
        yield Worlds(open_server, late_server, emulator)


class Person:
    """A user at Clerk and here, with one API key."""

    def __init__(self, sql: Sql, emulator: EmulatorProcess | None, role: str = "user") -> None:
        self._sql = sql
        self.clerk_id, self.session = clerk_id("user"), clerk_id("sess")
        if emulator is not None:
            self.clerk_id = emulator.create_user(f"{self.clerk_id}@example.com".lower())["id"]
            self.session = emulator.create_session(self.clerk_id)["id"]
        self.user_id: int = sql.value(
            "INSERT INTO users (clerk_user_id, role) VALUES (%s, %s) RETURNING user_id", self.clerk_id, role
        )
        self.key = KEYS.generate()
        self.key_id: int = sql.value(
            """
            INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
            VALUES (%s, 'first', 'sk_app', %s, %s, %s) RETURNING key_id
            """,
            self.user_id,
            self.key[-4:],
            KEYS.digest(self.key),
            [scope.value for scope in Scope],
        )
        # Archived: whatever is called, the campaign's state allows it.
        self.campaign_id: int = sql.value(
            "INSERT INTO campaigns (user_id, name, channel, status) VALUES (%s, 'x', 'sms', 'archived') "
            "RETURNING campaign_id",
            self.user_id,
        )
        self.template_id: int = sql.value(
            "INSERT INTO campaign_templates (user_id, name, channel) VALUES (%s, 'x', 'sms') "
            "RETURNING template_id",
            self.user_id,
        )

    def enter(self, state: str, path: str) -> None:
        """Bring user, session and key into a state, as an admin, Clerk or time would."""
        unfit = "campaigns:read" if "/tokens" in path else "tokens:read"
        changes = {
            "expired": f"UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE key_id = {self.key_id}",
            "revoked": f"UPDATE api_keys SET revoked_at = now() WHERE key_id = {self.key_id};"
            f"INSERT INTO revoked_sessions (session_id, expires_at) VALUES ('{self.session}', now() + interval '1 day')",
            "banned": f"UPDATE users SET banned = true WHERE user_id = {self.user_id}",
            "switched off": f"UPDATE users SET is_active = false WHERE user_id = {self.user_id}",
            "deleted": f"UPDATE users SET deleted_at = now(), is_active = false WHERE user_id = {self.user_id}",
            "missing scope": f"UPDATE api_keys SET scopes = ARRAY['{unfit}'] WHERE key_id = {self.key_id}",
        }
        if state in changes:
            self._sql.rows(changes[state])


def send(person: Person, credential: str, state: str, clerk: Instance) -> dict[str, str]:
    """The headers that carry the credential."""
    now = int(time.time())
    end = now - 60 if state == "expired" else now + 60
    if credential == "API key":
        return {"X-API-Key": person.key}
    if credential == "legacy token":
        token = jwt.encode({"sub": str(person.user_id), "exp": end}, LEGACY_SECRET, "HS256")
        return {"Authorization": f"Bearer {token}"}
    claims: dict[str, Any] = {"sub": person.clerk_id, "sid": person.session, "exp": end}
    if credential == "impersonated session":
        claims["act"] = {"sub": clerk_id("user")}
    token = clerk.token(**claims)
    if credential == FOREIGN_PAGE:
        return {
            "Cookie": f"__session={token}",
            "Origin": "https://evil.example",
            "Sec-Fetch-Site": "cross-site",
        }
    if credential == "session cookie, own page":
        return {"Cookie": f"__session={token}", "Sec-Fetch-Site": "same-origin"}
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("call", "credential", "state", "outcome"), CASES)
def test_outcome(
    call: Call, credential: str, state: str, outcome: str, worlds: Worlds, clerk: Instance, sql: Sql
) -> None:
    is_asked_of_clerk = re.search(r"\{session\}|/revoke|ban$", call.path) and outcome in {
        YES,
        "session-revoked",
    }
    emulator = worlds.emulator if is_asked_of_clerk else None
    is_admin = credential != "session of a user"
    caller = Person(sql, emulator, "admin" if is_admin else "user")
    other = Person(sql, emulator)
    caller.enter(state, call.path)
    owner = other if state == "wrong owner" else caller
    path = call.path.format(
        key=owner.key_id,
        session=owner.session,
        user=other.user_id,
        campaign=owner.campaign_id,
        template=owner.template_id,
    )
    is_late = (credential, state) == ("legacy token", "revoked")
    headers = send(caller, credential, state, clerk)
    server = worlds.late if is_late else worlds.present
    answer = server.request(call.method, path, json=call.body, headers=headers)
    assert told(answer) == outcome, answer.text


def told(answer: requests.Response) -> str:
    return YES if answer.ok else str(answer.json()["code"])


def test_every_protected_route_is_there(app: Flask) -> None:
    """A new route needs its lines in the table."""
    policies = policies_of(app)
    served = {
        (method, re.sub(r"<id:(\w+)_id>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if not policies[rule.endpoint.partition(".")[0]].is_public
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
    }
    assert served == {
        (call.method, call.path.partition("?")[0]) for calls in GROUPS.values() for call in calls
    }


def test_the_page_shows_the_table() -> None:
    page: str = Path(PAGE).read_text()
    assert page == page_with_tables(page), "run: python -m tests.support.outcomes"
