"""A server whose clock is wrong says so: by Clerk's responses, and by good tokens that come too early."""

import logging
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import pytest
import requests

from backend.errors import ErrorCode
from backend.services.clerk.client.clock import RUSH, RUSH_SECONDS, ClerkClock
from tests.support.clerk import Instance, KeyServer, answer_json
from tests.support.fixtures import StartApp
from tests.support.server import Server

WRONG = "The clock of this server is wrong"


def served_by(key_server: KeyServer, clerk: Instance, start_app: StartApp, ahead: float, age: int = 0) -> Server:
    """An application that has fetched its keys from a Clerk whose clock is ahead of ours."""
    answer = answer_json({"keys": [clerk.jwk]})

    def dated(handler: BaseHTTPRequestHandler) -> None:
        handler.date_time_string = lambda *_: formatdate(time.time() + ahead - age, usegmt=True)  # type: ignore[method-assign]
        send = handler.end_headers

        def end_headers() -> None:
            handler.send_header("Age", str(age))
            send()

        handler.end_headers = end_headers  # type: ignore[method-assign]
        answer(handler)

    key_server.answer = dated
    server = start_app(CLERK_JWT_KEY="", CLERK_JWKS_URL=key_server.url)
    assert server.get("/auth/me", clerk.token()).status_code == 200
    return server


@pytest.mark.parametrize(
    ("ahead", "age", "state"), [(0, 0, "ok"), (0, 3000, "ok"), (600, 0, "failed"), (-600, 0, "failed")]
)
def test_by_the_date_of_a_response(
    key_server: KeyServer,
    clerk: Instance,
    start_app: StartApp,
    caplog: pytest.LogCaptureFixture,
    ahead: float,
    age: int,
    state: str,
) -> None:
    server = served_by(key_server, clerk, start_app, ahead, age)
    answer = server.get("/readyz")
    assert (answer.status_code, answer.json()["clock"]) == (200, state)
    said = [message for message in caplog.messages if WRONG in message]
    assert len(said) == (state == "failed")
    if said:
        assert f"this one is {'behind' if ahead > 0 else 'ahead'}" in said[0]
        assert "differ by 600 s" in said[0] or "differ by 599 s" in said[0] or "differ by 601 s" in said[0]


def test_by_tokens_that_come_too_early(start_app: StartApp, clerk: Instance, caplog: pytest.LogCaptureFixture) -> None:
    server = start_app()
    assert server.get("/readyz").json()["clock"] == "unknown"
    early = int(time.time()) + 600
    for _ in range(RUSH):
        assert WRONG not in caplog.text
        assert server.get("/auth/me", clerk.token(iat=early, nbf=early, exp=early + 60)).status_code == 401
    assert caplog.text.count(WRONG) == 1
    assert server.get("/readyz").json()["clock"] == "failed"


class TestRush:
    def test_passes(self) -> None:
        now = 0.0
        clock = ClerkClock(lambda: now)
        for _ in range(RUSH):
            clock.note(ErrorCode.TOKEN_NOT_ACTIVE_YET)
        assert clock.is_off
        now = RUSH_SECONDS
        assert not clock.is_off

    def test_other_refusals_do_not_count(self) -> None:
        clock = ClerkClock()
        for _ in range(RUSH):
            clock.note(ErrorCode.TOKEN_EXPIRED)
        assert not clock.is_off


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": formatdate(0, usegmt=True), "Age": "old"}])
def test_response_that_does_not_tell(headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    response = requests.Response()
    response.headers.update(headers)
    clock = ClerkClock()
    clock.hear(response)
    assert clock.ahead is None
    assert clock.state == "unknown"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
