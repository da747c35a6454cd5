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
    MADE_BY,
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

    def enter(self, state: str) -> None:
        """Bring user, session and key into a state, as an admin, Clerk or time would."""
        changes = {
            "expired": f"UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE key_id = {self.key_id}",
            "revoked": f"UPDATE api_keys SET revoked_at = now() WHERE key_id = {self.key_id};"
            "INSERT INTO revoked_sessions (session_id, expires_at) "
            f"VALUES ('{self.session}', now() + interval '1 day'), ('jti:{self.session}', now() + interval '1 day')",
            "banned": f"UPDATE users SET banned = true WHERE user_id = {self.user_id}",
            "deprovisioned": f"UPDATE users SET deprovisioned = true WHERE user_id = {self.user_id}",
            "switched off": f"UPDATE users SET is_active = false WHERE user_id = {self.user_id}",
            "deleted": f"UPDATE users SET deleted_at = now(), is_active = false WHERE user_id = {self.user_id}",
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
    app: Flask
    clerk: Instance
    sql: Sql

    def check(self, calls: Iterable[tuple[str, Call]], credential: str, state: str) -> None:
        wanted = {str(call): expected(group, call, credential, state) for group, call in calls}
        assert wanted
        assert {str(call): self.outcome(call, credential, state) for _, call in calls} == wanted

    def path(self, call: Call, owner: Person, user: Person) -> str:
        """What stands in it is the owner's: made now, unless everybody has one."""
        collection, _, rest = call.path.partition("/{")
        word = rest.partition("}")[0]
        ids = {"key": owner.key_id, "session": owner.session, "user": user.user_id}
        if word and word not in ids:
            token = self.clerk.token(sub=owner.clerk_id, sid=owner.session)
            made = self.world.server.request("POST", collection, token, json=MADE_BY[collection].body)
            ids[word] = made.json()[f"{word}_id"]
        return str(call.path.format(**ids))

    def blueprint(self, call: Call) -> str:
        path = re.sub(r"\{\w+\}", "1", call.path.partition("?")[0])
        endpoint, _ = self.app.url_map.bind("localhost").match(path, call.method)
        return str(endpoint).partition(".")[0]

    def demanded(self, call: Call) -> Scope | None:
        """Which scope an API key needs for it; None: no key will do."""
        policy = policies_of(self.app)[self.blueprint(call)]
        return None if policy.session_only else policy.read if call.method == "GET" else policy.write

    def with_scopes(self, scopes: list[Scope], call: Call) -> str:
        """The outcome for an API key that has these."""
        person = Person(self.sql, None)
        self.sql.rows("UPDATE api_keys SET scopes = %s WHERE key_id = %s", scopes, person.key_id)
        return self.answer(call, self.path(call, person, person), send(person, "API key", "valid", self.clerk))

    def answer(self, call: Call, path: str, headers: dict[str, str]) -> str:
        answer = self.world.server.request(call.method, path, json=call.body, headers=headers)
        return YES if answer.ok else str(answer.json()["code"])

    def outcome(self, call: Call, credential: str, state: str) -> str:
        is_asked_of_clerk = re.search(r"\{session\}|/revoke|ban$", call.path) and state in {"valid", "wrong owner"}
        emulator = self.world.emulator if is_asked_of_clerk else None
        caller = Person(self.sql, emulator, "user" if credential == "session of a user" else "admin")
        other = Person(self.sql, emulator)
        owner = other if state == "wrong owner" else caller
        path = self.path(call, owner, other)
        caller.enter(state)
        return self.answer(call, path, send(caller, credential, state, self.clerk))


@pytest.fixture
def asking(world: World, app: Flask, clerk: Instance, sql: Sql) -> Asking:
    return Asking(world, app, clerk, sql)


@pytest.fixture
def one_a_blueprint(asking: Asking) -> list[tuple[str, Call]]:
    """The first call of each. Its policy is that of the blueprint, and a state is looked at before it."""
    return list({asking.blueprint(call): (group, call) for group, call in reversed(CALLS)}.values())


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
    """All the others are no help."""
    for _, call in CALLS:
        if wanted := asking.demanded(call):
            others = [scope for scope in Scope if not scope.includes(wanted)]
            assert asking.with_scopes(others, call) == "insufficient-scope", call


@pytest.mark.parametrize("held", Scope)
def test_of_a_key_with_one_scope(asking: Asking, held: Scope) -> None:
    """A scope that changes a thing reads it too, as its answers do; and it does nothing to any other thing."""
    one_read_and_one_change = {(asking.blueprint(call), call.method == "GET"): call for _, call in reversed(CALLS)}
    demanded = [(call, scope) for call in one_read_and_one_change.values() if (scope := asking.demanded(call))]
    assert held in [scope for _, scope in demanded], (
        f"no route demands {held}: name it in ROUTES of backend/api/__init__.py"
    )
    wanted = {str(call): YES if held.includes(scope) else "insufficient-scope" for call, scope in demanded}
    assert {str(call): asking.with_scopes([held], call) for call, _ in demanded} == wanted


def test_every_protected_route_is_there(app: Flask) -> None:
    """A new route needs its lines in the table."""
    policies = policies_of(app)
    served = {
        (method, re.sub(r"<id:(\w+)_id>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if not policies[rule.endpoint.partition(".")[0]].is_public
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
    }
    named = {(call.method, call.path.partition("?")[0]) for calls in GROUPS.values() for call in calls}
    assert served == named, "GROUPS of tests/support/outcomes.py has a line for each call of a route"


def test_the_page_shows_the_table() -> None:
    page: str = Path(PAGE).read_text()
    assert page == page_with_tables(page), "run: python -m tests.support.outcomes"
