"""Clerk's scripts for the browser: fetched by npm once, exactly these versions, and nothing else of the packages."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from development import bundles
from development.bundles import Bundle, are_there, fetch
from development.node import FOR_TYPES, NodeError, ToolsMissingError, check_node
from tests.development.npm_registry import Registry, archive, sha512

MANIFEST = json.dumps({"name": "@clerk/ui", "version": "1.0.0"}).encode()
SCRIPT = b"console.log('clerk')"
GOOD = {
    "package/package.json": MANIFEST,
    "package/dist/ui.browser.js": SCRIPT,
    "package/dist/12_ui_1a2b_1.0.0.js": SCRIPT,
    "package/dist/server.js": b"not for browsers",
    "package/dist/parts/ui.browser.js": b"not for browsers",
}
THERE = {"package.json", "dist", "dist/ui.browser.js", "dist/12_ui_1a2b_1.0.0.js"}


@pytest.fixture(scope="module", autouse=True)
def npm() -> None:
    try:
        check_node(FOR_TYPES)
    except ToolsMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as running:
        monkeypatch.setenv("npm_config_registry", running.url)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "bundles"


def publish(registry: Registry, monkeypatch: pytest.MonkeyPatch, packed: bytes, version: str = "1.0.0") -> None:
    """The registry has this archive, and it is the one that we want."""
    registry.publish("@clerk/ui", version, packed)
    monkeypatch.setattr(bundles, "BUNDLES", (Bundle("ui", version, sha512(packed)),))


def files(folder: Path) -> set[str]:
    place = folder / "@clerk" / "ui"
    return {str(path.relative_to(place)) for path in place.rglob("*")}


class TestFetch:
    def test_once_also_by_two_at_once(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        publish(registry, monkeypatch, archive(GOOD))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fetch, [folder, folder]))
        assert registry.fetched == ["@clerk/ui"]
        assert capsys.readouterr().out.count("Fetching @clerk/ui 1.0.0 ...") == 1
        assert are_there(folder)
        assert files(folder) == THERE
        assert (folder / "@clerk" / "ui" / "dist" / "ui.browser.js").read_bytes() == SCRIPT
        fetch(folder)
        assert capsys.readouterr().out == ""
        assert {path.name for path in folder.iterdir()} == {"@clerk"}

    def test_what_an_interruption_left_and_another_version(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        """Killed while npm wrote, while the archive was unpacked, and between two versions."""
        (folder / "ui.new" / "package" / "dist").mkdir(parents=True)
        (folder / "ui.new" / "clerk-ui-1.0.0.tgz").write_bytes(b"half")
        (folder / "@clerk" / "ui" / "dist").mkdir(parents=True)
        publish(registry, monkeypatch, archive(GOOD))
        manifest = folder / "@clerk" / "ui" / "package.json"
        for text in ("", "{", "[]", "{}"):
            manifest.write_text(text)
            assert not are_there(folder), text
        manifest.unlink()
        assert not are_there(folder)
        fetch(folder)
        assert files(folder) == THERE

        newer = json.dumps({"version": "2.0.0"}).encode()
        only = {"package/package.json": newer, "package/dist/ui.browser.js": SCRIPT}
        publish(registry, monkeypatch, archive(only), "2.0.0")
        assert not are_there(folder)
        fetch(folder)
        assert files(folder) == {"package.json", "dist", "dist/ui.browser.js"}

    def test_another_archive_under_the_same_version_is_refused(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        publish(registry, monkeypatch, archive(GOOD))
        registry.publish("@clerk/ui", "1.0.0", archive(GOOD | {"package/dist/ui.browser.js": b"evil()"}))
        with pytest.raises(NodeError, match="SHA-512 differs"):
            fetch(folder)
        assert not are_there(folder)
        assert list(folder.iterdir()) == []

    def test_nothing_is_written_elsewhere(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
    ) -> None:
        evil = {
            f"package/dist/{name}": b"evil"
            for name in ("../../../evil.browser.js", "..", "a/../../evil.browser.js", "../x.browser.js")
        }
        links = {"package/dist/link.browser.js": str(tmp_path), "package/dist/other.browser.js": "/etc/passwd"}
        publish(registry, monkeypatch, archive(GOOD | evil | {"/evil.browser.js": b"evil"}, links))
        fetch(folder)
        assert files(folder) == THERE
        assert not list(tmp_path.rglob("evil*"))

    def test_the_pinned_versions_are_what_the_registry_has(self, folder: Path) -> None:
        try:
            fetch(folder)
        except ToolsMissingError as error:
            pytest.skip(str(error))
        dist = folder / "@clerk"
        assert (dist / "clerk-js" / "dist" / "clerk.browser.js").stat().st_size > 100_000
        assert (dist / "ui" / "dist" / "ui.browser.js").stat().st_size > 100_000

    def test_registry_out_of_reach(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
        with pytest.raises(ToolsMissingError, match=r"npm cannot reach its registry \(ECONNREFUSED\)"):
            fetch(folder)
