"""Clerk's own scripts for the browser: exact versions, fetched once, for the local Clerk instance to serve."""

import base64
import hashlib
import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

from config import PROJECT
from development.node import FOR_TYPES, NodeError, check_node, npm
from development.setup_venv import OneAtATime

FOLDER = PROJECT / ".local" / "bundles"
MANIFEST = "package.json"
# The rest of the packages is for servers and for other bundlers.
FOR_BROWSERS = re.compile(r"package/(dist/[\w.-]+(?:\.browser[._]|_ui_)[\w.-]*js|package\.json)")


class Bundle(NamedTuple):
    """A version of a package @clerk/…, and the SHA-512 of its archive as the npm registry writes it."""

    name: str
    version: str
    sha512: str


BUNDLES = (
    Bundle(
        "clerk-js", "6.40.0", "2MnZ/ygvuCmeuqfXQmsxfQaLN/SSJvQbtT2cLXbgr5VKr3KmZFZBVvX977fG3eZ6pprl4J9pO+I2bbe6BvColg=="
    ),
    Bundle("ui", "1.36.0", "uI96zYCh5jISLOt1mdpIPy/Y31P0kwFxjUFOxLUwFfTHFmGUcRjbqN6bbb+75tdI2Bz6ARGws3rhspDer+xIfQ=="),
)


def are_there(folder: Path = FOLDER) -> bool:
    return all(_is_there(bundle, folder) for bundle in BUNDLES)


def fetch(folder: Path = FOLDER) -> None:
    """Bring what is missing into `folder`. May be interrupted, or called twice at once. Raises NodeError."""
    if are_there(folder):
        return
    check_node(FOR_TYPES)
    with OneAtATime():
        for bundle in BUNDLES:
            if not _is_there(bundle, folder):  # somebody else may have fetched it while this one waited
                print(f"Fetching @clerk/{bundle.name} {bundle.version} ...", flush=True)
                _fetch(bundle, folder)


def _is_there(bundle: Bundle, folder: Path) -> bool:
    try:
        manifest = json.loads((folder / "@clerk" / bundle.name / MANIFEST).read_bytes())
        return bool(manifest["version"] == bundle.version)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fetch(bundle: Bundle, folder: Path) -> None:
    """It appears whole, by a rename: what a kill leaves is a draft, and thrown away by the next run."""
    draft = folder / f"{bundle.name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        npm("pack", f"@clerk/{bundle.name}@{bundle.version}", "--pack-destination", str(draft), cwd=draft)
        (archive,) = draft.glob("*.tgz")
        _check(bundle, archive)
        _unpack(archive, draft / "package")
        place = folder / "@clerk" / bundle.name
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        (draft / "package").rename(place)
    finally:
        shutil.rmtree(draft)


def _check(bundle: Bundle, archive: Path) -> None:
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != bundle.sha512:
        raise NodeError(
            f"@clerk/{bundle.name} {bundle.version} is not what it was: its SHA-512 differs. Nothing of it is used."
        )


def _unpack(archive: Path, folder: Path) -> None:
    """Only regular files whose whole name is known, so that none lands elsewhere."""
    (folder / "dist").mkdir(parents=True)
    with tarfile.open(archive) as packed:
        for member in packed:
            name = FOR_BROWSERS.fullmatch(member.name)
            content = packed.extractfile(member) if name and member.isreg() else None
            if name and content:
                (folder / name[1]).write_bytes(content.read())
