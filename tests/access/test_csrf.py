"""A-07: what a foreign page makes a browser send with the session cookie changes nothing, and GET never does."""

from typing import Any, NamedTuple

import pytest
import requests

from tests.access.conftest import ADMIN, FRONTEND, SESSION
from tests.support.admins import add_user
from tests.support.attacks import check_refusal
from tests.support.clerk import Instance
from tests.support.clerk_api import ApiServer
from tests.support.database import Sql
from tests.support.rows import all_rows
from tests.support.server import Server

KEY = {"name": "laptop", "scopes": ["profile:read"]}

SITES = (None, "same-origin", "same-site", "none", "cross-site", "tomorrow", "")
# {own}: the server's own origin. The first three are nobody's, our own, and one in CORS_ORIGINS.
ORIGINS = (
    *(None, "{own}", FRONTEND, "https://evil.example", "null", "", "file://", "https://example.com"),
    *("https://evil.app.example.com", "https://evil-app.example.com", FRONTEND.replace("https", "http")),
    *(FRONTEND + end for end in (".evil.example", "@evil.example", ":8443", ":443", "/")),
    *(f"{FRONTEND}, https://evil.example", f"https://evil.example, {FRONTEND}"),
    *("{own}1", "{own}.evil.example", "{own}/", "http://127.0.0.1", "http://localhost:8000"),
)

Change = tuple[str, str, dict[str, Any] | None]


class Case(NamedTuple):
    """What the browser says about the page that made it send the request."""

    site: str | None
    origin: str | None

    @property
    def is_trusted(self) -> bool:
        """Whether this is a page of ours: an own or allowed origin, or no origin at all and the browser's word."""
        if self.origin is None:
            return self.site == "same-origin"
        return self.origin in ORIGINS[1:3] and self.site != "cross-site"

    def headers(self, server: Server) -> dict[str, str]:
        said = {"Sec-Fetch-Site": self.site, "Origin": self.origin and self.origin.format(own=server.url)}
        return {name: value for name, value in said.items() if value is not None}


