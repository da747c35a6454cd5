"""A-10: every credential, used well and badly, on a server that logs all it can: none of them, no address, is told."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.engine import make_url

from tests.support.clerk import Instance, session_data, user_data
from tests.support.clerk_api import ApiServer, answer_with, hang_up
from tests.support.database import Sql, migrated_database
from tests.support.fixtures import StartServer
from tests.support.server import Server
from tests.support.witness import (
    ADA,
    CLERK_SECRET,
    EVE,
    KEY,
    LEGACY_SECRET,
    LOOKED_UP,
    PASSWORD,
    PEPPER,
    Witness,
    credentials,
)

NAME = "counterfoil_secrets"
# Of an impersonated session's GET /auth/me.
STATUS_WITHOUT = dict.fromkeys(("users", "subscriptions", "usage_metrics", "audit_events"), 503)
STATUS_WITHOUT["api_keys"] = 200


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    with migrated_database(postgres_url, NAME) as url:
        yield url


@pytest.fixture
def own_sql(database: str) -> Iterator[Sql]:
    sql = Sql(database)
    sql.empty_all()
    yield sql
    sql.close()


@pytest.fixture(scope="module")
def clerk_api() -> Iterator[ApiServer]:
    with ApiServer() as running:
        yield running


@pytest.fixture(scope="module")
def talkative(start_server: StartServer, database: str, clerk_api: ApiServer) -> Iterator[Server]:
    settings = {
        "DATABASE_URL": make_url(database).set(password=PASSWORD).render_as_string(hide_password=False),
        "LOG_LEVEL": "DEBUG",
        "CLERK_API_URL": clerk_api.url,
        "CLERK_SECRET_KEY": CLERK_SECRET,
        "CLERK_PUBLISHABLE_KEY": "pk_test_Y2xlcmsuY2xlcmsuZGV2JA",
        "LEGACY_JWT_SECRET": LEGACY_SECRET,
        "LEGACY_JWT_EMAIL_CLAIM": "email",
        "API_KEY_PEPPER": PEPPER,
    }
    with start_server(**settings) as running:
        yield running


@pytest.fixture
def witness(talkative: Server, clerk: Instance, clerk_api: ApiServer, own_sql: Sql) -> Witness:  # noqa: ARG001
    """Ada is here, with her address. Clerk's API knows her too, and says it in every answer."""
    clerk_api.answer = answer_with(user_data("user_ada", email=ADA))
    witness = Witness(talkative, clerk)
    assert witness.deliver("user.created", user_data("user_ada", email=ADA)) == 200
    return witness


class TestCredentials:
    def test_of_every_kind(self, witness: Witness, own_sql: Sql) -> None:
        for credential in credentials(witness, own_sql).values():
            witness.show(credential)
        assert witness.statuses == {200, 400, 401, 403, 404, 405, 422, 431}
        witness.is_kept()


class TestBodies:
    WRONG = (
        json.dumps({"name": ADA, "scopes": [ADA]}),
        json.dumps({"name": [ADA], "scopes": ADA, "expires_at": ADA}),
        json.dumps({"name": ADA, "scopes": ["profile:read"], "key": ADA}),
        json.dumps([ADA]),
        *(f'{{"name": "{ADA}"', f'{{"name": "{ADA}", "name": "{ADA}"}}', f'{{"name": {ADA}}}', f"name={ADA}"),
    )

    def test_wrong(self, witness: Witness, own_sql: Sql) -> None:
        own_sql.rows("UPDATE users SET role = 'admin'")
        headers = {"Authorization": witness.bearer(), "Content-Type": "application/json"}
        for body in self.WRONG:
            for method, path in (("POST", "/api/keys"), ("PATCH", "/api/users/1"), ("POST", "/api/webhooks")):
                assert witness.send(method, path, data=body, headers=headers).status_code in {400, 422}, body
        for query in (f"status={ADA}", f"limit={ADA}", f"cursor={ADA}", f"role={ADA}"):
            answer = witness.send("GET", f"/api/users?{query}", headers={"Authorization": witness.bearer()})
            assert answer.status_code == 422
        witness.is_kept()


class TestWebhooks:
    def test_good_and_bad(self, witness: Witness) -> None:
        ada = user_data("user_ada", email=ADA)
        assert witness.deliver("user.updated", ada, forged=True) == 400
        for data in (
            user_data("user_eve", email=ADA),
            user_data("user_eve", email=EVE, external_id=ADA),
            {**ada, "updated_at": ADA},
            {**ada, "email_addresses": ADA},
            {**ada, "id": ADA * 20},
            {**ada, "email_addresses": [{"id": ADA, "email_address": f"{ADA}\x00"}]},
            [ADA],
            ADA,
        ):
            assert witness.deliver("user.updated", data) == 200
        witness.deliver("session.ended", session_data("user_ada", "sess_1", user=ada))
        witness.deliver("user.deleted", {"id": "user_ada", "deleted": True, "email": ADA})
        witness.is_kept()


@contextmanager
def renamed(sql: Sql, kind: str, name: str) -> Iterator[None]:
    """Away, under another name."""
    sql.rows(f"ALTER {kind} {name} RENAME TO away")
    try:
        yield
    finally:
        sql.rows(f"ALTER {kind} away RENAME TO {name}")


