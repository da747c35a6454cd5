"""Credentials that are refused, and webhooks: counted by code, and a warning at most once a minute a code."""

import logging

import pytest

from backend.access.refusals import Refusals
from backend.errors import AppError, ErrorCode
from tests.support.clerk import Instance, event
from tests.support.fixtures import StartServer


def test_over_http(start_server: StartServer, clerk: Instance) -> None:
    """At LOG_LEVEL=WARNING no request leaves an access line: these do."""
    body = event("user.created", {})
    with start_server(LOG_LEVEL="WARNING") as server:
        ids = []
        for _ in range(3):
            ids.append(server.get("/auth/me", clerk.token(iss="https://other.example.com")).headers["X-Request-ID"])
            server.request("POST", "/api/webhooks", data=body + b" ", headers=clerk.webhook_headers(body))
            server.get("/auth/me")  # without any
        lines = [line for line in server.log.read_text().splitlines() if " INFO gunicorn.error " not in line]
    assert len(lines) == 2
    assert "Refused: token-invalid-issuer (1 since this was last said). " in lines[0]
    assert f"request_id={ids[0]}" in lines[0]
    assert "Refused: webhook-signature-invalid (1 since this was last said). " in lines[1]


def test_once_a_minute_a_code(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    codes: list[ErrorCode] = []
    refusals = Refusals(codes.append, clock=lambda: now)
    expired, banned = (AppError(code, "Why.") for code in (ErrorCode.TOKEN_EXPIRED, ErrorCode.USER_BANNED))
    caplog.set_level(logging.WARNING)
    for now in (1000.0, 1001.0, 1059.9):  # noqa: B007 - the clock reads it
        refusals.note(expired)
        refusals.note(banned)
    now = 1060.0
    refusals.note(expired)
    assert caplog.messages == [
        "Refused: token-expired (1 since this was last said). Why.",
        "Refused: user-banned (1 since this was last said). Why.",
        "Refused: token-expired (3 since this was last said). Why.",
    ]
    assert refusals.by_code == {ErrorCode.TOKEN_EXPIRED: 4, ErrorCode.USER_BANNED: 3}
    assert len(codes) == 7


@pytest.mark.parametrize("code", [ErrorCode.SESSION_TOKEN_MISSING, ErrorCode.JWKS_UNAVAILABLE])
def test_no_refusal(code: ErrorCode, caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(lambda _: None)
    refusals.note(AppError(code, "Why."))
    assert (refusals.by_code, caplog.messages) == ({}, [])
