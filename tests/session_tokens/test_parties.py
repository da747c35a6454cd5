"""`azp` and `aud`: which application a token was made for. Both are checked where the settings name them."""

import pytest

from tests.support.attacks import Attacker
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.fixtures import StartApp
from tests.support.server import Server
from tests.support.tables import check_each

APP = "https://app.example.com"
ADMIN = "https://admin.example.com:8443"
NOT_A_PARTY = (
    *("", " ", "null", "https://evil.example", APP + "/", APP + ".evil.example", APP[:-1], APP.upper()),
    *("app.example.com", "http://app.example.com", f"{APP},{ADMIN}", None, 7, True, [APP], {APP: 1}),
)
NOT_AN_AUDIENCE: tuple[object, ...] = (
    *("", "other", "API", "apis", "api ", "api,internal", [], [""], ["other"], [["api"]]),
    *(None, 7, {"api": 1}, ...),
)


@pytest.fixture(scope="module")
def strict(start_app: StartApp) -> Server:
    return start_app(CLERK_AUTHORIZED_PARTIES=f"{APP}, {ADMIN}")


@pytest.fixture(scope="module")
def lenient(start_app: StartApp) -> Server:
    changes = {"CLERK_AUTHORIZED_PARTIES": APP, "CLERK_MISSING_AZP": "allow", "CLERK_AUDIENCE": "api,internal"}
    return start_app(**changes)


class TestAuthorizedParty:
    CODE = "token-invalid-authorized-parties"

    def test_ours(self, strict: Server, clerk: Instance) -> None:
        for party in (APP, ADMIN):
            assert strict.get("/auth/me", clerk.token(azp=party)).status_code == 200

    def test_another_or_none(self, strict: Server, sql: Sql, clerk: Instance) -> None:
        attacker = Attacker(strict, sql)
        attacker.are_refused((*NOT_A_PARTY, ...), lambda party: clerk.token(azp=party), self.CODE)

    def test_missing_is_allowed_on_demand(self, lenient: Server, clerk: Instance) -> None:
        """Clerk makes tokens without azp where the browser sent no Origin, and for native clients."""
        assert lenient.get("/auth/me", clerk.token(aud="api")).status_code == 200

    def test_wrong_is_never_allowed(self, lenient: Server, sql: Sql, clerk: Instance) -> None:
        attacker = Attacker(lenient, sql)
        others = ("", None, "https://evil.example")
        attacker.are_refused(others, lambda party: clerk.token(azp=party, aud="api"), self.CODE)


class TestAudience:
    def test_ours(self, lenient: Server, clerk: Instance) -> None:
        audiences: tuple[object, ...] = ("api", "internal", ["api"], ["other", "internal"], [7, "api"])
        check_each(audiences, lambda aud: lenient.get("/auth/me", clerk.token(aud=aud)).status_code, 200)

    def test_another(self, lenient: Server, sql: Sql, clerk: Instance) -> None:
        attacker = Attacker(lenient, sql)
        attacker.are_refused(NOT_AN_AUDIENCE, lambda aud: clerk.token(aud=aud), "token-invalid-audience")
