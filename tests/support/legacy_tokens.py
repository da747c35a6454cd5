"""Somebody with tokens of the application as it was before Clerk."""

import json
import time
from typing import Any

import requests
from jwt.api_jws import PyJWS

from tests.support.server import Server

LEGACY_SECRET = "".join(f"{number:02x}" for number in range(0, 256, 7))


def sign(**claims: Any) -> str:
    """A token that is good for a minute. A change to `...` drops the claim."""
    given = {"exp": int(time.time()) + 60} | claims
    payload = {name: value for name, value in given.items() if value is not ...}
    return PyJWS().encode(json.dumps(payload).encode(), LEGACY_SECRET, "HS256")


def me(server: Server, **claims: Any) -> requests.Response:
    return server.get("/auth/me", sign(**claims))


def found(server: Server, **claims: Any) -> int:
    """The user_id that the token leads to."""
    answer = me(server, **claims)
    assert answer.status_code == 200, answer.text
    user_id: int = answer.json()["user"]["user_id"]
    return user_id
