"""Who gets what: the table of tests/support/outcomes.py, over HTTP."""

import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask

from backend.access.policy import policies_of
from backend.models.roles_plans_scopes import Scope
from tests.emulator.harness import EmulatorProcess
from tests.support.clerk import Instance, clerk_id
from tests.support.database import Sql
from tests.support.legacy_tokens import LEGACY_SECRET, sign
from tests.support.outcomes import (
    CREDENTIALS,
    FOREIGN_PAGE,
    GROUPS,
    PAGE,
    SESSION_STATES,
    WRONG_OWNER,
    YES,
    Call,
    expected,
    page_with_tables,
)
from tests.support.own_routes import KEYS
from tests.support.server import Server, running_server

CALLS = [(group, call) for group, calls in GROUPS.items() for call in calls]
OWNED = [(group, call) for group, call in CALLS if any(word in call.path for word in WRONG_OWNER)]


class World(NamedTuple):
    """A server that accepts every credential, and Clerk's API."""

    server: Server
    emulator: EmulatorProcess


@pytest.fixture(scope="module")
def world(
    settings: dict[str, str], emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    own = settings | {
        "CLERK_API_URL": emulator.url,
        "CLERK_SECRET_KEY": emulator.keys["CLERK_SECRET_KEY"],
        "LEGACY_JWT_SECRET": LEGACY_SECRET,
    }
    with running_server(tmp_path_factory.mktemp("outcomes"), own) as running:
        yield World(running, emulator)


class Person:
    """A user of the password era, at Clerk and here, with one API key."""

    def __init__(self, sql: Sql, emulator: EmulatorProcess | None, role: str = "user") -> None:
        self._sql = sql
        self.clerk_id, self.session = clerk_id("user"), clerk_id("sess")
        if emulator is not None:
            self.clerk_id = emulator.create_user(f"{self.clerk_id}@example.com".lower())["id"]
            self.session = emulator.create_session(self.clerk_id)["id"]
        self.user_id: int = sql.value(
            "INSERT INTO users (clerk_user_id, role, provisioned_by) VALUES (%s, %s, 'legacy') RETURNING user_id",
            *(self.clerk_id, role),
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
            "INSERT INTO campaign_templates (user_id, name, channel) VALUES (%s, 'x', 'sms') RETURNING template_id",
            self.user_id,
        )

    def enter(self, state: str, path: str) -> None:
        """Bring user, session and key into a state, as an admin, Clerk or time would."""
        unfit = "campaigns:read" if "/tokens" in path else "tokens:read"
        changes = {
            "expired": f"UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE key_id = {self.key_id}",
            "revoked": f"UPDATE api_keys SET revoked_at = now() WHERE key_id = {self.key_id};"
            "INSERT INTO revoked_sessions (session_id, expires_at) "
            f"VALUES ('{self.session}', now() + interval '1 day'), ('jti:{self.session}', now() + interval '1 day')",
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
        return {"Authorization": f"Bearer {sign(sub=person.user_id, jti=person.session, exp=end)}"}
    claims: dict[str, Any] = {"sub": person.clerk_id, "sid": person.session, "exp": end}
    if credential == "impersonated session":
        claims["act"] = {"sub": clerk_id("user")}
    token = clerk.token(**claims)
    if credential == FOREIGN_PAGE:
        return {"Cookie": f"__session={token}", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    if credential == "session cookie, own page":
        return {"Cookie": f"__session={token}", "Sec-Fetch-Site": "same-origin"}
    return {"Authorization": f"Bearer {token}"}


class Asking(NamedTuple):
    """Makes calls with a credential in a state, each by a caller of its own."""

    world: World
    clerk: Instance
    sql: Sql

    def check(self, calls: Iterable[tuple[str, Call]], credential: str, state: str) -> None:
        wanted = {str(call): expected(group, call, credential, state) for group, call in calls}
        assert wanted
        assert {str(call): self.outcome(call, credential, state) for _, call in calls} == wanted

    def outcome(self, call: Call, credential: str, state: str) -> str:
        is_asked_of_clerk = re.search(r"\{session\}|/revoke|ban$", call.path) and state in {"valid", "wrong owner"}
        emulator = self.world.emulator if is_asked_of_clerk else None
        caller = Person(self.sql, emulator, "user" if credential == "session of a user" else "admin")
        other = Person(self.sql, emulator)
        caller.enter(state, call.path)
        owner = other if state == "wrong owner" else caller
        path = call.path.format(
            key=owner.key_id,
            session=owner.session,
            user=other.user_id,
            campaign=owner.campaign_id,
            template=owner.template_id,
        )
        headers = send(caller, credential, state, self.clerk)
        answer = self.world.server.request(call.method, path, json=call.body, headers=headers)
        return YES if answer.ok else str(answer.json()["code"])


@pytest.fixture
def asking(world: World, clerk: Instance, sql: Sql) -> Asking:
    return Asking(world, clerk, sql)


@pytest.fixture
def one_a_blueprint(app: Flask) -> list[tuple[str, Call]]:
    """The first call of each. Its policy is that of the blueprint, and a state is looked at before it."""
    urls = app.url_map.bind("localhost")
    found: dict[str, tuple[str, Call]] = {}
    for group, call in CALLS:
        path = re.sub(r"\{\w+\}", "1", call.path.partition("?")[0])
        endpoint, _ = urls.match(path, call.method)
        found.setdefault(endpoint.partition(".")[0], (group, call))
    return list(found.values())


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_of_every_route(asking: Asking, credential: str) -> None:
    asking.check(CALLS, credential, "valid")


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("state", SESSION_STATES)
def test_of_every_state(asking: Asking, one_a_blueprint: list[tuple[str, Call]], credential: str, state: str) -> None:
    asking.check(one_a_blueprint, credential, state)


@pytest.mark.parametrize("credential", ["session of a user", "session of an admin", "API key"])
def test_of_what_belongs_to_somebody_else(asking: Asking, credential: str) -> None:
    asking.check(OWNED, credential, "wrong owner")


def test_of_a_key_without_the_scope(asking: Asking) -> None:
    asking.check(CALLS, "API key", "missing scope")


@pytest.mark.parametrize("held", Scope)
def test_of_a_key_with_one_scope(world: World, clerk: Instance, sql: Sql, held: Scope) -> None:
    """A scope that changes a thing reads it too, as its answers do; and it does nothing to any other thing."""
    thing, _, action = held.partition(":")
    things = {"own profile": "profile", "profile change": "profile", "templates": "campaigns"}
    for group in ("own profile", "profile change", "tokens", "campaigns", "templates"):
        for call in GROUPS[group][:4]:
            if "{session}" in call.path:
                continue
            person = Person(sql, None)
            sql.rows("UPDATE api_keys SET scopes = ARRAY[%s] WHERE key_id = %s", held, person.key_id)
            path = call.path.format(campaign=person.campaign_id, template=person.template_id)
            headers = send(person, "API key", "valid", clerk)
            answer = world.server.request(call.method, path, json=call.body, headers=headers)
            is_granted = things.get(group, group) == thing and (call.method == "GET" or action != "read")
            assert answer.ok == is_granted, call
            assert is_granted or answer.json()["code"] == "insufficient-scope"


def test_every_protected_route_is_there(app: Flask) -> None:
    """A new route needs its lines in the table."""
    policies = policies_of(app)
    served = {
        (method, re.sub(r"<id:(\w+)_id>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if not policies[rule.endpoint.partition(".")[0]].is_public
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
    }
    assert served == {(call.method, call.path.partition("?")[0]) for calls in GROUPS.values() for call in calls}


def test_the_page_shows_the_table() -> None:
    page: str = Path(PAGE).read_text()
    assert page == page_with_tables(page), "run: python -m tests.support.outcomes"
