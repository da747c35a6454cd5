"""Clerk's scripts for the browser, at the addresses that Clerk's SDKs make."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.traffic import raw_request

from .harness import EmulatorProcess, Receiver

SCRIPT = "console.log('clerk')"
CHUNK = "1234_ui_58d0c7_1.36.0.js"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the node_modules of a project, with more in it than is for browsers."""
    folder = tmp_path_factory.mktemp("project") / "node_modules"
    for package, version, file in (
        ("clerk-js", "6.40.0", "clerk.browser.js"),
        ("ui", "1.36.0", CHUNK),
        ("backend", "3.0.0", "index.js"),
    ):
        dist = folder / "@clerk" / package / "dist"
        dist.mkdir(parents=True)
        (dist / file).write_text(SCRIPT)
        (dist.parent / "package.json").write_text(json.dumps({"version": version}))
    (folder.parent / "secret.js").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def emulator(
    bundles: Path, tmp_path_factory: pytest.TempPathFactory, shared_receiver: Receiver
) -> Iterator[EmulatorProcess]:
    state = tmp_path_factory.mktemp("emulator") / "state"
    emulator = EmulatorProcess(state, shared_receiver.url, options=("--bundles", str(bundles)))
    emulator.start()
    yield emulator
    emulator.stop()


def get(emulator: EmulatorProcess, path: str) -> requests.Response:
    return requests.get(f"{emulator.url}/npm/@clerk/{path}", timeout=5)


def exchange(emulator: EmulatorProcess, path: str) -> tuple[int, Any]:
    """The path as it is written here: no library tidies it."""
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=5) as connection:
        connection.sendall(raw_request("GET", path, {"Host": f"localhost:{emulator.port}"}))
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body.decode()


class TestThere:
    @pytest.mark.parametrize("version", ["6", "6.40.0", "latest", "5.1.0"])
    def test_whichever_version_is_asked_for(self, emulator: EmulatorProcess, version: str) -> None:
        answer = get(emulator, f"clerk-js@{version}/dist/clerk.browser.js")
        assert (answer.status_code, answer.text) == (200, SCRIPT)
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"

    def test_the_exact_version_is_kept_for_ever(self, emulator: EmulatorProcess) -> None:
        for version, expected in (("1.36.0", "max-age=31536000, immutable"), ("1", "max-age=60")):
            answer = get(emulator, f"ui@{version}/dist/{CHUNK}")
            assert answer.headers["Cache-Control"] == f"public, {expected}"

    def test_asked_again_by_its_tag(self, emulator: EmulatorProcess) -> None:
        url = f"{emulator.url}/npm/@clerk/ui@1/dist/{CHUNK}"
        tag = requests.get(url, timeout=5).headers["ETag"]
        again = requests.get(url, headers={"If-None-Match": tag}, timeout=5)
        assert (again.status_code, again.content) == (304, b"")


class TestNotThere:
    @pytest.mark.parametrize(
        "path",
        [
            "/npm/@clerk/ui@1/dist/none.js",
            "/npm/@clerk/ui@1/dist/",
            "/npm/@clerk/ui@1/package.json",
            "/npm/@clerk/backend@3/dist/index.js",
            "/npm/@clerk/ui@1/dist/../package.json",
            "/npm/@clerk/ui@1/dist/..%2fpackage.json",
            "/npm/@clerk/ui@1/dist/%2e%2e/%2e%2e/backend/dist/index.js",
            "/npm/@clerk/ui@1/dist/../../../../secret.js",
            "/npm/@clerk/ui@1/dist/..%5c..%5csecret.js",
            "/npm/@clerk/ui@1/dist//etc/passwd",
            "/npm/@clerk/ui@1/dist/%2fetc%2fpasswd",
            "/npm/@clerk/ui@1/dist/clerk%00.js",
            "/npm/@clerk/..@1/dist/secret.js",
            "/npm/@clerk/%2e%2e@1/dist/secret.js",
            "/npm/@clerk/../../secret.js",
        ],
    )
    def test_nothing_else_is_served(self, emulator: EmulatorProcess, path: str) -> None:
        status, body = exchange(emulator, path)
        assert status == 404
        assert json.loads(body)["errors"][0]["code"] == "resource_not_found"

    @pytest.mark.parametrize("manifest", [None, "", "{", "[]", "{}"])
    def test_never_fetched_or_broken(
        self, tmp_path: Path, shared_receiver: Receiver, manifest: str | None
    ) -> None:
        package = tmp_path / "none" / "@clerk" / "clerk-js"
        if manifest is not None:
            package.mkdir(parents=True)
            (package / "package.json").write_text(manifest)
        emulator = EmulatorProcess(
            tmp_path / "state", shared_receiver.url, options=("--bundles", str(tmp_path / "none"))
        )
        emulator.start()
        try:
            answer = get(emulator, "clerk-js@6/dist/clerk.browser.js")
            assert answer.status_code == 404
            assert "make frontend" in answer.json()["errors"][0]["long_message"]
        finally:
            emulator.stop()
