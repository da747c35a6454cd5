"""`make frontend`: build the page in `frontend/`, and fetch what the local Clerk instance serves to it."""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from development import bundles
from development.node import FOR_VITE, FRONTEND, NodeError, check_node, install, npm
from development.setup_venv import OneAtATime

BUILT = FRONTEND / "dist"
STAMP = BUILT / ".sources"  # holds the fingerprint of what it was built from
NOT_SOURCES = {"node_modules", "dist", "dist.new", "openapi.json"}


def main() -> int:
    try:
        make_page(with_bundles=True)
    except (NodeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run finishes it.", file=sys.stderr)
        return 130
    print(f"The page is in {BUILT.relative_to(FRONTEND.parent)}/, and `make run` serves it.")
    return 0


def make_page(*, with_bundles: bool) -> None:
    """Build it when its sources changed. Costs a few hashes when they did not. Raises NodeError."""
    if with_bundles:
        bundles.fetch()
    if not is_current():
        check_node(FOR_VITE)
        install()
        with OneAtATime():
            if not is_current():  # somebody else may have built it while this one waited
                _build()


def is_built() -> bool:
    return (BUILT / "index.html").exists()


def is_current() -> bool:
    try:
        return STAMP.read_text() == _fingerprint()
    except OSError:
        return False


def _build() -> None:
    """It appears whole, by a rename: whoever opens the page meanwhile gets the old one."""
    print("Building the page in frontend/ ...", flush=True)
    sources = _fingerprint()
    draft = BUILT.with_name("dist.new")
    npm("run", "build", "--", "--outDir", draft.name, "--emptyOutDir", cwd=FRONTEND)
    (draft / STAMP.name).write_text(sources)
    shutil.rmtree(BUILT, ignore_errors=True)
    draft.rename(BUILT)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(FRONTEND)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for top in FRONTEND.iterdir():
        if top.name not in NOT_SOURCES:
            yield from (path for path in (top, *top.rglob("*")) if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
