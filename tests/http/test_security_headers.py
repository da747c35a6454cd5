"""What every response says to browsers. tests/browser sees that they still show the pages."""

import secrets

import pytest
from flask.testing import FlaskClient

from tests.support.clerk import Instance
from tests.support.commands import make_app
from tests.support.server import Server

API = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Strict-Transport-Security": None,
}
HSTS = "max-age=31536000"
# Answered, refused, not found, not allowed, redirected to nowhere; and a preflight, which nobody authenticates.
ASKED = [
    *(
        ("GET", path)
        for path in ("/healthz", "/config.json", "/nowhere", "/auth/me", "/api/campaigns", "/api/webhooks")
    ),
    ("POST", "/api/webhooks"),
    ("DELETE", "/healthz"),
    ("OPTIONS", "/auth/me"),
]


@pytest.fixture
def production(settings: dict[str, str], clerk: Instance) -> FlaskClient:
    needed = {
        "ENV": "production",
        "CLERK_ISSUER": clerk.issuer,
        "CLERK_AUTHORIZED_PARTIES": "*",
        "API_KEY_PEPPER": secrets.token_urlsafe(32),
    }
    return make_app(settings | needed).test_client()


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_of_the_api(server: Server, method: str, path: str) -> None:
    headers = server.request(method, path, headers={"Origin": "http://localhost:5173"}).headers
    assert {name: headers.get(name) for name in API} == API


def test_each_is_there_once(server: Server) -> None:
    for path in ("/healthz", "/docs", "/docs/start.js", "/openapi.json", "/nowhere"):
        names = [name.lower() for name, _ in server.get(path).raw.headers.items()]
        assert len(names) == len(set(names)), path


def test_docs_say_their_own(server: Server) -> None:
    headers = server.get("/docs").headers
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_production_is_asked_for_by_tls_alone(production: FlaskClient) -> None:
    for path in ("/healthz", "/nowhere", "/docs", "/auth/me"):
        assert production.get(path, buffered=True).headers.getlist("Strict-Transport-Security") == [HSTS], path
