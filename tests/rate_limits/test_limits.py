"""Who is refused how soon, and who never: the application in this process, counting in this process."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from backend.access.policy import PUBLIC, limits_of, policies_of, require_auth
from backend.access.rate_limits import _quota
from backend.container import current_services
from backend.services.rate_limits import table
from backend.services.rate_limits.counters import WINDOW_SECONDS
from backend.services.rate_limits.table import Group, Row, amount
from tests.rate_limits.clients import HOME, Client
from tests.support.clerk import Instance
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.rate_limits import PAGE, page_with_table

GONE = "/api/keys/1"  # no such key: 404
BAD = {"Authorization": "Bearer nonsense"}

MakeClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that few requests reach them."""
    small = {group: Row(*(limit and 2 + limit // 20 for limit in row)) for group, row in table.LIMITS.items()}
    monkeypatch.setattr(table, "LIMITS", small)
    _quota.cache_clear()
    yield
    _quota.cache_clear()


@pytest.fixture
def make_client(
    settings: dict[str, str],
    clerk: Instance,
    sql: Sql,  # noqa: ARG001 - the tables are to be empty
) -> MakeClient:
    """A client of an application of its own, where nothing is counted yet."""

    def make(**changes: str) -> Client:
        own = {**settings, "RATE_LIMITS": "on", **changes}
        return Client(make_app({name: value for name, value in own.items() if value}), clerk)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client()


def is_limited(answer: TestResponse, group: Group) -> bool:
    """Whether this is a 429 of that group; all that belongs to one is there, then."""
    if answer.status_code != 429:
        return False
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["code"] == "rate-limited"
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 2 * WINDOW_SECONDS
    assert answer.headers["RateLimit"].startswith(f'"{group}";r=0;t=')
    return True


class TestUser:
    def test_one_more_than_the_limit(self, client: Client) -> None:
        limit = amount(Group.KEYS, "free")
        first = client.send(GONE, user="user_1", method="DELETE")
        assert first.headers["RateLimit-Policy"] == f'"keys";q={limit};w={WINDOW_SECONDS}'
        name, left, reset = first.headers["RateLimit"].split(";")
        assert (name, left) == ('"keys"', f"r={limit - 1}")
        assert 0 <= int(reset.removeprefix("t=")) <= WINDOW_SECONDS
        assert client.statuses(limit - 1, GONE, user="user_1", method="DELETE") == {404: limit - 1}
        assert is_limited(client.send(GONE, user="user_1", method="DELETE"), Group.KEYS)

    def test_others_and_other_groups_go_on(self, client: Client) -> None:
        client.spend(Group.KEYS, GONE, "free", user="user_1", method="DELETE")
        assert client.send(GONE, user="user_1", method="DELETE").status_code == 429
        assert client.send(GONE, user="user_2", method="DELETE").status_code == 404
        assert client.send("/api/keys", user="user_1").status_code == 200

    def test_all_credentials_share(self, client: Client) -> None:
        """From wherever they come: neither another session, nor a key, nor another address gives more."""
        made = client.send(
            "/api/keys", user="user_1", method="POST", json={"name": "k", "scopes": ["tokens:spend", "tokens:read"]}
        )
        key = {"X-API-Key": made.get_json()["key"]}
        spend: dict[str, Any] = {"path": "/api/tokens/consume", "method": "POST", "json": {"amount": 0}}
        limit = amount(Group.WRITE, "free")
        elsewhere = replace(client, address="203.0.113.9")
        assert 429 not in client.statuses(limit // 2, user="user_1", **spend)
        assert 429 not in elsewhere.statuses(limit - limit // 2, headers=key, **spend)
        assert is_limited(client.send(user="user_1", **spend), Group.WRITE)
        assert is_limited(client.send(headers=key, **spend), Group.WRITE)

    @pytest.mark.parametrize("plan", ["free", "pro", "enterprise"])
    def test_by_plan(self, client: Client, sql: Sql, plan: str) -> None:
        client.send(user="user_1")
        sql.rows("UPDATE subscriptions SET plan = %s", plan)
        answer = client.send(user="user_1")
        assert answer.headers["RateLimit-Policy"] == f'"read";q={amount(Group.READ, plan)};w={WINDOW_SECONDS}'

    def test_what_is_forbidden_counts(self, client: Client) -> None:
        assert client.spend(Group.WRITE, "/api/users/1/ban", "free", user="user_1", method="POST").keys() == {403}
        assert is_limited(client.send("/api/users/1/ban", user="user_1", method="POST"), Group.WRITE)

    def test_live_checks(self, client: Client) -> None:
        """Without CLERK_SECRET_KEY: 503. Only those that Clerk would be asked about count."""
        session = {"Authorization": f"Bearer {client.clerk.token(sub='user_1', sid='sess_1')}"}
        path = "/protected?session_id=sess_1"
        assert client.spend(Group.LIVE, path, "free", headers=session).keys() == {503}
        assert is_limited(client.send(path, headers=session), Group.LIVE)
        assert client.send("/protected", user="user_1").status_code == 200

    def test_refused_count_is_there_for_metrics(self, client: Client) -> None:
        client.spend(Group.KEYS, GONE, "free", user="user_1", method="DELETE")
        client.statuses(3, GONE, user="user_1", method="DELETE")
        with client.app.app_context():
            limiter = current_services().rate_limiter
        assert limiter is not None
        assert limiter.refused == {Group.KEYS: 3}


class TestRefusedCredential:
    @pytest.mark.parametrize("headers", [BAD, {}, {"X-API-Key": "sk_app_nonsense"}], ids=["token", "none", "key"])
    def test_429_instead_of_401(self, client: Client, headers: dict[str, str]) -> None:
        client.send(user="user_1")
        assert client.spend(Group.REFUSED, "/auth/me", headers=headers).keys() == {401}
        assert is_limited(client.send(headers=headers), Group.REFUSED)
        assert client.send(user="user_1").status_code == 200, "a neighbour was refused"
        assert replace(client, address="198.51.100.8").send(headers=headers).status_code == 401

    def test_of_a_banned_user(self, client: Client, sql: Sql) -> None:
        client.send(user="user_1")
        sql.rows("UPDATE users SET banned = true")
        assert client.spend(Group.REFUSED, "/auth/me", user="user_1").keys() == {403}
        assert is_limited(client.send(user="user_1"), Group.REFUSED)

    def test_on_every_path(self, client: Client) -> None:
        paths = ["/auth/me", "/api/campaigns", "/api/keys", "/api/tokens", "/api/users"]
        for number in range(amount(Group.REFUSED, None)):
            assert client.send(paths[number % len(paths)], headers=BAD).status_code == 401
        assert {client.send(path, headers=BAD).status_code for path in paths} == {429}

    def test_our_own_trouble_is_not_counted(self, make_client: MakeClient, tmp_path: Path) -> None:
        """A 503 is nobody's fault."""
        nowhere = {"CLERK_JWKS_URL": "http://127.0.0.1:9/keys", "CLERK_JWKS_DIR": str(tmp_path)}
        client = make_client(CLERK_JWT_KEY="", **nowhere)
        count = amount(Group.REFUSED, None) + 1
        assert client.statuses(count, user="user_1").keys() == {503}
        assert client.send().status_code == 401

    def test_demanded_by_a_view_on_a_public_blueprint(self, client: Client) -> None:
        demand_caller(client.app)
        assert client.spend(Group.REFUSED, "/here", headers=BAD).keys() == {401}
        assert is_limited(client.send("/here", headers=BAD), Group.REFUSED)
        answer = client.send("/here", user="user_1")
        assert (answer.status_code, answer.headers["RateLimit-Policy"].split(";")[1]) == (
            200,
            f"q={amount(Group.READ, 'free')}",
        )


def demand_caller(app: Flask) -> None:
    app.add_url_rule("/here", "here", require_auth(lambda: "here"))
    policies_of(app)["here"] = PUBLIC


class TestAddress:
    def test_public_page(self, client: Client) -> None:
        assert client.spend(Group.READ, "/openapi.json").keys() == {200}
        assert is_limited(client.send("/openapi.json"), Group.READ)
        assert client.send("/openapi.json", user="user_1").status_code == 200, "a neighbour was refused"
        assert is_limited(client.send("/openapi.json", headers=BAD), Group.READ)

    def test_invented_forwarding_does_not_help(self, client: Client) -> None:
        for number in range(amount(Group.REFUSED, None)):
            client.send(headers=BAD | {"X-Forwarded-For": f"203.0.113.{number % 250}"})
        assert client.send(headers=BAD | {"X-Forwarded-For": "192.0.2.1"}).status_code == 429

    def test_behind_a_proxy(self, make_client: MakeClient) -> None:
        """The proxy adds the last address; what stands before it is the client's invention."""
        client = make_client(TRUSTED_PROXIES="1")
        for number in range(amount(Group.REFUSED, None)):
            client.send(headers=BAD | {"X-Forwarded-For": f"203.0.113.{number % 250}, {HOME}"})
        assert client.send(headers=BAD | {"X-Forwarded-For": f"192.0.2.1, {HOME}"}).status_code == 429
        assert client.send(headers=BAD | {"X-Forwarded-For": f"{HOME}, 192.0.2.1"}).status_code == 401

    def test_ipv6_counts_by_network(self, client: Client) -> None:
        for number in range(amount(Group.REFUSED, None)):
            replace(client, address=f"2001:db8:1:2:{number:x}::1").send(headers=BAD)
        for address, expected in {
            "2001:db8:1:2::": 429,
            "2001:db8:1:2:ffff:ffff:ffff:ffff": 429,
            "2001:db8:1:3::1": 401,
            "::ffff:198.51.100.7": 401,
            "nonsense:": 401,
            "": 401,
        }.items():
            assert replace(client, address=address).send(headers=BAD).status_code == expected, address

    def test_an_ipv4_address_in_ipv6_is_the_same(self, client: Client) -> None:
        client.spend(Group.REFUSED, "/auth/me", headers=BAD)
        assert replace(client, address=f"::ffff:{HOME}").send(headers=BAD).status_code == 429

    def test_users_never_seen(self, client: Client) -> None:
        limit = amount(Group.NEW_USERS, None)
        for number in range(limit):
            assert client.send(user=f"user_{number}").status_code == 200
        assert is_limited(client.send(user="user_new"), Group.NEW_USERS)
        assert client.send(user="user_7").status_code == 200
        assert replace(client, address="198.51.100.8").send(user="user_new").status_code == 200


UNLIMITED = {"health", "webhooks", "inngest", "metrics"}


class TestNeverLimited:
    def test_are_those(self, client: Client) -> None:
        assert {name for name, limit in limits_of(client.app).items() if limit is None} == UNLIMITED

    @pytest.mark.parametrize(
        ("path", "method", "status"),
        [("/healthz", "GET", 200), ("/api/webhooks", "POST", 400), ("/auth/me", "OPTIONS", 200)],
    )
    def test_burst(self, client: Client, path: str, method: str, status: int) -> None:
        count = max(amount(Group.READ, None), amount(Group.WRITE, None), amount(Group.REFUSED, None)) + 1
        assert client.statuses(count, path, method=method) == {status: count}
        assert "RateLimit" not in client.send(path, method=method).headers

    def test_off(self, make_client: MakeClient) -> None:
        client = make_client(RATE_LIMITS="off")
        count = amount(Group.KEYS, "free") + 1
        assert client.statuses(count, GONE, user="user_1", method="DELETE") == {404: count}
        assert "RateLimit" not in client.send().headers


def test_the_table_names_every_group() -> None:
    assert set(table.LIMITS) == set(Group)


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text()
    assert page == page_with_table(page), "run: python -m tests.support.rate_limits"
