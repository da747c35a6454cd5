"""Tokens of the application as it was before Clerk, over HTTP: how long they live, and beside Clerk's."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import jwt
import pytest
import requests

from tests.support.attacks import check_refusal, forge
from tests.support.clerk import Instance, KeyServer
from tests.support.database import Sql
from tests.support.fixtures import StartApp
from tests.support.legacy_tokens import LEGACY_SECRET, found, me, sign
from tests.support.legacy_users import ADDRESS, add_user
from tests.support.rows import all_rows
from tests.support.server import Server

ISSUER, AUDIENCE = "https://old.example.com", "old-clients"
FRONTEND = "https://app.example.com"
SUNSET = "2099-03-01T12:00:00+02:00"
OTHER_SECRET = LEGACY_SECRET[::-1]


@pytest.fixture(scope="module")
def keys(clerk: Instance) -> Iterator[KeyServer]:
    with KeyServer(clerk.jwk) as running:
        yield running


@pytest.fixture(scope="module")
def start(start_app: StartApp, keys: KeyServer) -> StartApp:
    """An application that asks for Clerk's keys anew for each token that needs one: a fetch can be seen."""
    own = {"CLERK_JWT_KEY": "", "CLERK_JWKS_URL": keys.url, "CLERK_JWKS_TTL": "0", "CORS_ORIGINS": FRONTEND}
    return partial(start_app, **own)


@pytest.fixture(scope="module")
def plain(start: StartApp) -> Server:
    return start(LEGACY_JWT_SECRET=LEGACY_SECRET)


@pytest.fixture(scope="module")
def strict(start: StartApp) -> Server:
    """One issuer, one audience, and an end that is known."""
    parties = {"LEGACY_JWT_ISSUER": ISSUER, "LEGACY_JWT_AUDIENCE": AUDIENCE}
    return start(LEGACY_JWT_SECRET=LEGACY_SECRET, LEGACY_JWT_SUNSET=SUNSET, **parties)


@pytest.fixture(scope="module")
def late(start: StartApp) -> Server:
    return start(LEGACY_JWT_SECRET=LEGACY_SECRET, LEGACY_JWT_SUNSET="2026-01-01")


@pytest.fixture(scope="module")
def off(start: StartApp) -> Server:
    return start()


@pytest.fixture
def user_id(sql: Sql) -> int:
    return add_user(sql)


PARTIES: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE}


class TestIssuerAndAudience:
    def test_good(self, strict: Server, user_id: int) -> None:
        for audience in (AUDIENCE, ["x", AUDIENCE]):
            assert found(strict, sub=user_id, iss=ISSUER, aud=audience) == user_id

    def test_wrong(self, strict: Server, user_id: int) -> None:
        """The rest is asked of `verify_legacy` alone, in test_claims.py."""
        for issuer in (ISSUER + "/", None, ...):
            check_refusal(me(strict, sub=user_id, iss=issuer, aud=AUDIENCE), "token-invalid-issuer")
        others: tuple[object, ...] = ("x", [], None, ...)
        for audience in others:
            check_refusal(me(strict, sub=user_id, iss=ISSUER, aud=audience), "token-invalid-audience")

    def test_not_looked_at_where_unset(self, plain: Server, user_id: int) -> None:
        assert found(plain, sub=user_id, iss="anybody", aud="x") == user_id


class TestAge:
    def test_limit(self, plain: Server, start: StartApp, user_id: int) -> None:
        now, day = int(time.time()), 86_400
        assert found(plain, sub=user_id, iat=now - 30 * day + 60, exp=now + 9_999 * day) == user_id
        check_refusal(me(plain, sub=user_id, iat=now - 30 * day - 1, exp=now + 60), "token-expired")
        short = start(LEGACY_JWT_SECRET=LEGACY_SECRET, LEGACY_JWT_MAX_AGE="3600")
        assert found(short, sub=user_id, iat=now - 3_500, exp=now + day) == user_id
        check_refusal(me(short, sub=user_id, iat=now - 3_601, exp=now + day), "token-expired")


class TestLoggedOut:
    """Before Clerk, by the old application; migration 012 brought the entry here."""

    @pytest.fixture(autouse=True)
    def _entry(self, sql: Sql) -> None:
        sql.rows("INSERT INTO revoked_sessions (session_id, expires_at) VALUES ('jti:gone', now() + interval '1 d')")

    def test_token(self, plain: Server, user_id: int) -> None:
        check_refusal(me(plain, sub=user_id, jti="gone"), "session-revoked")
        for other in ("Gone", "gon", "", "jti:gone", "'; --", ...):
            assert found(plain, sub=user_id, jti=other) == user_id

    def test_token_that_names_an_address(self, start: StartApp, user_id: int) -> None:
        by_address = start(LEGACY_JWT_SECRET=LEGACY_SECRET, LEGACY_JWT_EMAIL_CLAIM="mail")
        assert found(by_address, mail=ADDRESS, jti="on") == user_id
        check_refusal(me(by_address, mail=ADDRESS, jti="gone"), "session-revoked")

    def test_session_of_clerk(self, plain: Server, clerk: Instance) -> None:
        """The two kinds of ids do not meet."""
        assert plain.get("/auth/me", clerk.token(sid="gone")).status_code == 200

    def test_unusable(self, plain: Server, user_id: int) -> None:
        for jti in (None, 7, True, ["gone"], {"jti": "gone"}, "gone\x00", "\ud800"):
            check_refusal(me(plain, sub=user_id, jti=jti), "token-invalid-claims")