CASES = [Case(site, origin) for site in SITES for origin in ORIGINS]
# A page that is foreign by both signs, and by one of them.
FOREIGN = [Case("cross-site", "https://evil.example"), Case(None, "null"), Case("cross-site", None)]
OUR_PAGE = Case("same-origin", "{own}")
PROMISES: tuple[dict[str, str], ...] = (
    *({name: "GET"} for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")),
    *({"X-Forwarded-Host": "evil.example"}, {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}),
    *({"Forwarded": "host=evil.example;proto=https"}, {"Referer": f"{FRONTEND}/"}),
    *({"X-Requested-With": "XMLHttpRequest"}, {"Access-Control-Request-Method": "GET"}),
)


class Home:
    """An admin with a key, and somebody to administer: ids 1 to 2 of users, 1 of keys."""

    def __init__(self, site: Server, clerk: Instance, sql: Sql) -> None:
        self.site, self.sql = site, sql
        self.token = clerk.token(sub=ADMIN, sid=SESSION)
        add_user(sql, clerk_user_id=ADMIN, role="admin")
        add_user(sql, clerk_user_id="user_2")
        made = site.request("POST", "/api/keys", self.token, json=KEY)
        assert made.status_code == 201, made.text
        self.key = made.json()["key"]

    def send(self, method: str, path: str, page: Case, **options: Any) -> requests.Response:
        """With the cookie, as a browser sends it from that page."""
        said = page.headers(self.site) | {"Cookie": f"__session={self.token}"} | options.pop("headers", {})
        return self.site.request(method, path, headers=said, **options)

    def key_count(self) -> int:
        count: int = self.sql.value("SELECT count(*) FROM api_keys")
        return count


@pytest.fixture
def home(site: Server, clerk: Instance, sql: Sql) -> Home:
    return Home(site, clerk, sql)


class TestUnsafe:
    CHANGES: tuple[Change, ...] = (
        ("POST", "/api/keys", KEY),
        ("POST", "/api/keys/1/rotate", {}),
        ("DELETE", "/api/keys/1", None),
        ("PATCH", "/api/users/2", {"role": "admin"}),
        ("POST", "/api/sessions/revoke", None),
    )
    AT_CLERK_TOO: Change = ("POST", "/api/users/2/ban", {})

    @pytest.mark.parametrize("site_said", SITES)
    def test_create_key(self, home: Home, site_said: str | None) -> None:
        for origin in ORIGINS:
            page = Case(site_said, origin)
            answer = home.send("POST", "/api/keys", page, json=KEY)
            if page.is_trusted:
                assert (answer.status_code, home.key_count()) == (201, 2), page
                home.sql.rows("DELETE FROM api_keys WHERE key_id <> 1")
            else:
                check_refusal(answer, "csrf", status=403)
                assert home.key_count() == 1, page

    def test_a_refused_request_changes_nothing(self, home: Home, clerk_api: ApiServer) -> None:
        before, asked = all_rows(home.sql), len(clerk_api.asked)
        for page in FOREIGN:
            for method, path, body in (*self.CHANGES, self.AT_CLERK_TOO):
                check_refusal(home.send(method, path, page, json=body), "csrf", status=403)
        assert all_rows(home.sql) == before
        assert len(clerk_api.asked) == asked

    @pytest.mark.parametrize(("method", "path", "body"), CHANGES)
    def test_from_our_page(self, home: Home, method: str, path: str, body: dict[str, Any] | None) -> None:
        """The same requests are good ones: it was the page that was refused."""
        before = all_rows(home.sql)
        assert home.send(method, path, OUR_PAGE, json=body).ok
        assert all_rows(home.sql) != before

    def test_what_a_form_can_send(self, home: Home) -> None:
        body = b'{"name": "laptop", "scopes": ["profile:read"]}'
        no_json = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
        for kind in ("application/json", *no_json):
            answer = home.send("POST", "/api/keys", FOREIGN[0], data=body, headers={"Content-Type": kind})
            check_refusal(answer, "csrf", status=403)
        for kind in no_json:
            ours = home.send("POST", "/api/keys", OUR_PAGE, data=body, headers={"Content-Type": kind})
            assert ours.status_code == 415
        assert home.key_count() == 1

    def test_headers_that_promise_more(self, home: Home) -> None:
        for headers in PROMISES:
            answer = home.send("POST", "/api/keys?_method=GET", FOREIGN[0], json=KEY, headers=headers)
            check_refusal(answer, "csrf", status=403)
        assert home.key_count() == 1

    def test_strange_host(self, home: Home) -> None:
        """The own origin is made from it."""
        for host in ("", "[", "[::1", "..", "a b", "\xe4", "evil.example:x", "a" * 70):
            said = {"Host": host.encode("latin-1")}
            for method in ("GET", "POST"):
                answer = home.send(method, "/api/keys", FOREIGN[0], headers=said)
                assert 400 <= answer.status_code < 500, (host, answer.text)
        assert home.key_count() == 1

    def test_behind_a_proxy_that_speaks_tls(self, behind_a_proxy: Server, clerk: Instance, sql: Sql) -> None:
        home = Home(behind_a_proxy, clerk, sql)
        said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Host": "api.example.com"}
        for origin, status in (
            ("https://api.example.com", 201),
            ("http://api.example.com", 403),
            ("https://evil.example", 403),
        ):
            answer = home.send("POST", "/api/keys", Case(None, origin), json=KEY, headers=said)
            assert answer.status_code == status, origin


class TestHeaderCredential:
    """No page can make a browser add a header, so it needs no proof of where it comes from."""

    def test_session_token(self, home: Home) -> None:
        """Alone, and with a cookie beside it."""
        bearer = {"Authorization": f"Bearer {home.token}"}
        for page in FOREIGN:
            headers = bearer | page.headers(home.site)
            alone = home.site.request("POST", "/api/keys", json=KEY, headers=headers)
            beside = home.send("POST", "/api/keys", page, json=KEY, headers=bearer)
            assert (alone.status_code, beside.status_code) == (201, 201), page
            home.sql.rows("DELETE FROM api_keys")

    def test_api_key(self, home: Home) -> None:
        """Refused for what it is, not for the page."""
        for page in FOREIGN:
            answer = home.send("POST", "/api/keys", page, json=KEY, headers={"X-API-Key": home.key})
            check_refusal(answer, "forbidden", status=403)


class TestSafe:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    def test_is_never_csrf(self, home: Home, method: str) -> None:
        statuses = set()
        for page in CASES if method == "GET" else (*FOREIGN, OUR_PAGE):
            answer = home.send(method, "/api/keys", page)
            assert "csrf" not in answer.text
            statuses.add(answer.status_code)
            if method == "GET" and answer.status_code != 200:
                check_refusal(answer, "session-token-missing")
        assert statuses == ({200} if method == "OPTIONS" else {200, 401})
