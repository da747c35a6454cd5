"""Clerk's Backend API as the tests of its client and of live sessions need it: a server whose answers they choose."""

from collections.abc import Iterator

import pytest

from backend.services.clerk.client import http
from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.sessions import LiveSessions
from tests.clerk_client.live import Clock, session
from tests.support.clerk_api import DEADLINE, ApiServer, answer_with, open_api


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer(answer_with({"id": "x"})) as running:
        yield running


@pytest.fixture
def api(server: ApiServer) -> Iterator[ClerkApi]:
    with open_api(server.url) as api:
        yield api


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that a test can wait for."""
    monkeypatch.setattr(http, "DEADLINE_SECONDS", DEADLINE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(server: ApiServer, clock: Clock) -> Iterator[LiveSessions]:
    """Clerk says that the session is active, until a test says otherwise."""
    server.answer = session()
    with open_api(server.url, clock=clock) as api:
        yield LiveSessions(api, clock=clock)
