"""`python -m development.rename`, in a copy of the project: everywhere, and back again to the byte."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import run_module
from tests.support.project import copy_project
from tests.support.server import PROJECT, clean_environment

OLD = "Counterfoil"
# Key material, and the authors whom the license names.
KEEPS_ITS_NAME = re.compile(f'b"{OLD}[^"]*"|the {OLD} authors'.encode(), re.IGNORECASE)
# Not in one piece: a name that stands in the project is refused.
NEW = "Wunder" + "bar"


def run(project: Path, *module: str) -> subprocess.CompletedProcess[str]:
    return run_module(*module, environment=clean_environment(), folder=project, timeout=60)


def rename(project: Path, name: str) -> subprocess.CompletedProcess[str]:
    return run(project, "development.rename", name)


def files(project: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.parts and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "project"
    if subprocess.run(("git", "rev-parse"), cwd=PROJECT, capture_output=True, check=False).returncode:
        pytest.skip("this project is no git checkout")
    copy_project(folder, without=())
    for command in (("init", "--quiet"), ("add", "--all")):
        subprocess.run(("git", *command), cwd=folder, check=True)
    return folder


def test_there_and_back(project: Path) -> None:
    before = files(project)
    there = rename(project, NEW)
    assert there.returncode == 0, there.stderr
    left = [
        name
        for name, text in files(project).items()
        if OLD.lower().encode() in name.lower().encode() + KEEPS_ITS_NAME.sub(b"", text).lower()
    ]
    assert left == []
    assert run(project, f"{NEW.lower()}_testing.fixtures").returncode == 0, "the kit's imports name it otherwise"
    described = run(project, "development.describe_api")
    assert f'"title": "{NEW}"' in described.stdout, described.stderr
    assert run(project, "ruff", "check", "--no-cache").returncode == 0
    assert f"development.rename {OLD}" in there.stdout
    back = rename(project, OLD)
    assert back.returncode == 0, back.stderr
    assert files(project) == before


@pytest.mark.parametrize(
    ("name", "said"), [("Flask", "already"), ("two words", "one word"), ("lower", "one word"), ("Ä", "one word")]
)
def test_refusals_change_nothing(project: Path, name: str, said: str) -> None:
    before = files(project)
    refused = rename(project, name)
    assert refused.returncode in {1, 2}
    assert said in refused.stderr
    assert files(project) == before


def test_no_checkout(project: Path, tmp_path: Path) -> None:
    for name in ("development/__init__.py", "development/rename.py", "config.py", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((project / name).read_bytes())
    for folder in ("settings", "backend"):
        (tmp_path / folder).symlink_to(PROJECT / folder)
    refused = rename(tmp_path, NEW)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "git init" in refused.stderr
