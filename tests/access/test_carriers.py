"""Where a token may stand: the Authorization header, else Clerk's cookie, and nowhere else."""

import json
from http.cookies import SimpleCookie
from typing import Any

from tests.access.conftest import COOKIE, FRONTEND
from tests.support.attacks import PATH, Answer, check_refusal, forge, send_raw
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.tables import check_each


def _user(answer: Answer) -> object:
    body = json.loads(answer.text)
    return body["user"]["clerk_user_id"] if answer.status_code == 200 else body["code"]


OTHER_FORMS = (
    *("", "Bearer", "Bearer ", "{}", " {}", "Basic {}", "Basic dXNlcjpwYXNz", "Token {}", "Bearer  {}"),
    *("Bearer\t{}", "Bearer:{}", "Bearer={}", "BearerX {}", "Bearer Bearer {}", "Bearer {}, Bearer {}"),
    *("Bearer {} {}", 'Bearer "{}"', "Bearer {};", "Digest username=x", "Negotiate", ",", "\xa0Bearer {}"),
)
ELSEWHERE: tuple[tuple[str, str], ...] = (
    *(("headers", name) for name in ("Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization")),
    ("headers", "X-Session-Token"),
    *(("params", name) for name in ("__session", "token", "access_token", "__clerk_db_jwt", "jwt")),
)


class TestHeader:
    def test_scheme_in_any_case(self, server: Server, clerk: Instance) -> None:
        for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
            headers = {"Authorization": f"{scheme} {clerk.token()}"}
            assert server.get(PATH, headers=headers).status_code == 200, scheme

    def test_other_forms(self, server: Server, sql: Sql, clerk: Instance) -> None:
        token = clerk.token()

        def code(form: str) -> object:
            answer = send_raw(server, f"Authorization: {form.replace('{}', token)}".encode("latin-1"))
            check_refusal(answer, "token-invalid")
            return token in answer.text

        check_each(OTHER_FORMS, code, False)
        assert token not in server.log.read_text()
        assert sql.value("SELECT count(*) FROM users") == 0

    def test_two_headers(self, server: Server, clerk: Instance) -> None:
        """A proxy may look at the one and the server at the other."""
        good = clerk.token()
        for pair in ((good, good), (good, forge(good)), (forge(good), good), ("", good)):
            lines = (f"Authorization: Bearer {token}".encode() for token in pair)
            check_refusal(send_raw(server, *lines), "token-invalid")

    def test_other_headers_and_the_query(self, server: Server, clerk: Instance) -> None:
        """Addresses end up in logs and histories."""
        for place, name in ELSEWHERE:
            token = f"Bearer {clerk.token()}" if place == "headers" else clerk.token()
            sent: dict[str, Any] = {place: {name: token}}
            check_refusal(server.get(PATH, **sent), "session-token-missing")

    def test_header_with_an_underscore(self, server: Server, clerk: Instance) -> None:
        """WSGI cannot tell it from the real one; a proxy in front would let it through unseen."""
        answer = send_raw(server, f"Http_Authorization: Bearer {clerk.token()}".encode())
        assert 400 <= answer.status_code < 500


class TestHeaderAndCookie:
    def test_the_header_counts(self, server: Server, clerk: Instance) -> None:
        cookie = f"__session={clerk.token(sub='user_cookie')}"
        answer = server.get(PATH, clerk.token(sub="user_header"), headers={"Cookie": cookie})
        assert _user(answer) == "user_header"

    def test_a_bad_header_never_falls_back(self, server: Server, clerk: Instance) -> None:
        cookie = f"__session={clerk.token()}"
        for form in ("", "Bearer", "Bearer x", "Basic dXNlcjpwYXNz", "Token x", "Bearer x.y.z"):
            lines = (f"Authorization: {form}".encode(), f"Cookie: {cookie}".encode())
            check_refusal(send_raw(server, *lines), "token-invalid")
        answer = server.get(PATH, forge(clerk.token()), headers={"Cookie": cookie})
        check_refusal(answer, "token-invalid-signature")


