"""What must pass: tokens as Clerk makes them. A verifier that refuses everything is safe and useless."""

import time
from typing import Any

import pytest

from tests.support.attacks import check_refusal, sign_payload
from tests.support.clerk import Instance, clerk_id
from tests.support.server import Server
from tests.support.tables import check_each

HEADERS: tuple[dict[str, Any], ...] = (
    *({}, {"oiat": 1_700_000_000}, {"cat": ...}, {"cat": "cl_I7d4PD111III"}, {"typ": ...}, {"kid": ...}),
    *({"kid": "ins_of_an_older_key"}, {"x-new-one": {"of": ["tomorrow"]}}),
)
CLAIMS: tuple[dict[str, Any], ...] = (
    *({}, {"v": ..., "sts": ..., "fva": ...}, {"sid": ...}, {"nbf": ..., "iat": ..., "jti": ...}),
    {"v": ..., "org_id": "org_1", "org_role": "org:admin", "org_permissions": ["a:b"], "sts": ...},
    {"o": {"id": "org_1", "rol": "admin", "per": "read", "fpm": "1"}, "fea": "o:x", "pla": "u:free"},
    *({"azp": "https://any.example", "aud": ["any"]}, {"sub": "user_" + "x" * 250}),
    {"email": "ada@example.com", "name": "Ädä \U0001f600", "metadata": {"deep": [[[]]]}},
)


class TestAccepted:
    def test_header(self, server: Server, clerk: Instance) -> None:
        """`cat` and `oiat` are in every real token; other members are to be ignored, so that Clerk can add some.

        With CLERK_JWT_KEY there is one key, and like in Clerk's SDKs the key id does not matter.
        """
        check_each(HEADERS, lambda one: server.get("/auth/me", clerk.token(headers=one)).status_code, 200)

    def test_claims(self, server: Server, clerk: Instance) -> None:
        for claims in CLAIMS:
            user_id = claims.get("sub", clerk_id("user"))
            answer = server.get("/auth/me", clerk.token(**{"sub": user_id, **claims}))
            assert answer.status_code == 200, claims
            assert answer.json()["user"]["clerk_user_id"] == user_id

    def test_impersonation(self, server: Server, clerk: Instance) -> None:
        session_id = clerk_id("sess")
        answer = server.get("/auth/me", clerk.token(sid=session_id, act={"sub": "user_admin", "iss": "x"}))
        session = answer.json()["session"]
        assert (session["session_id"], session["actor"]) == (session_id, "user_admin")

    def test_non_ascii_and_spaces_in_the_json(self, server: Server, clerk: Instance) -> None:
        now = int(time.time())
        text = f' {{ "sub":"{clerk_id("user")}",\n "exp" :{now + 60}, "iss":"{clerk.issuer}", "name":"Ö\\u00f6" }} '
        assert server.get("/auth/me", sign_payload(clerk, text.encode())).status_code == 200


class TestSkew:
    """Five seconds, as in Clerk's SDKs. Fractions, so that the time of the request itself does not count."""

    @pytest.mark.parametrize(
        ("name", "sign", "code"),
        [("exp", -1, "token-expired"), ("nbf", 1, "token-not-active-yet"), ("iat", 1, "token-iat-in-the-future")],
    )
    def test_of(self, server: Server, clerk: Instance, name: str, sign: int, code: str) -> None:
        within: dict[str, Any] = {name: time.time() + 4 * sign}
        assert server.get("/auth/me", clerk.token(**within)).status_code == 200
        beyond: dict[str, Any] = {name: time.time() + 6 * sign}
        check_refusal(server.get("/auth/me", clerk.token(**beyond)), code)

    def test_a_token_in_use_ends_when_it_expires(self, server: Server, clerk: Instance) -> None:
        """Tokens that were verified are remembered: never beyond their end."""
        token = clerk.token(exp=time.time() - 3.5)
        assert server.get("/auth/me", token).status_code == 200
        time.sleep(1.7)
        check_refusal(server.get("/auth/me", token), "token-expired")
