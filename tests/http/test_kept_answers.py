"""Idempotency-Key: which requests are the same one, what is read before, and who never sees a kept answer."""

from typing import Any

import pytest
import requests

from backend.api.http.parsing import MAX_JSON_BYTES
from backend.models.roles_plans_scopes import Scope
from tests.support.api_keys import KeyOwner
from tests.support.caller import is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.specimen.owner import Owner

ONCE = {"Idempotency-Key": "k"}
KEY_BODY = {"name": "backup", "scopes": ["profile:read"]}


@pytest.fixture
def owner(specimen_server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG001 - the tables are to be empty
    return Owner(specimen_server, clerk)


class TestSameRequest:
    def test_is_of_one_method(self, owner: Owner) -> None:
        """PATCH and DELETE of one path, with the same key and the same bytes."""
        path = owner.create()
        changed = owner.call("PATCH", path, json={"name": "y"}, headers=ONCE)
        deleted = owner.call("DELETE", path, json={"name": "y"}, headers=ONCE)
        assert (changed.status_code, deleted.status_code) == (200, 204)
        assert "Idempotent-Replayed" not in deleted.headers
        assert owner.call("GET", path).status_code == 404
        for method, status in (("PATCH", 200), ("DELETE", 204)):
            again = owner.call(method, path, json={"name": "y"}, headers=ONCE)
            assert (again.status_code, again.headers["Idempotent-Replayed"]) == (status, "true")

    def test_is_of_one_thing(self, owner: Owner) -> None:
        """Two specimens, one key: both are deleted."""
        made = [owner.create() for _ in range(2)]
        for path in made:
            answer = owner.call("DELETE", path, headers=ONCE)
            assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (204, None)
            assert owner.call("GET", path).status_code == 404

    def test_other_bytes(self, owner: Owner) -> None:
        """Also where the view reads no body."""
        path = owner.create()
        assert owner.call("DELETE", path, headers=ONCE).status_code == 204
        is_problem(owner.call("DELETE", path, json={}, headers=ONCE), 409, "conflict")


class TestLargeBody:
    """The bytes belong to the request also where the view takes no body: they are read, and so they have a limit."""

    @pytest.mark.parametrize("headers", [{}, ONCE], ids=["without key", "with key"])
    def test_nothing_is_deleted(self, owner: Owner, sql: Sql, headers: dict[str, str]) -> None:
        path = owner.create()
        kept = "SELECT * FROM idempotency_keys ORDER BY key"
        before = sql.rows("SELECT * FROM specimens"), sql.rows(kept)
        body = b" " * (MAX_JSON_BYTES + 1)
        answer = owner.call("DELETE", path, data=body, headers=headers)
        is_problem(answer, 413, "payload-too-large")
        assert (sql.rows("SELECT * FROM specimens"), sql.rows(kept)) == before
        assert owner.call("DELETE", path, data=body[1:]).status_code == 204


class TestKeptSecret:
    """An answer that shows an API key goes to nobody who could not have made that key."""

    @pytest.fixture(params=["create", "rotate"])
    def path(self, request: pytest.FixtureRequest, keys: KeyOwner) -> str:
        """Of a request that was answered with an API key."""
        path = "" if request.param == "create" else f"/{keys.create()['key_id']}/rotate"
        assert self.send(keys, path, headers=ONCE).status_code == 201
        return path

    @pytest.fixture
    def keys(self, owner: Owner) -> KeyOwner:
        return KeyOwner(owner.server, owner.clerk)

    @staticmethod
    def send(keys: KeyOwner, path: str, **options: Any) -> requests.Response:
        return keys.call("POST", path, json={} if path else KEY_BODY, **options)

    def refuse(self, keys: KeyOwner, path: str, status: int, code: str, **headers: str) -> None:
        answer = self.send(keys, path, headers=ONCE | headers)
        is_problem(answer, status, code)
        assert "sk_app_" not in answer.text
        assert not {"Location", "Idempotent-Replayed"} & answer.headers.keys()

    def test_owner(self, keys: KeyOwner, path: str) -> None:
        answer = self.send(keys, path, headers=ONCE)
        assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
        assert keys.use(answer.json()).status_code == 200

    @pytest.mark.parametrize("scopes", [["profile:read"], list(Scope)], ids=["one scope", "all scopes"])
    def test_api_key(self, keys: KeyOwner, path: str, scopes: list[str]) -> None:
        """As X-API-Key it comes alone: a session beside it would be a second credential."""
        key = keys.create(scopes=scopes)["key"]
        self.refuse(keys, path, 403, "forbidden", Authorization=f"Bearer {key}")
        url, body = f"{keys.server.url}/api/keys{path}", {} if path else KEY_BODY
        answer = requests.post(url, json=body, headers=ONCE | {"X-API-Key": key}, timeout=30)
        is_problem(answer, 403, "forbidden")

    def test_impersonator(self, keys: KeyOwner, path: str) -> None:
        token = keys.clerk.token(sub=keys.sub, act={"sub": "user_support"})
        self.refuse(keys, path, 403, "forbidden", Authorization=f"Bearer {token}")

    def test_banned(self, keys: KeyOwner, path: str, sql: Sql) -> None:
        sql.rows("UPDATE users SET banned = true")
        self.refuse(keys, path, 403, "user-banned")

    def test_revoked_session(self, keys: KeyOwner, path: str, sql: Sql) -> None:
        sql.rows("INSERT INTO revoked_sessions (session_id, expires_at) VALUES ('sess_1', now() + interval '1 day')")
        token = keys.clerk.token(sub=keys.sub, sid="sess_1")
        self.refuse(keys, path, 401, "session-revoked", Authorization=f"Bearer {token}")

    def test_somebody_else(self, keys: KeyOwner, path: str) -> None:
        kept = self.send(keys, path, headers=ONCE).json()
        other = KeyOwner(keys.server, keys.clerk, "user_2")
        if path:
            self.refuse(other, path, 404, "not-found")
            return
        own = self.send(other, path, headers=ONCE)
        assert (own.status_code, own.headers.get("Idempotent-Replayed")) == (201, None)
        assert {own.json()[name] != kept[name] for name in ("key", "key_id")} == {True}
