import re
import time
import uuid
from typing import Any

import jwt
import pytest

from .harness import EmulatorProcess

ISSUER = "https://emulator.localhost.clerk.accounts.dev"


def _verify(emulator: EmulatorProcess, token: str) -> dict[str, Any]:
    key = jwt.PyJWKClient(emulator.keys["CLERK_JWKS_URL"]).get_signing_key_from_jwt(token)
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], issuer=ISSUER)
    return claims


@pytest.fixture
def session(emulator: EmulatorProcess) -> dict[str, Any]:
    return emulator.create_session(emulator.create_user(f"{uuid.uuid4()}@example.com")["id"])


def test_a_session_token_has_clerks_second_form(emulator: EmulatorProcess, session: dict[str, Any]) -> None:
    token = emulator.create_token(session["id"])
    [key] = emulator.call("GET", "/.well-known/jwks.json")["keys"]
    assert set(key) == {"use", "kty", "kid", "alg", "n", "e"}
    assert re.fullmatch(r"ins_[0-9A-Za-z]{27}", key["kid"])
    header = {"alg": "RS256", "kid": key["kid"], "typ": "JWT", "cat": "cl_B7d4PD111AAA"}
    assert jwt.get_unverified_header(token) == header
    claims = _verify(emulator, token)
    iat = claims["iat"]
    assert abs(iat - time.time()) < 5
    assert claims == {
        "exp": iat + 60,
        "fva": [0, -1],
        "iat": iat,
        "iss": ISSUER,
        "jti": claims["jti"],
        "nbf": iat - 10,
        "sid": session["id"],
        "sts": "active",
        "sub": session["user_id"],
        "v": 2,
    }


def test_a_template_token_has_its_own_category_and_no_session(
    emulator: EmulatorProcess, session: dict[str, Any]
) -> None:
    path = f"/v1/sessions/{session['id']}/tokens/hasura"
    token = emulator.call("POST", path, json={"expires_in_seconds": 3600})["jwt"]
    assert jwt.get_unverified_header(token)["cat"] == "cl_B7d4PD222AAA"
    claims = _verify(emulator, token)
    assert "sid" not in claims
    assert claims["exp"] == claims["iat"] + 3600


@pytest.mark.parametrize(
    ("seconds", "status"), [(29, 422), (30, 200), (315_360_000, 200), (315_360_001, 422)]
)
def test_a_lifetime_has_bounds(
    emulator: EmulatorProcess, session: dict[str, Any], seconds: int, status: int
) -> None:
    path = f"/v1/sessions/{session['id']}/tokens"
    assert emulator.request("POST", path, json={"expires_in_seconds": seconds}).status_code == status


@pytest.mark.parametrize("closing", ["/v1/sessions/{}/revoke", "/emulator/sessions/{}/end"])
def test_a_closed_session_gets_no_more_tokens(
    emulator: EmulatorProcess, session: dict[str, Any], closing: str
) -> None:
    emulator.call("POST", closing.format(session["id"]))
    response = emulator.request("POST", f"/v1/sessions/{session['id']}/tokens")
    assert response.status_code == 401
    assert response.json()["errors"][0]["code"] == "authentication_invalid"