FOUND = (
    *(COOKIE + "={}", "__session={}", "__session_1Z8AzTQD=foreign; " + COOKIE + "={}"),
    *("__session_1Z8AzTQD=foreign; __session={}", 'state={"a":1,"b":"c"}; __session={}'),
    *("a b; =x; ;; __session={}", "__client_uat=1; __session={}; __session_1Z8AzTQD=foreign"),
    COOKIE + "=; __session={}",
)
NOT_OURS = (
    *("__session_1Z8AzTQD={}", "__session_={}", "__SESSION={}", "session={}", "__sessionx={}"),
    *("x__session={}", "__session=", "__refresh={}", "__Host-__session={}"),
)


class TestCookie:
    def test_found(self, site: Server, clerk: Instance) -> None:
        token = clerk.token(sub="user_1")
        check_each(FOUND, lambda form: _user(site.get(PATH, headers={"Cookie": form.replace("{}", token)})), "user_1")

    def test_others_are_not_ours(self, site: Server, clerk: Instance) -> None:
        for form in NOT_OURS:
            answer = site.get(PATH, headers={"Cookie": form.replace("{}", clerk.token())})
            check_refusal(answer, "session-token-missing")

    def test_ours_counts_before_the_shared_one(self, site: Server, clerk: Instance) -> None:
        shared, ours = clerk.token(sub="user_shared"), clerk.token(sub="user_ours")
        for cookie in (f"__session={shared}; {COOKIE}={ours}", f"{COOKIE}={ours}; __session={shared}"):
            assert _user(site.get(PATH, headers={"Cookie": cookie})) == "user_ours"

    def test_checked_like_a_header(self, site: Server, clerk: Instance) -> None:
        for token, code in (
            ("x", "token-invalid"),
            ("a.b.c", "token-invalid"),
            (forge(clerk.token()), "token-invalid-signature"),
        ):
            check_refusal(site.get(PATH, headers={"Cookie": f"__session={token}"}), code)

    def test_no_cookie_is_ever_set(self, site: Server, clerk: Instance) -> None:
        for token in (None, clerk.token()):
            assert not SimpleCookie(site.get(PATH, token).headers.get("Set-Cookie"))


OURS: tuple[dict[str, str], ...] = (
    {},
    *({"Sec-Fetch-Site": site} for site in ("same-origin", "same-site", "none")),
    *({"Origin": FRONTEND}, {"Origin": FRONTEND, "Sec-Fetch-Site": "same-site"}, {"Origin": "{own}"}),
)
FOREIGN: tuple[dict[str, str], ...] = (
    *({"Sec-Fetch-Site": site} for site in ("cross-site", "Cross-Site", "tomorrow", "")),
    {"Sec-Fetch-Site": "cross-site", "Origin": FRONTEND},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    *({"Origin": origin} for origin in ("https://evil.example", "null", "", "http://localhost:5173")),
    *({"Origin": FRONTEND + end} for end in (".evil.example", ":8443")),
    {"Origin": FRONTEND.replace("https", "http")},
)


class TestCookieOfAnotherSite:
    """A foreign page can make the browser send the cookie. It is then as if there were none."""

    def test_same_site(self, site: Server, clerk: Instance) -> None:
        def status(said: dict[str, str]) -> int:
            headers = {name: value.format(own=site.url) for name, value in said.items()}
            headers["Cookie"] = f"__session={clerk.token()}"
            return site.get(PATH, headers=headers).status_code

        check_each(OURS, status, 200)

    def test_own_origin_behind_a_proxy(self, server: Server, behind_a_proxy: Server, clerk: Instance) -> None:
        """What is said of https is believed only through TRUSTED_PROXIES."""
        for one, status in ((server, 401), (behind_a_proxy, 200)):
            headers = {"X-Forwarded-Proto": "https", "Origin": one.url.replace("http://", "https://")}
            headers["Cookie"] = f"__session={clerk.token()}"
            assert one.get(PATH, headers=headers).status_code == status

    def test_cross_site(self, site: Server, clerk: Instance) -> None:
        def code(said: dict[str, str]) -> object:
            cookie = f"__session={clerk.token()}; {COOKIE}={clerk.token()}"
            return _user(site.get(PATH, headers={**said, "Cookie": cookie}))

        check_each(FOREIGN, code, "session-token-missing")

    def test_a_header_is_no_cookie(self, site: Server, clerk: Instance) -> None:
        """No page can make a browser add it, so where the request comes from does not matter."""
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        assert site.get(PATH, clerk.token(), headers=headers).status_code == 200