class TestOurTrouble:
    """What is logged of it, and told of it, holds nothing of the request nor of the row."""

    @pytest.mark.parametrize("table", list(STATUS_WITHOUT))
    def test_table_away(self, witness: Witness, own_sql: Sql, table: str) -> None:
        shown = credentials(witness, own_sql)
        with renamed(own_sql, "TABLE", table):
            for kind in LOOKED_UP:
                witness.show(shown[kind], ways=("header", "api-key"))
            impersonated = {"Authorization": witness.bearer(act={"sub": "user_support"})}
            assert witness.send("GET", "/auth/me", headers=impersonated).status_code == STATUS_WITHOUT[table]
        witness.is_kept()

    def test_database_away(self, witness: Witness, own_sql: Sql, postgres_url: str) -> None:
        shown = credentials(witness, own_sql)
        own_sql.close()
        admin = Sql(postgres_url)
        admin.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", NAME)
        with contextlib.closing(admin), renamed(admin, "DATABASE", NAME):
            for kind in LOOKED_UP:
                witness.show(shown[kind], ways=("header", "api-key"))
            assert witness.deliver("user.updated", user_data("user_ada", email=ADA)) == 503
            assert witness.send("GET", "/readyz").status_code == 503
        witness.is_kept()

    def test_key_that_the_database_refuses(self, witness: Witness, own_sql: Sql) -> None:
        own_sql.rows(f"ALTER TABLE api_keys ADD CONSTRAINT odd CHECK (name <> '{ADA}')")
        headers = {"Authorization": witness.bearer()}
        answer = witness.send("POST", "/api/keys", json=KEY | {"name": ADA}, headers=headers)
        own_sql.rows("ALTER TABLE api_keys DROP CONSTRAINT odd")
        assert answer.status_code == 503
        witness.is_kept()

    def test_bug(self, witness: Witness, own_sql: Sql) -> None:
        """A role that nobody knows, as after a hand in the database."""
        token, key = witness.bearer(), credentials(witness, own_sql)["key"]
        witness.hide(key)
        own_sql.rows("ALTER TABLE users DROP CONSTRAINT ck_users_role")
        try:
            own_sql.rows("UPDATE users SET role = 'owner'")
            for path in ("/api/users", f"/api/users?search={ADA}"):
                assert witness.send("GET", path, headers={"Authorization": token}).status_code == 500
        finally:
            own_sql.rows("UPDATE users SET role = 'user'")
            own_sql.rows(
                "ALTER TABLE users ADD CONSTRAINT ck_users_role CHECK (role IN ('user', 'developer', 'admin'))"
            )
        assert "Traceback" in witness.log()
        witness.is_kept()

    @pytest.mark.parametrize("failure", ["500", "401", "hang up", "another user", "no user"])
    def test_clerk_away(self, witness: Witness, clerk_api: ApiServer, failure: str) -> None:
        clerk_api.answer = {
            "500": answer_with({"errors": [{"code": ADA, "message": ADA}]}, 500),
            "401": answer_with({"errors": [{"code": "x", "message": CLERK_SECRET}]}, 401),
            "hang up": hang_up,
            "another user": answer_with(user_data("user_other", email=EVE)),
            "no user": answer_with({"id": EVE, "email_addresses": [EVE]}),
        }[failure]
        witness.send("GET", "/auth/me", headers={"Authorization": witness.bearer("user_new")})
        headers = {"Authorization": witness.bearer(sid="sess_1")}
        for method, path in (("GET", "/protected?session_id=sess_1"), ("POST", "/api/sessions/revoke")):
            assert witness.send(method, path, headers=headers).status_code == 503
        witness.is_kept()


class TestOddPlaces:
    def test_name_of_an_unknown_member(self, witness: Witness) -> None:
        headers = {"Authorization": witness.bearer()}
        assert witness.send("POST", "/api/keys", json=KEY | {ADA: 1}, headers=headers).status_code == 422
        witness.is_kept()

    def test_malformed_head(self, witness: Witness) -> None:
        for target in ("/auth/me\t?__session={}", "/auth/me HTTP/1.1\r\nAuthorization {}"):
            witness.send_raw(target.format(witness.bearer().removeprefix("Bearer ")), {})
        witness.is_kept()

    def test_event_without_its_table(self, witness: Witness, own_sql: Sql) -> None:
        with renamed(own_sql, "TABLE", "users"):
            assert witness.deliver("user.updated", user_data("user_ada", email=ADA)) == 503
        witness.is_kept()

    def test_row_that_the_database_refuses(self, witness: Witness, own_sql: Sql) -> None:
        """PostgreSQL repeats the failing row in its error, address and all."""
        own_sql.rows(f"ALTER TABLE users ADD CONSTRAINT odd CHECK (email <> '{EVE}')")
        try:
            status = witness.deliver("user.created", user_data("user_eve", email=EVE, first_name=EVE))
        finally:
            own_sql.rows("ALTER TABLE users DROP CONSTRAINT odd")
        assert status == 503
        witness.is_kept()
