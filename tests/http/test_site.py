"""The page at `/`, its files, and what it is told."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from settings.development import LOCAL_CLERK_HOST
from tests.support.clerk import Instance
from tests.support.commands import make_app
from tests.support.server import Server

PAGE = "<!doctype html><title>Page</title>"
SCRIPT = "console.log('here')"
LOCAL = Instance(LOCAL_CLERK_HOST)
# Without a word for inline scripts.
ALWAYS = {
    "default-src": ["'none'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "font-src": ["'self'"],
    "worker-src": ["'self'", "blob:"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}
SITE = import_module("backend.api.site")  # `from … import` would find the blueprint of that name


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built page, in a folder with a secret beside it."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "index-1a2b.js").write_text(SCRIPT)
    (folder / ".sources").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(SITE, "BUILT", folder)
    return folder


class Browser(FlaskClient):
    """Reads each answer to its end, so that the file behind it is closed."""

    def open(self, *arguments: Any, **options: Any) -> TestResponse:
        return super().open(*arguments, buffered=True, **options)


def browse(app: Flask) -> FlaskClient:
    app.test_client_class = Browser
    return app.test_client()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return browse(app)


def policy_of(client: FlaskClient) -> dict[str, list[str]]:
    """What the page may load, by kind."""
    header = client.get("/").headers["Content-Security-Policy"]
    return {kind: sources for kind, *sources in map(str.split, header.split(";"))}


class TestIndex:
    def test_not_built(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(SITE, "BUILT", tmp_path)
        answer = client.get("/")
        assert (answer.status_code, answer.mimetype) == (200, "application/json")
        body = answer.get_json()
        assert body["name"] == "Counterfoil"
        assert body["version"]
        for path in body["links"].values():
            assert client.get(path).status_code in {200, 401, 405, 503}, path
        again = client.get("/", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")

    @pytest.mark.usefixtures("built")
    def test_built(self, client: FlaskClient) -> None:
        answer = client.get("/")
        assert (answer.text, answer.mimetype) == (PAGE, "text/html")
        assert answer.headers["Cache-Control"] == "no-cache"
        again = client.get("/", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        head = client.head("/")
        assert (head.status_code, head.data) == (200, b"")

    @pytest.mark.usefixtures("built")
    def test_nobody_frames_it_or_guesses_types(self, client: FlaskClient) -> None:
        headers = client.get("/").headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"


@pytest.mark.usefixtures("built")
class TestAssets:
    def test_kept_for_ever(self, client: FlaskClient) -> None:
        answer = client.get("/assets/index-1a2b.js")
        assert (answer.text, answer.mimetype) == (SCRIPT, "text/javascript")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"

    def test_nothing_else_is_served(self, client: FlaskClient) -> None:
        names = ("none.js", "", "..", "../.sources", "..%2f.sources", "%2e%2e%2f.sources", "..%5c.sources")
        more = ("..%2f..%2fsecret", "/etc/passwd", "%2fetc%2fpasswd", "index-1a2b.js%00")
        for path in (*(f"/assets/{name}" for name in (*names, *more)), "/.sources", "/index.html"):
            answer = client.get(path)
            assert (answer.status_code, answer.get_json()["code"]) == (404, "not-found"), path
            assert answer.headers["Cache-Control"] == "no-store"


class TestConfig:
    def test_clerk(self, settings: dict[str, str], clerk: Instance) -> None:
        client = browse(make_app(settings | {"CLERK_PUBLISHABLE_KEY": clerk.publishable_key}))
        told = {"publishable_key": clerk.publishable_key, "proxy_url": None}
        assert client.get("/config.json").get_json() == told

    def test_keys_of_a_local_clerk_instance_alone(self, settings: dict[str, str]) -> None:
        """Only what development/site.py serves has a way to it."""
        client = browse(make_app(settings | {"CLERK_PUBLISHABLE_KEY": LOCAL.publishable_key}))
        told = {"publishable_key": LOCAL.publishable_key, "proxy_url": None}
        assert client.get("/config.json").get_json() == told

    def test_no_publishable_key(self, client: FlaskClient) -> None:
        assert client.get("/config.json").get_json() == {"publishable_key": None, "proxy_url": None}


@pytest.mark.usefixtures("built")
class TestContentSecurityPolicy:
    def test_clerk(self, settings: dict[str, str], clerk: Instance) -> None:
        """Scripts come from here, from this Clerk instance, and from the check for robots that Clerk uses."""
        policy = policy_of(browse(make_app(settings | {"CLERK_PUBLISHABLE_KEY": clerk.publishable_key})))
        theirs, robots = f"https://{clerk.host}", "https://challenges.cloudflare.com"
        assert policy == ALWAYS | {
            "script-src": ["'self'", theirs, robots],
            "connect-src": ["'self'", theirs],
            "img-src": ["'self'", "data:", "https://img.clerk.com"],
            "frame-src": [robots],
        }

    def test_local_clerk(self, settings: dict[str, str]) -> None:
        """All of it comes from this origin, but the picture that the local Clerk instance gives everybody."""
        own = {"CLERK_PUBLISHABLE_KEY": LOCAL.publishable_key, "CLERK_API_URL": "http://localhost:5555"}
        assert policy_of(browse(make_app(settings | own))) == ALWAYS | {
            "script-src": ["'self'"],
            "connect-src": ["'self'"],
            "img-src": ["'self'", "data:", "https://img.clerk.com", "http://localhost:5555"],
            "frame-src": ["'none'"],
        }


def test_production_has_no_way_to_a_local_clerk_instance(server: Server) -> None:
    answer = server.get("/__clerk/v1/client")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
