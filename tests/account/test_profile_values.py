"""PATCH /api/me: which values are taken, and that they are stored as they are."""

from typing import Any

import pytest

from tests.support.admins import add_user
from tests.support.api_keys import is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

ROW = "SELECT * FROM users"
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
BIOS: list[Any] = [
    *("", "x" * 2_001, "a\x00", "a\tb", "a\r\nb", "\x1b[31m", "\x7f", "\x85", "\u202e"),
    *(1, [], {}),
]
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
LINKS: list[Any] = [
    *([], "https://x.com/ada", 1, True, [["x", "https://x.com/ada"]]),
    *({"x": "http://x.com/ada"}, {"x": "@ada"}, {"x": ""}, {"x": None}, {"x": 1}, {"x": {}}),
    *({"x": "javascript:alert(1)"}, {"x": "https://a:b@x.com"}, {"x": "https://e.com/" + "x" * 287}),
    *({"x": "https://x.com:99999"}, {"myspace": SITE}, {"X": SITE}, {"": SITE}),
    *({"x": SITE, "__proto__": SITE}, dict.fromkeys(ELEVEN, SITE)),
]
REFUSED: list[dict[str, Any]] = [
    {},
    *({"bio": bio} for bio in BIOS),
    *({"website": url} for url in WEBSITES),
    *({"social_links": links} for links in LINKS),
]


def name(body: dict[str, Any]) -> str:
    return repr(body)[:60]


@pytest.fixture
def token(clerk: Instance, sql: Sql) -> str:
    add_user(sql, clerk_user_id="user_1", bio="old")
    return clerk.token(sub="user_1")


@pytest.mark.parametrize("body", TAKEN, ids=name)
def test_stored_as_it_is(server: Server, sql: Sql, token: str, body: dict[str, Any]) -> None:
    (member,) = body
    answer = server.request("PATCH", "/api/me", token, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["user"][member] == sql.row(ROW)[member] == body[member]


@pytest.mark.parametrize("body", REFUSED, ids=name)
def test_refused(server: Server, sql: Sql, token: str, body: dict[str, Any]) -> None:
    before = sql.row(ROW)
    answer = server.request("PATCH", "/api/me", token, json=body)
    assert is_problem(answer, 422, "validation")["errors"]
    assert sql.row(ROW) == before


@pytest.mark.parametrize(
    "body", [{"social_links": {"sk_app_Secret1": "x"}}, {"sk_app_Secret1": "x"}, {"bio": ["sk_app_Secret1"]}]
)
def test_a_secret_in_the_wrong_place(server: Server, token: str, body: dict[str, Any]) -> None:
    answer = server.request("PATCH", "/api/me", token, json=body)
    is_problem(answer, 422, "validation")
    assert "Secret" not in answer.text
