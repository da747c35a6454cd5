"""Node.js and npm for what is made of `frontend/`: are they here, its packages, its programs."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from config import PROJECT
from development.setup_venv import OneAtATime

FRONTEND = PROJECT / "frontend"
LOCK = FRONTEND / "package-lock.json"
PACKAGES = FRONTEND / "node_modules"
INSTALLED = PACKAGES / ".installed"  # holds the fingerprint of the lock that npm was done with

# The first version of each line of Node.js that will do; so does whatever is newer than the last.
FOR_TYPES = ((18, 0),)
FOR_VITE = ((20, 19), (22, 12))
UNREACHABLE = re.compile(
    r"npm error code (EAI_AGAIN|ECONN\w+|ENOTFOUND|ENETUNREACH|E?TIMEDOUT|ERR_SOCKET_TIMEOUT|FETCH_ERROR)"
)
# No package here needs its install scripts, which are how a bad one would begin. Without a network npm's own retries
# take more than a minute, and ten where packets are dropped. NODE_ENV=production would leave out what builds.
NPM_OPTIONS = (
    *("--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--no-update-notifier"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"),
)


class NodeError(Exception):
    """The text is what a developer needs to read."""


class ToolsMissingError(NodeError):
    """This machine cannot do it: no Node.js, or no way to its packages."""


def check_node(lines: tuple[tuple[int, int], ...]) -> None:
    """Raises ToolsMissingError when Node.js is not here, does not work, or is too old."""
    if not (shutil.which("node") and shutil.which("npm")):
        # Whoever installs it now installs one for everything.
        raise ToolsMissingError(f"{_needed(FOR_VITE)}.")
    # A version manager's stand-in fails where no version was chosen.
    result = subprocess.run(("node", "--version"), capture_output=True, text=True, errors="replace", check=False)
    said = " ".join((result.stdout + result.stderr).split())
    found = re.match(r"v(\d+)\.(\d+)\.", result.stdout)
    if result.returncode != 0 or not found:
        raise ToolsMissingError(f"{_needed(lines)}; node --version says: {said or 'nothing'}.")
    version = (int(found[1]), int(found[2]))
    if version < lines[-1] and not any(line[0] == version[0] and line <= version for line in lines):
        raise ToolsMissingError(f"{_needed(lines)}; this is {said}.")


def _needed(lines: tuple[tuple[int, int], ...]) -> str:
    versions = ", ".join(f"{major}.{minor}" for major, minor in lines)
    return f"Node.js {versions} or newer with npm is needed"


def install() -> None:
    """Bring node_modules to what the lock says. Costs one hash when it is; may be called twice at once."""
    check_node(FOR_TYPES)
    if not _is_installed():
        with OneAtATime():
            if not _is_installed():  # somebody else may have done it while this one waited
                print("Installing the packages of frontend/ ...", flush=True)
                npm("ci", cwd=FRONTEND)
                INSTALLED.write_text(_fingerprint())


def npm(*arguments: str, cwd: Path) -> None:
    """Raises ToolsMissingError when the registry cannot be reached, NodeError when npm fails otherwise."""
    command, *rest = arguments
    result = _run(("npm", command, *NPM_OPTIONS, *rest), cwd)
    if unreachable := UNREACHABLE.search(result.stderr):
        raise ToolsMissingError(f"npm cannot reach its registry ({unreachable[1]}): check the network or the proxy.")
    _check(result, f"npm {command}")


def run_tool(name: str, *arguments: str) -> None:
    """Run a program of node_modules."""
    _check(_run((str(PACKAGES / ".bin" / name), *arguments), FRONTEND), name)


def _check(result: subprocess.CompletedProcess[str], name: str) -> None:
    if result.returncode != 0:
        raise NodeError(f"{name} failed:\n{result.stdout}{result.stderr}".rstrip())


def _run(command: tuple[str, ...], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Of its own process group: npm starts others, and all of them end when we are interrupted."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _is_installed() -> bool:
    try:
        return INSTALLED.read_text() == _fingerprint()
    except OSError:
        return False


def _fingerprint() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()
