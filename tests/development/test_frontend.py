"""Building the page, in a project of its own with a page of one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from config import PROJECT
from development import bundles
from development.node import FOR_VITE, ToolsMissingError, check_node
from tests.support.waiting import wait_for

MODULES = ("config.py", "settings", "development", "backend")
COMMANDS = pytest.mark.parametrize("module", ["development.frontend", "development.generate_client"])
MAKE_PAGE = """
import sys
from development.frontend import make_page
from development.node import NodeError
try:
    make_page(with_bundles=False)
except NodeError as error:
    sys.exit(str(error))
"""
# In place of tsc and vite, with vite's options.
BUILD = """
import fs from "node:fs";
const folder = process.argv[process.argv.indexOf("--outDir") + 1];
const source = fs.readFileSync("src/main.js", "utf8");
if (source.includes("mistake")) { console.error("src/main.js: a mistake"); process.exit(1); }
fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder);
if (source.includes("slow")) await new Promise((resolve) => setTimeout(resolve, 60_000));
fs.writeFileSync(`${folder}/index.html`, source);
"""
BUILDING, INSTALLING = "Building the page in frontend/ ...\n", "Installing the packages of frontend/ ...\n"


@pytest.fixture(scope="module")
def node() -> None:
    try:
        check_node(FOR_VITE)
    except ToolsMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "a project")


def make_project(folder: Path) -> Path:
    folder.mkdir()
    for name in MODULES:
        whole = PROJECT / name
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, folder / name)
    frontend = folder / "frontend"
    (frontend / "src").mkdir(parents=True)
    (frontend / "tiny").mkdir()
    tiny = {"name": "tiny", "version": "1.0.0", "scripts": {"postinstall": "echo ran > ../ran"}}
    (frontend / "tiny" / "package.json").write_text(json.dumps(tiny))
    package = {"name": "page", "type": "module", "dependencies": {"tiny": "file:tiny"}}
    (frontend / "package.json").write_text(json.dumps(package | {"scripts": {"build": "node build.js"}}))
    own = {"version": "1.0.0", "hasInstallScript": True}
    linked = {"node_modules/tiny": {"resolved": "tiny", "link": True}, "tiny": own}
    lock = {"name": "page", "lockfileVersion": 3, "packages": {"": package, **linked}}
    (frontend / "package-lock.json").write_text(json.dumps(lock))
    (frontend / "build.js").write_text(BUILD)
    write(folder, "one")
    return folder


@pytest.fixture(scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory, node: None) -> Path:  # noqa: ARG001 - it is to be here
    folder = make_project(tmp_path_factory.mktemp("built") / "a project")
    assert make_page(folder) == (0, INSTALLING + BUILDING, "")
    return folder


@pytest.fixture
def built(tmp_path: Path, _built: Path) -> Path:
    """One whose page is built."""
    return shutil.copytree(_built, tmp_path / "a project", symlinks=True)


def write(project: Path, text: str) -> None:
    (project / "frontend" / "src" / "main.js").write_text(text)


def page(project: Path) -> str:
    return (project / "frontend" / "dist" / "index.html").read_text()


def start(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *(arguments or ("-c", MAKE_PAGE))],
        cwd=project,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(project: Path, module: str, interrupt_when: Path | None = None, **environment: str) -> tuple[int, str]:
    """What a command of the Makefile says on stderr, and its exit code; Clerk's scripts are there already."""
    for bundle in bundles.BUNDLES:
        manifest = project / ".local" / "bundles" / "@clerk" / bundle.name / "package.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text(json.dumps({"version": bundle.version}))
    process = start(project, "-m", module, **environment)
    if interrupt_when:
        wait_for(interrupt_when.exists, 60)
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def make_page(project: Path, **environment: str) -> tuple[int, str, str]:
    process = start(project, **environment)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def fake_node(folder: Path, version: str) -> str:
    """A PATH on which this version of Node.js is all that there is."""
    return scripts(folder, f"echo {version}", f"echo {version}")


def scripts(folder: Path, node: str, npm: str) -> str:
    """A PATH with these shell scripts."""
    folder.mkdir()
    for name, script in (("node", node), ("npm", npm)):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.mark.usefixtures("node")
