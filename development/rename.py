"""`python -m development.rename NAME`: give the application another name, everywhere it stands.

The same command with the old name takes it back, byte for byte. The folder of the test kit is renamed with it, by `git
mv`. What is written as bytes (b"…") is key material: the key that encrypts stored responses follows from it, so it
keeps its name, and so does whom LICENSE names.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from config import PROJECT

NAME = re.compile(r"[A-Z][A-Za-z0-9]+")
KEPT = {"LICENSE"}
KEY_MATERIAL = re.compile(rb"b\"[^\"]*\"")


class RenameError(Exception):
    """With the line that says what is wrong."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not NAME.fullmatch(arguments[0]):
        print(
            "usage: python -m development.rename NAME    one word: a capital, then letters and digits", file=sys.stderr
        )
        return 2
    try:
        old = rename(PROJECT, arguments[0])
    except (RenameError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Renamed. `git diff` shows it; `python -m development.rename {old}` takes it back.")
    return 0


def rename(project: Path, new: str) -> str:
    """Rename the application in `project`, a git checkout; returns the old name. Raises RenameError, OSError.

    All is read before anything is written, so a refusal changes nothing.
    """
    texts = {path: text for path in _files(project) if (text := _read(path)) is not None}
    old = _name_of(project)
    kit, new_kit = (project / f"{name.lower()}_testing" for name in (old, new))
    if new_kit.exists() or any(new.lower().encode() in KEY_MATERIAL.sub(b"", text).lower() for text in texts.values()):
        raise RenameError(f"{new} stands in the project already, so it could not be taken back. Choose another name.")
    renamed = {path: _renamed(text, old, new) for path, text in texts.items()}
    if kit.is_dir():
        subprocess.run(["git", "mv", kit, new_kit], cwd=project, check=True)
    for path, text in renamed.items():
        if text != texts[path]:
            (new_kit / path.relative_to(kit) if path.is_relative_to(kit) else path).write_bytes(text)
    # A shorter or longer name breaks lines elsewhere, and an import stands where the alphabet has it. The project is
    # always formatted, so this is undone as well.
    for form in (("check", "--select", "I", "--fix"), ("format",)):
        subprocess.run([sys.executable, "-m", "ruff", *form, "--quiet", "--no-cache"], cwd=project, check=True)
    return old


def _name_of(project: Path) -> str:
    """As people write it: it stands in the description of the package in its first docstring."""
    stem: str = tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"]
    found = re.search(stem, (project / "backend" / "__init__.py").read_text(), re.IGNORECASE)
    if found is None:
        raise RenameError(f"The name {stem} of pyproject.toml does not stand in backend/__init__.py.")
    return found[0]


def _files(project: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=project, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise RenameError("This is no git checkout: run git init, and commit, so that you can see what changes.")
    return [project / name for name in listed.stdout.split("\0") if name and name not in KEPT]


def _read(path: Path) -> bytes | None:
    """None for what is no text: pictures."""
    text = path.read_bytes()
    return None if b"\0" in text else text


def _renamed(text: bytes, old: str, new: str) -> bytes:
    places, kept = KEY_MATERIAL.split(text), KEY_MATERIAL.findall(text)
    changed = [
        place.replace(old.encode(), new.encode()).replace(old.lower().encode(), new.lower().encode())
        for place in places
    ]
    return b"".join(part for pair in zip(changed, [*kept, b""], strict=True) for part in pair)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
