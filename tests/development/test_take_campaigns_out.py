"""docs/make-it-yours.md, "Take campaigns out": its steps, done in a copy of the project as they stand there."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from development.node import ToolsMissingError, install
from tests.documentation.pages import FENCE
from tests.support.project import copy_project, link_packages, link_programs
from tests.support.server import PROJECT, clean_environment

PAGE = "docs/make-it-yours.md"
BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
PROGRAMS = Path(sys.executable).parent
CHECKS = (("ruff", "check", "--no-cache"), ("ruff", "format", "--check", "--no-cache"))
# Which no longer name a resource that is not there. The column is said to stay.
NAMED = re.compile(r"campaign(?!s.(?:created|made))", re.IGNORECASE)


def do(project: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=project, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def delete(file: Path, beginning: str) -> None:
    """The lines from each that begins so to the one in which its last bracket closes."""
    kept, is_found, depth = [], False, 0
    for line in file.read_text().splitlines(keepends=True):
        if depth == 0 and not line.strip().startswith(beginning):
            kept.append(line)
        else:
            is_found = True
            depth += sum(BRACKETS.get(character, 0) for character in line)
    assert is_found, f"{PAGE}: nothing in {file.name} begins with {beginning}"
    file.write_text("".join(kept))


def take_out(project: Path) -> None:
    """Do what the section says, from top to bottom."""
    section = (project / PAGE).read_text().partition("## Take campaigns out\n")[2].partition("\n## ")[0]
    blocks = [(language, text) for _, language, text in FENCE.findall(section)]
    (deletions, migration, generation) = (text for _, text in blocks)
    assert [language for language, _ in blocks] == ["sh", "python", "sh"]
    for line in deletions.splitlines():
        do(project, *shlex.split(line))
    for file, beginnings in re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE):
        for quoted in re.findall(r"`` (.+?) ``|`([^`]+)`", beginnings):
            delete(project / file, "".join(quoted))
    add_migration(project, migration)
    for line in generation.splitlines():
        program, *words = shlex.split(line)
        command = ("python", "-m", "development.generate_client") if line == "make client" else (program, *words)
        do(project, str(PROGRAMS / Path(command[0]).name), *command[1:])


def add_migration(project: Path, text: str) -> None:
    """With the number that follows the last one."""
    revisions = project / "migrations" / "versions"
    last = max(path.name for path in revisions.glob("*.py"))[:3]
    shown = re.findall(r'revision = "(\d+)"', text)[0]
    new = f"{int(last) + 1:03}"
    text = text.replace(f'down_revision = "{int(shown) - 1:03}"', f'down_revision = "{last}"').replace(shown, new)
    name = text.splitlines()[0].removeprefix("# ")
    (project / name).write_text(text.partition("\n")[2])
    tables = project / "backend" / "models" / "__init__.py"
    tables.write_text(tables.read_text().replace(f'SCHEMA_REVISION = "{last}"', f'SCHEMA_REVISION = "{new}"'))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        install()
    except ToolsMissingError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("copy") / "project"
    copy_project(folder, without=())
    link_packages(folder)
    take_out(folder)
    return folder


def test_describes_itself(project: Path) -> None:
    described = json.loads((project / "frontend" / "openapi.json").read_text())
    assert "/api/keys" in described["paths"]
    assert NAMED.findall(json.dumps(described)) == []


@pytest.mark.parametrize("folder", ["backend", "frontend/src", "tests/browser"])
def test_nothing_is_left(project: Path, folder: str) -> None:
    left = {
        str(path.relative_to(project)): NAMED.findall(text)
        for path in (project / folder).rglob("*.*")
        if path.is_file() and NAMED.search(text := path.read_text())
    }
    assert left == {}


@pytest.mark.parametrize("checked", CHECKS, ids=" ".join)
def test_style(project: Path, checked: tuple[str, ...]) -> None:
    program, *words = checked
    do(project, str(PROGRAMS / program), *words)


@pytest.mark.slow
@pytest.mark.parametrize("checked", [("mypy",), ("lint-imports",)], ids=" ".join)
def test_types_and_imports(project: Path, checked: tuple[str, ...]) -> None:
    do(project, str(PROGRAMS / checked[0]))


@pytest.mark.slow
def test_suite(project: Path) -> None:
    """All that is left of it, with a .venv of its own: some tests start what is in there by its path."""
    link_programs(project)
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--ignore={Path(__file__).relative_to(PROJECT)}"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout[-5_000:]
