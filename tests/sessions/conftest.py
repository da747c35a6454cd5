from collections.abc import Iterator

import pytest

from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.sessions import LiveSessions
from tests.sessions.live import Clock, session
from tests.support.clerk_api import SECRET_KEY, ApiServer


@pytest.fixture
def clerk_server() -> Iterator[ApiServer]:
    """In the place of Clerk's Backend API: says that the session is active, until a test says otherwise."""
    with ApiServer(session()) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clerk_server: ApiServer, clock: Clock) -> LiveSessions:
    return LiveSessions(BackendApi(clerk_server.url, SECRET_KEY, clock=clock), clock=clock)
