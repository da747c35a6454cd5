"""PATCH /api/me: what users change of their own profile, and nothing else (SECURITY A-02); which values are taken."""

from threading import Thread
from typing import Any

import psycopg2
import pytest
import requests

from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.api_keys import at
from tests.support.caller import Caller, is_problem
from tests.support.clerk import Instance, user_data
from tests.support.database import BLOCKED, Sql
from tests.support.server import Server
from tests.support.waiting import wait_for

ROW = "SELECT * FROM users WHERE clerk_user_id = 'user_1'"
LINKS = {"github": "https://github.com/ada", "mastodon": "https://mastodon.social/@ada"}
FULL = {"bio": "First line\nsecond line", "website": "https://example.com/~ada?x=1#me", "social_links": LINKS}


MARKUP = "<script>alert('1')</script> {{ 7*7 }} %s \\ ' \" ; DROP TABLE users --"
ELEVEN = (
    *("bluesky", "discord", "facebook", "github", "gitlab", "instagram"),
    *("linkedin", "mastodon", "threads", "tiktok", "twitch"),
)
SITE = "https://example.com"

TAKEN: list[dict[str, Any]] = [
    {"bio": MARKUP},
    {"bio": "x" * 2_000},
    {"bio": "\n  spaces stay  \n"},
    {"bio": "Ünïcödé 🎟️ 日本語"},
    {"website": "http://example.com"},
    {"website": "https://xn--bcher-kva.example:8443/a/b;c=1?q=%20&r=@#top"},
    {"website": "https://192.0.2.1/"},
    {"website": "https://example.com?a"},
    {"website": "https://e.com/" + "x" * 486},
    {"social_links": {"youtube": "https://www.youtube.com/@ada"}},
    {"social_links": {"x": "https://e.com/" + "x" * 286}},
    {"social_links": {"github": "https://e.com/'onmouseover='alert(1)"}},
    {"social_links": dict.fromkeys(ELEVEN[1:], SITE)},
]
BIOS: list[Any] = [*("", "x" * 2_001, "a\x00", "a\tb", "a\r\nb", "\x1b[31m", "\x7f", "\x85", "\u202e"), *(1, [], {})]
WEBSITES: list[Any] = [
    *("", "example.com", "//example.com", "https://", "https:///x", "https:example.com"),
    *("ftp://example.com", "javascript:alert(1)", "data:text/html,x", "HTTPS://example.com"),
    *("https://ada@example.com", "https://ada:secret@example.com", "https://:@example.com"),
    *("https://example.com\\@evil.example", "https://example.com:99999", "https://example.com:x"),
    *("https://-example.com", "https://a..b", "https://.com", "https://[::1"),
    *("https://example.com/a b", "https://example.com/\n", "https://example.com\n", " https://a.b"),
    *('https://example.com/"><script>', "https://bücher.example", "https://exa\u200bmple.com"),
    *("https://e.com/" + "x" * 487, 1, [SITE], True),
]
BROKEN_LINKS: list[Any] = [
    *([], "https://x.com/ada", 1, True, [["x", "https://x.com/ada"]]),
    *({"x": "http://x.com/ada"}, {"x": "@ada"}, {"x": ""}, {"x": None}, {"x": 1}, {"x": {}}),
    *({"x": "javascript:alert(1)"}, {"x": "https://a:b@x.com"}, {"x": "https://e.com/" + "x" * 287}),
    *({"x": "https://x.com:99999"}, {"myspace": SITE}, {"X": SITE}, {"": SITE}),
    *({"x": SITE, "__proto__": SITE}, dict.fromkeys(ELEVEN, SITE)),
]
WRONG_VALUES: list[dict[str, Any]] = [
    {},
    *({"bio": bio} for bio in BIOS),
    *({"website": url} for url in WEBSITES),
    *({"social_links": links} for links in BROKEN_LINKS),
]


@pytest.fixture(autouse=True)
def ada(sql: Sql) -> int:
    return add_user(sql, clerk_user_id="user_1", email="ada@example.com", bio="old", updated_at="2020-01-01Z")


@pytest.fixture
def token(clerk: Instance) -> str:
    return clerk.token(sub="user_1")


def patch(server: Server, token: str | None, body: object, **options: Any) -> requests.Response:
    return server.request("PATCH", "/api/me", token, json=body, **options)


