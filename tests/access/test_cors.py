"""Which pages may read answers: exactly the origins in CORS_ORIGINS. And preflights, which never authenticate."""

from collections.abc import Iterator

import pytest

from tests.support.attacks import PATH, forge
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.server import Server

APP = "https://app.example.com"
ADMIN = "http://admin.example.com:8080"
FOREIGN = [
    "null",
    "https://evil.example",
    APP + ".evil.example",
    APP + ":8443",
    APP + "/",
    APP + "@evil.example",
    "https://evil-app.example.com",
    "https://x.app.example.com",
    "https://example.com",
    "https://appxexample.com",
    "http://app.example.com",
    "https://app.example.co",
    f"{APP},{ADMIN}",
    f"{APP} {ADMIN}",
    "http://localhost:5173",
    "*",
]


@pytest.fixture(scope="module")
def cors_server(start_server: StartServer) -> Iterator[Server]:
    with start_server(CORS_ORIGINS=f"{APP},{ADMIN}") as running:
        yield running


def _preflight(origin: str, **headers: str) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
        **headers,
    }


def _cors_headers(headers: object) -> list[str]:
    assert hasattr(headers, "keys")
    return [name for name in headers.keys() if name.lower().startswith("access-control-")]  # noqa: SIM118


class TestAllowedOrigin:
    @pytest.mark.parametrize("origin", [APP, ADMIN])
    @pytest.mark.parametrize("is_signed_in", [True, False])
    def test_answer(self, cors_server: Server, clerk: Instance, origin: str, is_signed_in: bool) -> None:
        """Refusals too: the page is to see why."""
        token = clerk.token() if is_signed_in else None
        answer = cors_server.get(PATH, token, headers={"Origin": origin})
        assert answer.status_code == (200 if is_signed_in else 401)
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "origin" in answer.headers["Vary"].lower()
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]

    def test_preflight(self, cors_server: Server) -> None:
        answer = cors_server.request("OPTIONS", PATH, headers=_preflight(APP))
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
        assert "origin" in answer.headers["Vary"].lower()

    def test_headers_of_writes(self, cors_server: Server, clerk: Instance) -> None:
        asked = "idempotency-key, if-match, if-none-match"
        preflight = _preflight(APP, **{"Access-Control-Request-Headers": asked})
        allowed = cors_server.request("OPTIONS", "/api/campaigns", headers=preflight).headers
        assert set(asked.split(", ")) <= set(allowed["Access-Control-Allow-Headers"].lower().split(", "))
        answer = cors_server.get("/api/campaigns", clerk.token(), headers={"Origin": APP})
        assert {"ETag", "Idempotent-Replayed"} <= set(
            answer.headers["Access-Control-Expose-Headers"].split(", ")
        )

    def test_cookies_are_not_for_scripts_of_other_origins(self, cors_server: Server) -> None:
        for method in ("GET", "OPTIONS"):
            answer = cors_server.request(method, PATH, headers=_preflight(APP))
            assert "Access-Control-Allow-Credentials" not in answer.headers


class TestForeignOrigin:
    @pytest.mark.parametrize("origin", FOREIGN)
    def test_answer(self, cors_server: Server, clerk: Instance, origin: str) -> None:
        answer = cors_server.get(PATH, clerk.token(), headers={"Origin": origin})
        assert answer.status_code == 200, "CORS is for browsers; it is no access control"
        assert _cors_headers(answer.headers) == []

    @pytest.mark.parametrize("origin", FOREIGN)
    def test_preflight(self, cors_server: Server, origin: str) -> None:
        answer = cors_server.request("OPTIONS", PATH, headers=_preflight(origin))
        assert _cors_headers(answer.headers) == []

    def test_no_origin(self, cors_server: Server, clerk: Instance) -> None:
        assert _cors_headers(cors_server.get(PATH, clerk.token()).headers) == []

    def test_spoofed_host(self, cors_server: Server, clerk: Instance) -> None:
        headers = {
            "Origin": "https://evil.example",
            "X-Forwarded-Host": "evil.example",
            "Host": "evil.example",
        }
        assert _cors_headers(cors_server.get(PATH, clerk.token(), headers=headers).headers) == []


class TestOptions:
    """A preflight carries no credential. One that does is not looked at."""

    @pytest.mark.parametrize("path", ["/auth/me", "/api/me", "/protected"])
    def test_is_never_authenticated(self, cors_server: Server, sql: Sql, clerk: Instance, path: str) -> None:
        good = clerk.token()
        for authorization in (None, "Bearer x", f"Bearer {forge(good)}", f"Bearer {good}", "Basic x"):
            headers = {"Authorization": authorization} if authorization else {}
            answer = cors_server.request("OPTIONS", path, headers=headers)
            assert (answer.status_code, answer.text) == (200, "")
            assert "GET" in answer.headers["Allow"]
        assert sql.value("SELECT count(*) FROM users") == 0
