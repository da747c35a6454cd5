from collections.abc import Iterator

import pytest

from backend.services.clerk.client import http
from backend.services.clerk.client.backend_api import BackendApi
from tests.support.clerk_api import SECRET_KEY, ApiServer, answer_with

LIMIT = 0.4  # seconds, in the place of three


@pytest.fixture
def clerk_server() -> Iterator[ApiServer]:
    with ApiServer(answer_with({"id": "x"})) as running:
        yield running


@pytest.fixture
def api(clerk_server: ApiServer) -> BackendApi:
    return BackendApi(clerk_server.url, SECRET_KEY)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit that a test can wait for."""
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", LIMIT)
