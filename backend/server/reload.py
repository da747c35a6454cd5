"""SIGHUP: what is new is tried before anything stops, and the old workers go when the new ones serve.

gunicorn alone reads gunicorn.conf.py in its master, where a fault ends everything; then it stops the good workers at
once, whether the new ones ever start or not. None of its hooks can hold it back. Imported by gunicorn's master, so it
imports nothing of the application.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

PROJECT = Path(__file__).parents[2]
START_SECONDS = 30.0
REFUSED = "Not reloaded, the workers stay as they are. %s"


def install(arbiter: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Let this arbiter reload only what can start."""
    hang_up = arbiter.handle_hup

    def handle_hup() -> None:
        if fault := _find_fault(arbiter):
            arbiter.log.error(REFUSED, fault)
            return
        forgotten = _forget_our_modules()
        # Called once while gunicorn reloads: when the new workers are there, to stop the old ones.
        arbiter.manage_workers = lambda: _manage_workers(arbiter)
        try:
            hang_up()
        except (Exception, SystemExit) as error:
            if os.getpid() != arbiter.pid:
                raise  # the end of a new worker, which was forked in there
            # A file was changed again since it was tried.
            sys.modules.update(forgotten)
            arbiter.log.error(REFUSED, error)  # noqa: TRY400 - one line
        finally:
            del arbiter.manage_workers

    arbiter.handle_hup = handle_hup


def _find_fault(arbiter: Any) -> str:  # noqa: ANN401 - gunicorn has no types
    """What another gunicorn, started now with the same arguments, says before it ends; empty when it could serve."""
    try:
        tried = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "gunicorn", *sys.argv[1:], "--check-config"],
            cwd=arbiter.START_CTX["cwd"],
            env=arbiter.cfg.env_orig,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"It did not start within {START_SECONDS:.0f} s."
    # Of a traceback the last line names the fault.
    return tried.stderr.strip().rpartition("\n")[2] if tried.returncode else ""


def _forget_our_modules() -> dict[str, ModuleType]:
    """The master has some of ours, and new workers would have them from it: the old ones, beside new ones."""
    files = {name: str(getattr(module, "__file__", "")) for name, module in sys.modules.items()}
    ours = [name for name, file in files.items() if file.startswith(f"{PROJECT}/") and "site-packages" not in file]
    return {name: sys.modules.pop(name) for name in ours}


def _manage_workers(arbiter: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and any(map(_is_starting, arbiter.WORKERS.values())):
        time.sleep(0.05)
        arbiter.reap_workers()
    type(arbiter).manage_workers(arbiter)


def _is_starting(worker: Any) -> bool:  # noqa: ANN401 - gunicorn has no types
    """A worker that serves sets the time of its file to the monotonic clock; until then it has the time of day."""
    return bool(worker.tmp.last_update() > time.monotonic())
