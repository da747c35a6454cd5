"""Clerk's scripts for the browser, at the addresses that Clerk's SDKs make."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.traffic import exchange, raw_request

from .harness import EmulatorProcess

SCRIPT = "console.log('clerk')"
CHUNK = "1234_ui_58d0c7_1.36.0.js"


@pytest.fixture(scope="module", autouse=True)
def _packages(bundles: Path) -> None:
    """A folder like the node_modules of a project, with more in it than is for browsers."""
    for package, version, file in (
        ("clerk-js", "6.40.0", "clerk.browser.js"),
        ("ui", "1.36.0", CHUNK),
        ("backend", "3.0.0", "index.js"),
    ):
        dist = bundles / "@clerk" / package / "dist"
        dist.mkdir(parents=True)
        (dist / file).write_text(SCRIPT)
        (dist.parent / "package.json").write_text(json.dumps({"version": version}))
    (bundles.parent / "secret.js").write_text("secret")


def get(emulator: EmulatorProcess, path: str, **headers: str) -> requests.Response:
    return requests.get(f"{emulator.url}/npm/@clerk/{path}", headers=headers, timeout=5)


@pytest.mark.parametrize("version", ["6", "6.40.0", "latest", "5.1.0"])
def test_whichever_version_is_asked_for(emulator: EmulatorProcess, version: str) -> None:
    answer = get(emulator, f"clerk-js@{version}/dist/clerk.browser.js")
    assert (answer.status_code, answer.text) == (200, SCRIPT)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_exact_version_is_kept_for_ever_and_others_are_asked_again(emulator: EmulatorProcess) -> None:
    for version, expected in (("1.36.0", "max-age=31536000, immutable"), ("1", "max-age=60")):
        answer = get(emulator, f"ui@{version}/dist/{CHUNK}")
        assert answer.headers["Cache-Control"] == f"public, {expected}"
    again = get(emulator, f"ui@1/dist/{CHUNK}", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "ui@1/dist/none.js",
        "ui@1/dist/",
        "ui@1/package.json",
        "backend@3/dist/index.js",
        "ui@1/dist/../package.json",
        "ui@1/dist/..%2fpackage.json",
        "ui@1/dist/%2e%2e/%2e%2e/backend/dist/index.js",
        "ui@1/dist/../../../../secret.js",
        "ui@1/dist/..%5c..%5csecret.js",
        "ui@1/dist//etc/passwd",
        "ui@1/dist/%2fetc%2fpasswd",
        "ui@1/dist/clerk%00.js",
        "..@1/dist/secret.js",
        "%2e%2e@1/dist/secret.js",
        "../../secret.js",
    ],
)
def test_nothing_else_is_served(emulator: EmulatorProcess, path: str) -> None:
    host = {"Host": f"localhost:{emulator.port}"}
    status, _, body = exchange(emulator, raw_request("GET", f"/npm/@clerk/{path}", host))
    assert status == 404
    assert json.loads(body)["errors"][0]["code"] == "resource_not_found"


@pytest.fixture
def manifest(bundles: Path) -> Iterator[Path]:
    path = bundles / "@clerk" / "clerk-js" / "package.json"
    good = path.read_bytes()
    yield path
    path.write_bytes(good)


def test_never_fetched_or_broken(emulator: EmulatorProcess, manifest: Path) -> None:
    for text in (None, "", "{", "[]", "{}"):
        manifest.unlink() if text is None else manifest.write_text(text)
        answer = get(emulator, "clerk-js@6/dist/clerk.browser.js")
        assert answer.status_code == 404, text
        assert "make frontend" in answer.json()["errors"][0]["long_message"]
