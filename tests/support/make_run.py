"""`make run` with everything it starts, on free ports and in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from config import PROJECT, Settings


class MakeRun:
    """One supervisor, as `make run` starts it on a machine without settings."""

    def __init__(self, local: Path, port: int, emulator_port: int, project: Path = PROJECT) -> None:
        unset = {name.upper(): "" for name in Settings.model_fields}  # wins over a developer's own .env
        command = (sys.executable, "-m", "development.run", "--local", str(local))
        self.process = subprocess.Popen(
            (*command, "--port", str(port), "--emulator-port", str(emulator_port)),
            cwd=project,
            env=os.environ | unset,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output = ""

    def wait_until_ready(self) -> str:
        """Everything printed up to the end of the banner."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._output += line
            if line.startswith("Logs: "):
                return self._output
        raise AssertionError(self._output)

    def programs(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait(self) -> int:
        self._output += self.process.communicate(timeout=40)[0]
        return self.process.returncode
