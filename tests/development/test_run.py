"""`make run`, with everything it starts, on other ports and in a folder of its own."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config import PROJECT, Settings

START_SECONDS = 90


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class MakeRun:
    """One supervisor, as `make run` starts it on a machine without settings."""

    def __init__(self, local: Path, port: int, emulator_port: int) -> None:
        unset = {name.upper(): "" for name in Settings.model_fields}  # wins over a developer's own .env
        command = (sys.executable, "-m", "development.run", "--local", str(local))
        self.process = subprocess.Popen(
            (*command, "--port", str(port), "--emulator-port", str(emulator_port)),
            cwd=PROJECT,
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


Start = Callable[[], MakeRun]


@pytest.fixture
def start() -> Iterator[Start]:
    port, emulator_port = free_ports(2)
    runs: list[MakeRun] = []

    with tempfile.TemporaryDirectory() as folder:

        def run() -> MakeRun:
            runs.append(MakeRun(Path(folder) / "lo cal", port, emulator_port))
            return runs[-1]

        yield run
        for each in runs:
            each.process.send_signal(signal.SIGTERM)
            each.wait()


def pasted(banner: str, program: str) -> str:
    """What the line with `program` in the banner prints when it is pasted into a shell in the project folder."""
    line = next(line for line in banner.splitlines() if re.match(rf"  \S*{program} ", line))
    return subprocess.run(
        ["sh", "-c", line], cwd=PROJECT, stdout=subprocess.PIPE, text=True, timeout=60, check=True
    ).stdout


def assert_all_gone(programs: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(programs, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed step uses curl")
def test_the_printed_steps_work_ctrl_c_stops_all_and_data_is_kept(start: Start) -> None:
    run = start()
    banner = run.wait_until_ready()
    ada = json.loads(pasted(banner, "curl"))
    assert "ada@example.com" in json.dumps(ada)
    assert "ada@example.com" in pasted(banner, "psql")

    programs = run.programs()
    assert len(programs) > 3  # PostgreSQL, the local Clerk instance, gunicorn and its workers
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 0
    assert_all_gone(programs)

    banner = start().wait_until_ready()
    assert "ada@example.com" in pasted(banner, "psql")  # before she calls again
    assert json.loads(pasted(banner, "curl"))["user"]["user_id"] == ada["user"]["user_id"]


def test_after_kill_9_and_after_the_death_of_a_part(start: Start) -> None:
    run = start()
    run.wait_until_ready()
    run.process.kill()
    run.wait()

    following = start()  # at once, on the same ports
    following.wait_until_ready()
    programs = following.programs()
    clerk = next(process for process in programs if "clerk_emulator" in process.cmdline())
    clerk.kill()
    assert following.wait() == 1
    assert_all_gone(programs)


@pytest.mark.parametrize("variable", ["PORT", "EMULATOR_PORT"])
def test_a_port_in_use_is_one_line_that_says_how_to_move_it(variable: str, tmp_path: Path) -> None:
    ports = dict(zip(("PORT", "EMULATOR_PORT"), free_ports(2), strict=True))
    with socket.create_server(("127.0.0.1", ports[variable])):
        run = MakeRun(tmp_path, ports["PORT"], ports["EMULATOR_PORT"])
        output, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == 1
    assert output.startswith(f"Port {ports[variable]} is in use")
    assert output.endswith(f"make run {variable}={ports[variable] + 1}\n")
    assert output.count("\n") == 1


def test_make_help_lists_every_command() -> None:
    targets = re.findall(r"(?m)^([a-z]+):", (PROJECT / "Makefile").read_text())
    said = subprocess.check_output(("make", "help"), cwd=PROJECT, text=True)
    assert re.findall(r"(?m)^make ([a-z]+) ", said) == targets
    assert {"setup", "run", "test", "lint", "bench", "faults", "lock"} < set(targets)
