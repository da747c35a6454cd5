"""Servers that several files share: one with a frontend and Clerk's API, one behind a proxy that speaks TLS."""

from collections.abc import Iterator

import pytest

from tests.support.clerk import session_data
from tests.support.clerk_api import SECRET_KEY, ApiServer, answer_with
from tests.support.fixtures import StartServer
from tests.support.server import Server

ADMIN, SESSION = "user_admin", "sess_admin"
FRONTEND, OTHER_FRONTEND = "https://app.example.com", "http://admin.example.com:8080"
# The pair that Clerk's own tests use: a publishable key, and the suffix of its cookies.
PUBLISHABLE_KEY, COOKIE = "pk_test_Y2xlcmsuY2xlcmsuZGV2JA", "__session_QvfNY2dr"


@pytest.fixture(scope="session")
def clerk_api() -> Iterator[ApiServer]:
    """Clerk's API, where the admin's session goes on."""
    with ApiServer(answer_with(session_data(ADMIN, SESSION))) as running:
        yield running


@pytest.fixture(scope="session")
def site(start_server: StartServer, clerk_api: ApiServer) -> Iterator[Server]:
    settings = {
        "CLERK_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "CORS_ORIGINS": f"{FRONTEND},{OTHER_FRONTEND}",
        "CLERK_API_URL": clerk_api.url,
        "CLERK_SECRET_KEY": SECRET_KEY,
    }
    with start_server(**settings) as running:
        yield running


@pytest.fixture(scope="session")
def behind_a_proxy(start_server: StartServer) -> Iterator[Server]:
    with start_server(TRUSTED_PROXIES="1", CORS_ORIGINS=FRONTEND) as running:
        yield running