class TestChange:
    def test_key(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """A key that may write the profile may read it, too: the answer to what it wrote shows all of it."""
        key = Caller(server, clerk).make_key("profile:write")
        answer = patch(server, None, {"bio": "new"}, headers=key)
        assert (answer.status_code, answer.json()["user"]["bio"]) == (200, "new")
        assert sql.row(ROW)["bio"] == "new"
        assert server.get("/api/me", headers=key).json()["user"]["bio"] == "new"

    def test_nowhere_else(self, server: Server, token: str) -> None:
        is_problem(server.request("PATCH", "/auth/me", token, json=FULL), 405, "method-not-allowed")

    def test_all_of_it(self, server: Server, sql: Sql, token: str) -> None:
        before = sql.row(ROW)
        answer = patch(server, token, FULL)
        assert answer.status_code == 200
        after = sql.row(ROW)
        assert after["updated_at"] > before["updated_at"]
        assert after == before | FULL | {"updated_at": after["updated_at"]}
        shown = answer.json()["user"]
        assert {name: shown[name] for name in FULL} == FULL
        assert at(shown["updated_at"]) == after["updated_at"]

    def test_answers_what_get_answers(self, server: Server, token: str) -> None:
        changed = patch(server, token, FULL)
        read = server.get("/api/me", token)
        # `api_requests` is counted behind the back of both.
        bodies = [answer.json() | {"usage": None} for answer in (changed, read)]
        assert bodies[0] == bodies[1]
        assert changed.headers["Content-Type"] == read.headers["Content-Type"]

    @pytest.mark.parametrize(("name", "empty"), [("bio", None), ("website", None), ("social_links", {})])
    def test_one_leaves_the_others(self, server: Server, sql: Sql, token: str, name: str, empty: object) -> None:
        """Set or cleared; links are replaced as a whole."""
        before = sql.row(ROW)
        assert patch(server, token, {name: FULL[name]}).status_code == 200
        after = sql.row(ROW)
        assert after == before | {name: FULL[name], "updated_at": after["updated_at"]}
        other = {"social_links": {"x": "https://x.com/ada"}}
        for body, expected in (({name: None}, {name: empty}), (other, other), ({"social_links": {}},) * 2):
            patch(server, token, FULL)
            assert patch(server, token, body).status_code == 200
            after = sql.row(ROW)
            assert {member: after[member] for member in FULL} == FULL | expected

    @pytest.mark.parametrize("body", [FULL, {"bio": FULL["bio"]}, {"social_links": dict(reversed(LINKS.items()))}])
    def test_nothing_new(self, server: Server, sql: Sql, token: str, body: dict[str, Any]) -> None:
        patch(server, token, FULL)
        before = sql.row(ROW)
        answer = patch(server, token, body)
        assert at(answer.json()["user"]["updated_at"]) == before["updated_at"]
        assert sql.row(ROW) == before

    def test_a_profile_of_clerk_leaves_it(self, server: Server, deliver: Deliver, sql: Sql, token: str) -> None:
        patch(server, token, FULL)
        deliver("user.updated", user_data("user_1", first_name="Ada"))
        after = sql.row(ROW)
        assert {name: after[name] for name in ("first_name", *FULL)} == FULL | {"first_name": "Ada"}

    def test_at_the_same_moment(self, server: Server, sql: Sql, token: str, database_url: str) -> None:
        """Another change is not committed yet: it is waited for, and not undone."""
        connection = psycopg2.connect(database_url)
        connection.cursor().execute("UPDATE users SET bio = 'another'")

        def commit() -> None:
            wait_for(lambda: sql.rows(BLOCKED))
            connection.commit()
            connection.close()

        other = Thread(target=commit)
        other.start()
        answer = patch(server, token, {"website": FULL["website"]})
        other.join()
        assert (answer.json()["user"]["bio"], sql.row(ROW)["bio"]) == ("another", "another")


WRONG_MEMBERS: dict[str, Any] = (
    {"user_id": 2, "id": 2, "clerk_user_id": "user_2", "external_id": "2", "email": "eve@example.com"}
    | {"email_verified": True, "username": "eve", "first_name": "Eve", "last_name": "Eve"}
    | {"image_url": "https://evil.example", "role": "admin", "plan": "enterprise", "is_active": True}
    | {"banned": False, "locked": False, "created_at": "2020-01-01T00:00:00Z", "updated_at": None}
    | {"deleted_at": None, "tokens_limit": 10**9, "quota": 1, "usage": {}, "subscription": {"plan": "pro"}}
    | {"Bio": "new", "user": {"bio": "new"}, "": 1, "__class__": 1}
)


def test_mass_assignment(server: Server, sql: Sql, token: str) -> None:
    """A member that is Clerk's or ours changes nothing, nor does its company."""
    joined = "users u JOIN subscriptions s USING (user_id) JOIN usage_metrics USING (user_id)"
    tables = f"SELECT u.*, s.*, tokens_limit FROM {joined}"
    before = sql.rows(tables)
    for name, value in WRONG_MEMBERS.items():
        for body in ({name: value}, {"bio": "new", name: value}):
            assert is_problem(patch(server, token, body), 422, "validation")["errors"], name
            assert sql.rows(tables) == before


def test_values_are_stored_as_they_are(server: Server, sql: Sql, token: str) -> None:
    for body in TAKEN:
        (member,) = body
        answer = patch(server, token, body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["user"][member] == sql.row(ROW)[member] == body[member]


def test_wrong_values(server: Server, sql: Sql, token: str) -> None:
    before = sql.row(ROW)
    for body in WRONG_VALUES:
        assert is_problem(patch(server, token, body), 422, "validation")["errors"], body
        assert sql.row(ROW) == before, body


def test_a_secret_in_the_wrong_place(server: Server, token: str) -> None:
    secret = "sk_app_Secret1"
    for body in ({"social_links": {secret: "x"}}, {secret: "x"}, {"bio": [secret]}):
        answer = patch(server, token, body)
        is_problem(answer, 422, "validation")
        assert "Secret" not in answer.text