class TestBuild:
    def test_once_also_by_two_at_once_and_again_after_a_change(self, project: Path) -> None:
        first, second = start(project), start(project)
        outputs = [process.communicate(timeout=120) for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), outputs
        assert sum(BUILDING in output for output, _ in outputs) == 1
        assert page(project) == "one"
        assert make_page(project) == (0, "", "")

        write(project, "two")
        assert make_page(project, NODE_ENV="production") == (0, BUILDING, "")
        assert page(project) == "two"
        source = project / "frontend" / "src" / "more.js"
        source.touch()
        assert make_page(project) == (0, BUILDING, "")
        source.rename(source.with_name("else.js"))
        assert make_page(project) == (0, BUILDING, "")
        (project / "frontend" / "openapi.json").write_text("{}")  # the page is not made of it
        assert make_page(project) == (0, "", "")

    def test_packages_run_no_scripts(self, built: Path) -> None:
        assert (built / "frontend" / "node_modules" / "tiny" / "package.json").is_file()
        assert not (built / "frontend" / "ran").exists()

    def test_a_mistake_leaves_the_page_before(self, built: Path) -> None:
        write(built, "a mistake")
        for _ in range(2):  # it is not taken for built
            code, _, errors = make_page(built)
            assert code == 1
            assert "src/main.js: a mistake" in errors
        assert page(built) == "one"

    def test_interrupted(self, built: Path) -> None:
        """Nothing goes on in the background, and the next run finishes it."""
        write(built, "slow")
        process = start(built)
        draft = built / "frontend" / "dist.new"
        wait_for(draft.exists, 60)
        building = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert psutil.wait_procs(building, timeout=20)[1] == []
        assert page(built) == "one"
        write(built, "three")
        assert make_page(built) == (0, BUILDING, "")
        assert page(built) == "three"

    def test_current_without_node(self, built: Path, tmp_path: Path) -> None:
        assert make_page(built, PATH=str(tmp_path)) == (0, "", "")


def test_no_node_or_an_old_one_is_one_line(project: Path, tmp_path: Path) -> None:
    needed = "Node.js 20.19, 22.12 or newer with npm is needed"
    assert make_page(project, PATH=str(tmp_path)) == (1, "", f"{needed}.\n")
    old = fake_node(tmp_path / "bin", "v18.20.4")
    assert make_page(project, PATH=old) == (1, "", f"{needed}; this is v18.20.4.\n")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        *((f"echo {good}", None) for good in ("v20.19.0", "v22.12.0", "v23.0.0", "v24.1.0")),
        *((f"echo {old}", f"this is {old}") for old in ("v20.18.9", "v21.7.0", "v22.11.0")),
        # As the stand-in of a version manager to which no version was named.
        (
            "echo No version is set for command node >&2; exit 126",
            "node --version says: No version is set for command node",
        ),
        ("exit 3", "node --version says: nothing"),
        ("echo v22.12.0; exit 1", "node --version says: v22.12.0"),
        ("echo hello; echo and more", "node --version says: hello and more"),
        ("echo vtwenty.1", "node --version says: vtwenty.1"),
        (r"printf '\377'", "node --version says: \ufffd"),
    ],
)
def test_which_node_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str | None) -> None:
    monkeypatch.setenv("PATH", scripts(tmp_path / "bin", script, "exit 0"))
    if said is None:
        check_node(FOR_VITE)
        return
    with pytest.raises(ToolsMissingError) as refusal:
        check_node(FOR_VITE)
    assert str(refusal.value) == f"Node.js 20.19, 22.12 or newer with npm is needed; {said}."


@COMMANDS
def test_ctrl_c_is_one_line(project: Path, tmp_path: Path, module: str) -> None:
    started = tmp_path / "started"
    path = scripts(tmp_path / "bin", "echo v24.0.0", f": > '{started}'; exec /bin/sleep 60")
    code, errors = command(project, module, started, PATH=path)
    assert (code, errors) == (130, "\nInterrupted. The next run finishes it.\n")


@COMMANDS
def test_what_the_system_refuses_is_one_line(project: Path, tmp_path: Path, module: str) -> None:
    """Here: npm is done and has made no folder to write into."""
    code, errors = command(project, module, PATH=fake_node(tmp_path / "bin", "v24.0.0"))
    assert code == 1
    assert "node_modules" in errors
    assert errors.count("\n") == 1
