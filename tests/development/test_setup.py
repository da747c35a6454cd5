"""`make setup`, on a project of its own whose only requirement is a package made here."""

import ast
import hashlib
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from config import PROJECT

SETUP = Path("development") / "setup_venv.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with a space in its name, not yet set up."""
    folder = tmp_path / "a project"
    (folder / SETUP).parent.mkdir(parents=True)
    shutil.copy(PROJECT / SETUP, folder / SETUP)
    require(folder, "1.0")
    return folder


def require(project: Path, version: str) -> None:
    """Make the requirement a wheel of this version, as pip would find it in an index."""
    wheel = project / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (project / "requirements-dev.txt").write_text(f"./{wheel.name} --hash=sha256:{digest}\n")


def start(project: Path, python: str = sys.executable) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, project / SETUP], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def setup(project: Path, python: str = sys.executable) -> tuple[int, str, str]:
    process = start(project, python)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def installed(project: Path) -> str:
    command = (str(project / ".venv" / "bin" / "python"), "-c", "import tiny; print(tiny.VERSION)")
    return subprocess.check_output(command, text=True).strip()


def test_from_nothing_then_nothing_to_do_then_other_requirements(project: Path) -> None:
    first, second = start(project), start(project)  # two terminals at once
    outputs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert sum("Making .venv" in output for output in outputs) == 1
    assert installed(project) == "1.0"

    started = time.monotonic()
    assert setup(project) == (0, "", "")
    assert time.monotonic() - started < 2  # 0.05 s on a quiet machine

    require(project, "2.0")
    code, output, _ = setup(project)
    assert code == 0
    assert "Making .venv" not in output  # a good environment is kept
    assert installed(project) == "2.0"

    requirements = project / "requirements-dev.txt"
    requirements.write_text(requirements.read_text().split("sha256:")[0] + "sha256:" + "0" * 64 + "\n")
    code, _, errors = setup(project)
    assert code == 1
    assert "DO NOT MATCH THE HASHES" in errors
    assert setup(project)[0] == 1  # not taken for finished


def test_what_an_interruption_or_a_move_left_is_repaired(project: Path) -> None:
    venv = project / ".venv"
    (venv / "bin").mkdir(parents=True)  # killed while venv was working
    assert setup(project)[0] == 0
    assert installed(project) == "1.0"

    (venv / "setup-finished").rename(venv / "setup-unfinished")  # killed while pip was writing
    next(venv.glob("lib/*/site-packages/tiny.py")).unlink()  # looks installed, and is not
    assert setup(project)[0] == 0
    assert installed(project) == "1.0"

    moved = project.rename(project.with_name("moved"))  # scripts in a venv hold its absolute path
    assert setup(moved)[0] == 0
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


def old_python() -> str | None:
    for version in ("3.6", "3.7", "3.8", "3.9", "3.10"):
        for program in (shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
            if program and subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
                return str(program)
    return None


def test_an_old_python_gets_one_clear_line(project: Path) -> None:
    python = old_python()
    if python is None:
        pytest.skip("no Python older than 3.11 is installed")
    code, output, errors = setup(project, python)
    assert (code, output) == (1, "")
    assert errors.startswith("Python 3.11 or newer is needed; ")
    assert errors.count("\n") == 1
    assert not (project / ".venv").exists()


def test_python_3_6_can_read_the_script() -> None:
    ast.parse((PROJECT / SETUP).read_text(), feature_version=(3, 7))
