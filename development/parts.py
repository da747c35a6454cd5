"""The parts `make run` keeps alive: each can say whether it lives, and can be stopped."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil

from config import PROJECT
from development.postgres import die_with_parent

READY_SECONDS = 30
STOP_SECONDS = 8  # requests in flight end within REQUEST_TIMEOUT, mostly at once; a developer waits no longer
POLL_SECONDS = 0.1


class RunError(Exception):
    """The start cannot go on, or a part died. The text says what to do, in one line or with the part's output."""


class Part(Protocol):
    name: str

    def is_alive(self) -> bool: ...


class Program:
    """A child program of its own process group, so that Ctrl-C reaches it through us, in order."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        """Start it. Output goes to `log`, else to the terminal."""
        self.name = name
        self.log = log
        output = log.open("wb") if log else None
        try:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                # A supervisor killed with -9 must not leave programs that hold the ports of the next start.
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads
            )
        finally:
            if output:
                output.close()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], complaint: str) -> None:
        """Return when `ready`. Raises RunError when the program ends or does not get there in time."""
        give_up = time.monotonic() + READY_SECONDS
        while not ready():
            if not self.is_alive():
                raise RunError(f"{self.name} ended with exit code {self._process.returncode}.{self._last_words()}")
            if time.monotonic() > give_up:
                raise RunError(f"{self.name} {complaint} after {READY_SECONDS} s.{self._last_words()}")
            time.sleep(POLL_SECONDS)

    def _last_words(self) -> str:
        """The end of the log, for an error message; nothing when it went to the terminal already."""
        if self.log is None:
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f" From {self.log}:", *(f"  {line}" for line in lines)])

    def stop(self) -> None:
        """Ask it to finish, then end what is left of its process group."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill_group()
        else:
            if self._process.returncode not in {0, -signal.SIGTERM}:
                self._kill_group()  # it died unasked, its workers may not have

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Server:
    """The embedded PostgreSQL, by its process id: another `make run` may have started it."""

    def __init__(self, pid: int) -> None:
        self.name = "PostgreSQL"
        self._process = psutil.Process(pid)

    def is_alive(self) -> bool:
        try:
            return bool(self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def answers(port: int, path: str) -> bool:
    """Whether one GET gets 200. Not urllib: it would ask a proxy from the environment."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
