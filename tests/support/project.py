"""A copy of the project, where nothing was built and no `make run` left anything."""

import os
import shutil
import subprocess
from pathlib import Path

from config import PROJECT

DEVELOPMENT = (
    "tests/",
    "benchmarks/",
    "clerk_emulator/",
    "counterfoil_testing/",
    "development/",
    "frontend/",
    "requirements-dev",
)


def copy_project(folder: Path, *, only: tuple[str, ...] = ("",), without: tuple[str, ...] = ("tests/",)) -> None:
    """All that git knows or would add and whose name begins like one of `only`, but for those like one of `without`."""
    names = subprocess.check_output(("git", "ls-files", "-co", "--exclude-standard"), cwd=PROJECT, text=True)
    for name in names.splitlines():
        if name.startswith(only) and not name.startswith(without) and (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)


def link_programs(folder: Path) -> None:
    """The .venv of this checkout at its place in the copy: some tests start what is in there by its path."""
    shutil.copytree(PROJECT / ".venv", folder / ".venv", symlinks=True, copy_function=os.link)


def link_packages(folder: Path) -> None:
    """The packages of the page, if they are installed here."""
    packages = PROJECT / "frontend" / "node_modules"
    if packages.is_dir():
        (folder / "frontend" / "node_modules").symlink_to(packages)
