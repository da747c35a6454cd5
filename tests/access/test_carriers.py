"""Where a token may stand: the Authorization header, else Clerk's cookie, and nowhere else."""

import json
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie

import pytest

from tests.support.attacks import PATH, Answer, check_refusal, forge, send_raw
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.server import Server

# The pair that Clerk's own tests use: a publishable key, and the suffix of its cookies.
PUBLISHABLE_KEY = "pk_live_Y2xlcmsuY2xlcmsuZGV2JA"
COOKIE = "__session_1Z8AzTQD"
FRONTEND = "https://app.example.com"


@pytest.fixture(scope="module")
def browser_server(start_server: StartServer) -> Iterator[Server]:
    """A server that knows its publishable key, and one frontend."""
    with start_server(CLERK_PUBLISHABLE_KEY=PUBLISHABLE_KEY, CORS_ORIGINS=FRONTEND) as running:
        yield running


def _user(answer: Answer) -> object:
    body = json.loads(answer.text)
    return body["user"]["clerk_user_id"] if answer.status_code == 200 else body["code"]


class TestHeader:
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
    def test_scheme_in_any_case(self, server: Server, clerk: Instance, scheme: str) -> None:
        answer = server.get(PATH, headers={"Authorization": f"{scheme} {clerk.token()}"})
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "form",
        [
            "",
            "Bearer",
            "Bearer ",
            "{}",
            " {}",
            "Basic {}",
            "Basic dXNlcjpwYXNz",
            "Token {}",
            "Bearer  {}",
            "Bearer\t{}",
            "Bearer:{}",
            "Bearer={}",
            "BearerX {}",
            "Bearer Bearer {}",
            "Bearer {}, Bearer {}",
            "Bearer {} {}",
            'Bearer "{}"',
            "Bearer {};",
            "Digest username=x",
            "Negotiate",
            ",",
            "\xa0Bearer {}",
        ],
    )
    def test_other_forms(self, server: Server, sql: Sql, clerk: Instance, form: str) -> None:
        token = clerk.token()
        answer = send_raw(server, f"Authorization: {form.replace('{}', token)}".encode("latin-1"))
        check_refusal(answer, "token-invalid")
        assert token not in answer.text + server.log.read_text()
        assert sql.value("SELECT count(*) FROM users") == 0

    @pytest.mark.parametrize(
        "choose",
        [
            lambda good: (good, good),
            lambda good: (good, forge(good)),
            lambda good: (forge(good), good),
            lambda good: ("", good),
        ],
        ids=["same", "bad-last", "bad-first", "empty-first"],
    )
    def test_two_headers(
        self, server: Server, clerk: Instance, choose: Callable[[str], tuple[str, str]]
    ) -> None:
        """A proxy may look at the one and the server at the other."""
        lines = (f"Authorization: Bearer {token}".encode() for token in choose(clerk.token()))
        check_refusal(send_raw(server, *lines), "token-invalid")

    @pytest.mark.parametrize(
        "name", ["Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization", "X-Session-Token"]
    )
    def test_other_headers(self, server: Server, clerk: Instance, name: str) -> None:
        answer = server.get(PATH, headers={name: f"Bearer {clerk.token()}"})
        check_refusal(answer, "session-token-missing")

    @pytest.mark.parametrize("name", ["__session", "token", "access_token", "__clerk_db_jwt", "jwt"])
    def test_query(self, server: Server, clerk: Instance, name: str) -> None:
        """Addresses end up in logs and histories."""
        answer = server.get(PATH, params={name: clerk.token()})
        check_refusal(answer, "session-token-missing")

    def test_header_with_an_underscore(self, server: Server, clerk: Instance) -> None:
        """WSGI cannot tell it from the real one; a proxy in front would let it through unseen."""
        answer = send_raw(server, f"Http_Authorization: Bearer {clerk.token()}".encode())
        assert 400 <= answer.status_code < 500


class TestHeaderAndCookie:
    def test_the_header_counts(self, server: Server, clerk: Instance) -> None:
        cookie = f"__session={clerk.token(sub='user_cookie')}"
        answer = server.get(PATH, clerk.token(sub="user_header"), headers={"Cookie": cookie})
        assert _user(answer) == "user_header"

    @pytest.mark.parametrize(
        "form", ["", "Bearer", "Bearer x", "Basic dXNlcjpwYXNz", "Token x", "Bearer x.y.z"]
    )
    def test_a_bad_header_never_falls_back(self, server: Server, clerk: Instance, form: str) -> None:
        lines = (f"Authorization: {form}", f"Cookie: __session={clerk.token()}")
        check_refusal(send_raw(server, *(line.encode() for line in lines)), "token-invalid")

    def test_a_forged_header_never_falls_back(self, server: Server, clerk: Instance) -> None:
        cookie = f"__session={clerk.token()}"
        answer = server.get(PATH, forge(clerk.token()), headers={"Cookie": cookie})
        check_refusal(answer, "token-invalid-signature")


