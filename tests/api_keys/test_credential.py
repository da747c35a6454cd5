"""API keys as a credential: carriers, look-alikes and what they cost, states; `last_used_at`, for which no request
waits.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url

from backend.services.api_keys.form import KeyForm
from backend.services.api_keys.keys import note_use
from settings.development import DEVELOPMENT_PEPPER
from tests.support.api_keys import KeyOwner
from tests.support.attacks import PATH, check_refusal, forge, send_raw
from tests.support.clerk import Instance, KeyServer
from tests.support.database import Sql, holding, locked
from tests.support.server import Server

FORM = KeyForm("sk_app", DEVELOPMENT_PEPPER)
QUICK_SECONDS = 2.0  # below lock_timeout (3 s), far above a request


def another_letter(text: str, place: int) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


class TestCarriers:
    def test_bearer(self, server: Server, key: dict[str, Any]) -> None:
        assert server.get(PATH, key["key"]).json()["session"]["kind"] == "api-key"

    def test_header_beats_bearer_and_cookie(
        self, server: Server, clerk: Instance, owner: KeyOwner, stranger: KeyOwner, key: dict[str, Any]
    ) -> None:
        token = clerk.token(sub="user_other")
        for other in (
            {"Authorization": f"Bearer {token}"},
            {"Authorization": f"Bearer {forge(token)}"},
            {"Authorization": "Bearer x"},
            {"Authorization": "Basic eDp5"},
            {"Authorization": f"Bearer {stranger.create()['key']}"},
            {"Cookie": f"__session={token}"},
        ):
            answer = server.get(PATH, headers={"X-API-Key": key["key"]} | other)
            assert answer.json()["user"]["clerk_user_id"] == owner.sub, other

    @pytest.mark.parametrize("value", ["", "x", FORM.generate()], ids=["empty", "rubbish", "unknown"])
    def test_bad_header_never_falls_back(self, server: Server, clerk: Instance, sql: Sql, value: str) -> None:
        token = clerk.token(sub="user_other")
        headers = {"X-API-Key": value, "Authorization": f"Bearer {token}", "Cookie": f"__session={token}"}
        check_refusal(server.get(PATH, headers=headers), "api-key-invalid")
        assert sql.value("SELECT count(*) FROM users") == 0

    def test_two_headers(self, server: Server, owner: KeyOwner, key: dict[str, Any]) -> None:
        for second in (key["key"], owner.create()["key"], "x"):
            lines = (f"X-API-Key: {key['key']}".encode(), f"X-API-Key: {second}".encode())
            check_refusal(send_raw(server, *lines), "api-key-invalid")

    def test_other_place(self, server: Server, key: dict[str, Any]) -> None:
        for name in ("key", "api_key", "apikey", "X-API-Key", "access_token", "token"):
            check_refusal(server.get(f"{PATH}?{name}={key['key']}"), "session-token-missing")
        for line in ("X_API_Key: {}", "X-API-Key : {}", "Cookie: X-API-Key={}", "API-Key: {}"):
            assert send_raw(server, line.format(key["key"]).encode()).status_code in {400, 401}, line
        check_refusal(server.get(PATH, headers={"Cookie": f"__session={key['key']}"}), "token-invalid")

    def test_space_around_the_value_is_not_part_of_it(self, server: Server, key: dict[str, Any]) -> None:
        """RFC 9110 section 5.5."""
        assert send_raw(server, f"X-API-Key: \t {key['key']} \t".encode()).status_code == 200


class TestLookAlikes:
    CHANGES: tuple[Callable[[str], bytes], ...] = (
        lambda key: another_letter(key, 10).encode(),
        lambda key: another_letter(key, len(key) - 1).encode(),
        lambda key: key.upper().encode(),
        lambda key: key.lower().encode(),
        lambda key: f"{key[:12]} {key[12:]}".encode(),
        lambda key: f"{key[:12]}\t{key[12:]}".encode(),
        lambda key: f'"{key}"'.encode(),
        lambda key: f"Bearer {key}".encode(),
        lambda key: f"{key},".encode(),
        lambda key: f"{key}{'A' * 10_000}".encode(),
        lambda key: key.replace("s", "\u017f", 1).encode(),
        lambda key: key[:12].encode() + b"\xff" + key[13:].encode(),
        lambda key: "".join(chr(ord(letter) + 0xFEE0) for letter in key).encode(),
        lambda key: key.removeprefix("sk_app_").encode(),
        lambda key: FORM.digest(key).encode(),
        lambda key: b"sk_app_" + FORM.digest(key)[:37].encode(),
        lambda key: key.replace("sk_app", "sk_other").encode(),
    )

    @pytest.mark.usefixtures("sql")
    def test_refused_without_a_query(self, server: Server, database_url: str, key: dict[str, Any]) -> None:
        """But for the last one, which is well-formed: there the locks are met, and that is our trouble, no 401."""
        with locked(database_url, "users, api_keys"):
            for change in self.CHANGES:
                began = time.monotonic()
                sent = change(key["key"])
                check_refusal(server.get(PATH, headers={"X-API-Key": sent}), "api-key-invalid")
                assert time.monotonic() - began < QUICK_SECONDS, sent
            check_refusal(server.get(PATH, another_letter(key["key"], 10)), "api-key-invalid")
            good = server.get(PATH, headers={"X-API-Key": FORM.generate()})
            check_refusal(good, "database-unavailable", status=503)

    def test_unknown_and_other_prefix(self, server: Server) -> None:
        check_refusal(server.get(PATH, headers={"X-API-Key": FORM.generate()}), "api-key-invalid")
        other = KeyForm("sk_other", DEVELOPMENT_PEPPER).generate()
        check_refusal(server.get(PATH, headers={"X-API-Key": other}), "api-key-invalid")
        check_refusal(server.get(PATH, other), "token-invalid")

    def test_keys_of_clerk(self, refetching_server: Server, key_server: KeyServer) -> None:
        """Said without asking anybody: neither Clerk nor the database."""
        key_server.requests.clear()
        for prefix in ("ak_", "mt_", "oat_", "sk_test_", "sk_live_"):
            sent = f"{prefix}{'a1B2' * 10}"
            for headers in ({"X-API-Key": sent}, {"Authorization": f"Bearer {sent}"}):
                check_refusal(refetching_server.get(PATH, headers=headers), "token-type-mismatch")
        assert key_server.requests == []


class TestState:
    @pytest.mark.parametrize(
        ("change", "code", "status"),
        [
            ("UPDATE api_keys SET revoked_at = now()", "api-key-revoked", 401),
            ("UPDATE api_keys SET expires_at = now()", "api-key-expired", 401),
            ("UPDATE api_keys SET revoked_at = now(), expires_at = now()", "api-key-revoked", 401),
            ("UPDATE users SET banned = true", "user-banned", 403),
            ("UPDATE users SET is_active = false", "forbidden", 403),
            ("UPDATE users SET deleted_at = now()", "user-deleted", 401),
            ("UPDATE api_keys SET scopes = ARRAY['tokens:read']", "insufficient-scope", 403),
            ("UPDATE api_keys SET scopes = ARRAY['profile:read:all', 'admin']", "insufficient-scope", 403),
            ("DELETE FROM api_keys", "api-key-invalid", 401),
        ],
    )
    def test_counts_at_once(
        self, owner: KeyOwner, key: dict[str, Any], sql: Sql, change: str, code: str, status: int
    ) -> None:
        assert owner.use(key).status_code == 200
        sql.rows(change)
        check_refusal(owner.use(key), code, status=status)

    def test_future_expiry(self, owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
        sql.rows("UPDATE api_keys SET expires_at = now() + interval '1 minute'")
        assert owner.use(key).status_code == 200


def last_used(sql: Sql) -> Any:
    return sql.value("SELECT last_used_at FROM api_keys")


def use(owner: KeyOwner, key: dict[str, Any]) -> None:
    """The key works, at once, whatever becomes of the note."""
    began = time.monotonic()
    assert owner.use(key).status_code == 200
    assert time.monotonic() - began < QUICK_SECONDS


def test_once_a_minute(owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
    assert last_used(sql) is None
    use(owner, key)
    first = last_used(sql)
    assert first is not None
    use(owner, key)
    assert last_used(sql) == first
    for seconds, is_noted in ((50, False), (70, True)):
        set_back = sql.value(
            f"UPDATE api_keys SET last_used_at = now() - interval '{seconds} s' RETURNING last_used_at"
        )
        use(owner, key)
        assert (last_used(sql) != set_back) is is_noted


@pytest.mark.parametrize("lock", ["SELECT FROM api_keys FOR UPDATE", "LOCK TABLE api_keys IN SHARE MODE"])
def test_waits_for_no_lock(owner: KeyOwner, key: dict[str, Any], sql: Sql, database_url: str, lock: str) -> None:
    with holding(database_url, lock):
        use(owner, key)
    assert last_used(sql) is None


def test_written_once_by_two_who_both_found_it_due(key: dict[str, Any], sql: Sql, database_url: str) -> None:
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    times = []
    for _ in range(2):
        with engine.begin() as connection:
            note_use(connection, key["key_id"])
        times.append(last_used(sql))
    engine.dispose()
    assert times[0] is not None
    assert times[0] == times[1]


def test_may_fail(owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
    sql.rows("ALTER TABLE api_keys ADD CONSTRAINT never_used CHECK (last_used_at IS NULL)")
    try:
        use(owner, key)
    finally:
        sql.rows("ALTER TABLE api_keys DROP CONSTRAINT never_used")
    assert last_used(sql) is None
    log = owner.server.log.read_text()
    assert f"The use of API key {key['key_id']} was not noted" in log
    assert key["key"][7:] not in log


def test_not_of_a_refused_key(owner: KeyOwner, key: dict[str, Any], sql: Sql) -> None:
    owner.revoke(key)
    check_refusal(owner.use(key), "api-key-revoked")
    assert last_used(sql) is None