def is_announced(answer: requests.Response) -> bool:
    """Whether both headers are there; one alone would be wrong."""
    there = {name for name in ("Deprecation", "Sunset") if name in answer.headers}
    assert there in (set(), {"Deprecation", "Sunset"})
    return bool(there)


class TestSunsetToCome:
    def test_is_announced(self, strict: Server, user_id: int) -> None:
        """RFC 9745: a date as an integer after @, not after the sunset. RFC 8594: an HTTP date, in GMT."""
        answer = me(strict, sub=user_id, **PARTIES)
        since = answer.headers["Deprecation"]
        assert (since[0], since[1:].isdigit()) == ("@", True)
        assert int(since[1:]) <= time.time()
        assert answer.headers["Sunset"] == "Sun, 01 Mar 2099 10:00:00 GMT"

    def test_is_announced_with_a_refusal(self, strict: Server, user_id: int) -> None:
        """The token is good, the route is not for it."""
        answer = strict.get("/api/keys", sign(sub=user_id, **PARTIES))
        check_refusal(answer, "forbidden", status=403)
        assert is_announced(answer)

    def test_to_nobody_else(self, strict: Server, clerk: Instance, user_id: int) -> None:
        bad = sign(sub=user_id, iss="x", aud=AUDIENCE)
        for token in (None, clerk.token(), bad, forge(sign(sub=user_id, **PARTIES)), "x"):
            assert not is_announced(strict.get("/auth/me", token))
        assert not is_announced(strict.get("/healthz", sign(sub=user_id, **PARTIES)))

    def test_a_page_may_read_it(self, strict: Server, user_id: int) -> None:
        headers = {"Origin": FRONTEND}
        answer = strict.get("/auth/me", sign(sub=user_id, **PARTIES), headers=headers)
        exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
        assert {"deprecation", "sunset"} <= exposed
        assert is_announced(answer)

    def test_without_one_nothing_is_announced(self, plain: Server, user_id: int) -> None:
        assert not is_announced(me(plain, sub=user_id))

    def test_comes_while_the_server_runs(self, start: StartApp, user_id: int) -> None:
        end = datetime.now(UTC) + timedelta(seconds=2)
        running = start(LEGACY_JWT_SECRET=LEGACY_SECRET, LEGACY_JWT_SUNSET=end.isoformat())
        token = sign(sub=user_id)
        assert running.get("/auth/me", token).status_code == 200
        while datetime.now(UTC) < end:
            time.sleep(0.05)
        check_refusal(running.get("/auth/me", token), "legacy-token-retired")


class TestSunsetPast:
    def test_retired(self, late: Server, sql: Sql, user_id: int) -> None:
        before = all_rows(sql)
        check_refusal(me(late, sub=user_id), "legacy-token-retired")
        assert all_rows(sql) == before

    def test_only_a_good_token_learns_that(self, late: Server, user_id: int) -> None:
        check_refusal(late.get("/auth/me", forge(sign(sub=user_id))), "token-invalid-signature")
        check_refusal(me(late, sub=user_id, exp=1), "token-expired")

    def test_clerk_goes_on(self, late: Server, clerk: Instance, user_id: int) -> None:  # noqa: ARG002
        assert late.get("/auth/me", clerk.token()).status_code == 200


class TestBesideClerk:
    def test_off(self, off: Server, sql: Sql, user_id: int) -> None:
        before = all_rows(sql)
        check_refusal(me(off, sub=user_id), "token-invalid-algorithm")
        assert all_rows(sql) == before

    def test_clerk_tokens_are_as_before(self, plain: Server, clerk: Instance, sql: Sql) -> None:
        token = clerk.token(sub="user_1")
        assert plain.get("/auth/me", token).json()["session"]["kind"] == "clerk"
        assert sql.user("user_1")["provisioned_by"] == "request"
        check_refusal(plain.get("/auth/me", forge(token)), "token-invalid-signature")
        check_refusal(plain.get("/auth/me", clerk.token(exp=1)), "token-expired")
        stranger = Instance()
        check_refusal(plain.get("/auth/me", stranger.token()), "jwk-kid-mismatch")

    def test_not_in_the_cookie(self, plain: Server, user_id: int) -> None:
        """The cookie is Clerk's place."""
        answer = plain.get("/auth/me", headers={"Cookie": f"__session={sign(sub=user_id)}"})
        check_refusal(answer, "token-invalid-algorithm")

    def test_never_costs_a_fetch_of_clerks_keys(
        self, plain: Server, off: Server, late: Server, keys: KeyServer, clerk: Instance, user_id: int
    ) -> None:
        good = sign(sub=user_id)
        wrong = jwt.encode({"sub": "1", "exp": 4_000_000_000}, OTHER_SECRET, "HS256")
        marked = jwt.encode({"sub": "1", "iss": clerk.issuer}, OTHER_SECRET, "HS256", {"kid": clerk.kid})
        unknown = jwt.encode({"sub": "1"}, OTHER_SECRET, "HS256", {"kid": "unknown", "cat": "cl_B7d4PD111AAA"})
        before = len(keys.requests)
        for server in (plain, off, late):
            for token in (good, forge(good), wrong, marked, unknown, sign(sub=4711), sign(exp=1)):
                server.get("/auth/me", token)
        assert len(keys.requests) == before
        assert plain.get("/auth/me", clerk.token()).status_code == 200
        assert len(keys.requests) > before