class TestCookie:
    @pytest.mark.parametrize(
        "form",
        [
            COOKIE + "={}",
            "__session={}",
            "__session_QvfNY2dr=foreign; " + COOKIE + "={}",
            "__session_QvfNY2dr=foreign; __session={}",
            'state={{"a":1,"b":"c"}}; __session={}',
            "a b; =x; ;; __session={}",
            "__client_uat=1; __session={}; __session_QvfNY2dr=foreign",
            COOKIE + "=; __session={}",
        ],
    )
    def test_found(self, browser_server: Server, clerk: Instance, form: str) -> None:
        cookie = form.replace("{{", "{").replace("}}", "}").replace("{}", clerk.token(sub="user_1"))
        assert _user(browser_server.get(PATH, headers={"Cookie": cookie})) == "user_1"

    @pytest.mark.parametrize(
        "form",
        [
            "__session_QvfNY2dr={}",
            "__session_={}",
            "__SESSION={}",
            "session={}",
            "__sessionx={}",
            "x__session={}",
            "__session=",
            "__refresh={}",
            "__Host-__session={}",
        ],
    )
    def test_others_are_not_ours(self, browser_server: Server, clerk: Instance, form: str) -> None:
        answer = browser_server.get(PATH, headers={"Cookie": form.replace("{}", clerk.token())})
        check_refusal(answer, "session-token-missing")

    def test_ours_counts_before_the_shared_one(self, browser_server: Server, clerk: Instance) -> None:
        shared, ours = clerk.token(sub="user_shared"), clerk.token(sub="user_ours")
        for cookie in (f"__session={shared}; {COOKIE}={ours}", f"{COOKIE}={ours}; __session={shared}"):
            assert _user(browser_server.get(PATH, headers={"Cookie": cookie})) == "user_ours"

    @pytest.mark.parametrize("token", ["x", "a.b.c"])
    def test_checked_like_a_header(self, browser_server: Server, token: str) -> None:
        check_refusal(browser_server.get(PATH, headers={"Cookie": f"__session={token}"}), "token-invalid")

    def test_forged(self, browser_server: Server, clerk: Instance) -> None:
        answer = browser_server.get(PATH, headers={"Cookie": f"__session={forge(clerk.token())}"})
        check_refusal(answer, "token-invalid-signature")

    def test_no_cookie_is_ever_set(self, browser_server: Server, clerk: Instance) -> None:
        for token in (None, clerk.token()):
            assert not SimpleCookie(browser_server.get(PATH, token).headers.get("Set-Cookie"))


class TestCookieOfAnotherSite:
    """A foreign page can make the browser send the cookie. It is then as if there were none."""

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": FRONTEND},
            {"Origin": FRONTEND, "Sec-Fetch-Site": "same-site"},
        ],
        ids=str,
    )
    def test_same_site(self, browser_server: Server, clerk: Instance, headers: dict[str, str]) -> None:
        headers = {**headers, "Cookie": f"__session={clerk.token()}"}
        assert browser_server.get(PATH, headers=headers).status_code == 200

    def test_own_origin(self, browser_server: Server, clerk: Instance) -> None:
        headers = {"Origin": browser_server.url, "Cookie": f"__session={clerk.token()}"}
        assert browser_server.get(PATH, headers=headers).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "Cross-Site"},
            {"Sec-Fetch-Site": "tomorrow"},
            {"Sec-Fetch-Site": ""},
            {"Sec-Fetch-Site": "cross-site", "Origin": FRONTEND},
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": ""},
            {"Origin": FRONTEND + ".evil.example"},
            {"Origin": FRONTEND + ":8443"},
            {"Origin": FRONTEND.replace("https", "http")},
            {"Origin": "http://localhost:5173"},
        ],
        ids=str,
    )
    def test_cross_site(self, browser_server: Server, clerk: Instance, headers: dict[str, str]) -> None:
        headers = {**headers, "Cookie": f"__session={clerk.token()}; {COOKIE}={clerk.token()}"}
        check_refusal(browser_server.get(PATH, headers=headers), "session-token-missing")

    def test_a_header_is_no_cookie(self, browser_server: Server, clerk: Instance) -> None:
        """No page can make a browser add it, so where the request comes from does not matter."""
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        assert browser_server.get(PATH, clerk.token(), headers=headers).status_code == 200
