"""Which pages may read answers: exactly the origins in CORS_ORIGINS. And preflights, which never authenticate."""

import pytest

from tests.access.conftest import FRONTEND, OTHER_FRONTEND
from tests.support.attacks import PATH, forge
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.tables import check_each

FOREIGN = (
    *("null", "https://evil.example", "*", "http://localhost:5173", "https://evil-app.example.com"),
    *(FRONTEND + end for end in (".evil.example", ":8443", "/", "@evil.example")),
    *("https://x.app.example.com", "https://example.com", "https://appxexample.com", "https://app.example.co"),
    *("http://app.example.com", f"{FRONTEND},{OTHER_FRONTEND}", f"{FRONTEND} {OTHER_FRONTEND}"),
)


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
    @pytest.mark.parametrize("origin", [FRONTEND, OTHER_FRONTEND])
    @pytest.mark.parametrize("is_signed_in", [True, False])
    def test_answer(self, site: Server, clerk: Instance, origin: str, is_signed_in: bool) -> None:
        """Refusals too: the page is to see why."""
        token = clerk.token() if is_signed_in else None
        answer = site.get(PATH, token, headers={"Origin": origin})
        assert answer.status_code == (200 if is_signed_in else 401)
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "origin" in answer.headers["Vary"].lower()
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]

    def test_preflight(self, site: Server) -> None:
        answer = site.request("OPTIONS", PATH, headers=_preflight(FRONTEND))
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
        assert "origin" in answer.headers["Vary"].lower()

    def test_headers_of_writes(self, site: Server, clerk: Instance) -> None:
        asked = "idempotency-key, if-match, if-none-match"
        preflight = _preflight(FRONTEND, **{"Access-Control-Request-Headers": asked})
        allowed = site.request("OPTIONS", "/api/keys", headers=preflight).headers
        assert set(asked.split(", ")) <= set(allowed["Access-Control-Allow-Headers"].lower().split(", "))
        answer = site.get("/api/keys", clerk.token(), headers={"Origin": FRONTEND})
        assert {"ETag", "Idempotent-Replayed"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))

    def test_cookies_are_not_for_scripts_of_other_origins(self, site: Server) -> None:
        for method in ("GET", "OPTIONS"):
            answer = site.request(method, PATH, headers=_preflight(FRONTEND))
            assert "Access-Control-Allow-Credentials" not in answer.headers


class TestForeignOrigin:
    def test_answer(self, site: Server, clerk: Instance) -> None:
        def told(origin: str) -> list[str]:
            answer = site.get(PATH, clerk.token(), headers={"Origin": origin})
            assert answer.status_code == 200, "CORS is for browsers; it is no access control"
            preflight = site.request("OPTIONS", PATH, headers=_preflight(origin))
            return _cors_headers(answer.headers) + _cors_headers(preflight.headers)

        check_each(FOREIGN, told, [])

    def test_no_origin(self, site: Server, clerk: Instance) -> None:
        assert _cors_headers(site.get(PATH, clerk.token()).headers) == []

    def test_spoofed_host(self, site: Server, clerk: Instance) -> None:
        headers = {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "Host": "evil.example"}
        assert _cors_headers(site.get(PATH, clerk.token(), headers=headers).headers) == []


class TestOptions:
    """A preflight carries no credential. One that does is not looked at."""

    def test_is_never_authenticated(self, site: Server, sql: Sql, clerk: Instance) -> None:
        good = clerk.token()
        for authorization in (None, "Bearer x", f"Bearer {forge(good)}", f"Bearer {good}", "Basic x"):
            headers = {"Authorization": authorization} if authorization else {}
            answer = site.request("OPTIONS", PATH, headers=headers)
            assert (answer.status_code, answer.text) == (200, "")
            assert "GET" in answer.headers["Allow"]
        assert sql.value("SELECT count(*) FROM users") == 0
