"""`make setup`: make `.venv` hold what requirements-dev.txt names, whatever state it is in.

It runs before any package exists, so it uses the standard library alone. And an old Python 3 must get as far
as the line that asks for a newer one, so nothing here is newer than Python 3.6.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = PROJECT / "requirements-dev.txt"
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
FINISHED = VENV / "setup-finished"  # holds the fingerprint of what was installed
UNFINISHED = VENV / "setup-unfinished"  # there while pip writes


class SetupError(Exception):
    """The text is what a developer needs to read, a line where one is enough."""


def main() -> int:
    """Bring `.venv` up to date. Costs one hash when it is; may be interrupted, or called twice at once."""
    try:
        check_python()
        if not is_finished():
            with OneAtATime():
                if not is_finished():  # another setup may have done it while this one waited
                    make_venv()
                    install()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run finishes it.", file=sys.stderr)
        return 130
    return 0


def check_python() -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        newer = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]
        advice = "Try" if newer else "Install it from your system's packages or python.org, then"
        raise SetupError(
            f"Python 3.11 or newer is needed; {sys.executable} is {version}. "
            f"{advice}: make setup PYTHON={newer[0] if newer else 'python3.12'}"
        )
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        raise SetupError(
            f"Python {version} at {sys.executable} lacks its venv or ensurepip module. "
            f"On Debian and Ubuntu: sudo apt install {package}"
        )


def is_finished() -> bool:
    try:
        return FINISHED.read_text() == fingerprint() and PYTHON.exists()
    except OSError:
        return False


def fingerprint() -> str:
    """Changes with the requirements, the Python, and the place: the scripts in a venv hold its absolute path."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return "{} python{}.{} {}\n".format(digest, *sys.version_info[:2], VENV)


class OneAtATime:
    """A lock on the project folder itself: no file is left behind, and a killed process holds nothing."""

    def __enter__(self) -> None:
        self._handle = os.open(str(PROJECT), os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another setup is running, waiting for it ...", flush=True)
            fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def make_venv() -> None:
    """Keep a venv that works; make it anew when it does not or when pip was interrupted in it.

    An interrupted pip leaves packages that look installed and lack files, so nothing of it can be trusted.
    Wheels come from pip's cache then, which makes that cheap.
    """
    if not UNFINISHED.exists() and is_usable():
        return
    print("Making .venv ...", flush=True)
    result = subprocess.run(
        (sys.executable, "-m", "venv", "--clear", str(VENV)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise SetupError(f"The virtual environment was not made.\n{result.stdout}")


def is_usable() -> bool:
    """Whether `.venv` was made here, by this version of Python, and can install packages."""
    version = tuple(sys.version_info[:2])
    question = f"import sys, pip; print(sys.version_info[:2] == {version}, sys.prefix)"
    try:
        answer = subprocess.run((str(PYTHON), "-c", question), capture_output=True, text=True, check=False)
        script = (VENV / "bin" / "pip").read_text()
    except OSError:
        return False
    return answer.stdout == f"True {VENV}\n" and str(VENV) in script


def install() -> None:
    """Install from wheels; compile only what has none, and only where a compiler is."""
    if FINISHED.exists():
        FINISHED.unlink()
    failure = pip_install("--only-binary", ":all:")
    package = re.search(r"No matching distribution found for (\S+)", failure)
    if package and "Retrying (" not in failure:
        if not (shutil.which("cc") or shutil.which("gcc")):
            raise SetupError(
                f"{package.group(1)} has no ready-made wheel for Python {sys.version.split()[0]} on this system, and "
                "there is no C compiler to build it. On Debian and Ubuntu: sudo apt install gcc python3-dev"
            )
        print(f"{package.group(1)} has no ready-made wheel here, compiling it ...", flush=True)
        failure = pip_install()
    if "Retrying (" in failure:
        raise SetupError("pip cannot reach the package index. Check the network or the proxy, then run this again.")
    if failure:
        raise SetupError(f"pip could not install {REQUIREMENTS.name}:\n{failure}")
    FINISHED.write_text(fingerprint())


def pip_install(*options: str) -> str:
    """Run pip with a line of progress. Returns the end of its output when it failed, else nothing."""
    total = len(re.findall(r"(?m)^[A-Za-z0-9]\S*==", REQUIREMENTS.read_text()))
    print(f"Installing up to {total} packages into .venv ...", flush=True)
    UNFINISHED.touch()
    command = (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-user")
    process = subprocess.Popen(
        (*command, "--require-hashes", "--requirement", str(REQUIREMENTS), *options),
        cwd=str(PROJECT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    with process:
        for line in process.stdout or ():
            lines.append(line)
            if line.startswith(("Collecting", "Installing")) and sys.stdout.isatty():
                done = sum(each.startswith("Collecting") for each in lines)
                print(f"\r\033[K  {done}: {line.strip()[:60]}", end="", flush=True)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    if process.returncode >= 0:  # neither killed nor, with us, interrupted
        UNFINISHED.unlink()
    return "".join(lines[-15:]) if process.returncode != 0 else ""


if __name__ == "__main__":
    sys.exit(main())
