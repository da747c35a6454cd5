"""`make run`, with everything it starts, on other ports and in a folder of its own."""

import json
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
import requests

from config import PROJECT, setting_names
from development import bundles
from tests.support.make_run import MakeRun
from tests.support.ports import free_ports
from tests.support.project import copy_project
from tests.support.waiting import wait_for

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


@pytest.fixture
def new_checkout() -> Iterator[Path]:
    # Not tmp_path: under root the next pytest closes its parent again, in front of the server's account.
    with tempfile.TemporaryDirectory() as folder:
        copy_project(Path(folder) / "project")
        yield Path(folder) / "project"


def pasted(banner: str, program: str) -> str:
    """What the line with `program` in the banner prints when it is pasted into a shell in the project folder."""
    line = next(line for line in banner.splitlines() if re.match(rf"  \S*{program} ", line))
    return subprocess.run(
        ["sh", "-c", line], cwd=PROJECT, stdout=subprocess.PIPE, text=True, timeout=60, check=True
    ).stdout


def assert_page_and_clerk(banner: str) -> None:
    """The page is there exactly when the banner says so, and Clerk's Frontend API is on the same origin either way."""
    found = re.search(r"http://localhost:\d+", banner)
    assert found
    page = requests.get(found[0], timeout=10)
    assert (page.headers["Content-Type"].startswith("text/html")) == (f"Open {found[0]} " in banner)
    assert requests.get(f"{found[0]}/config.json", timeout=10).json()["proxy_url"] == "/__clerk"
    browser = requests.post(f"{found[0]}/__clerk/v1/dev_browser", timeout=10)
    assert browser.json()["id"]
    script = requests.get(f"{found[0]}/__clerk/npm/@clerk/clerk-js@6/dist/clerk.browser.js", timeout=10)
    assert script.ok == bundles.are_there()
    for origin in (found[0], found[0].replace("localhost", "127.0.0.1"), "http://localhost:5173"):
        answer = requests.get(f"{found[0]}/healthz", headers={"Origin": origin}, timeout=10)
        assert answer.headers["Access-Control-Allow-Origin"] == origin


def run_beside(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command beside the run, as typed into another terminal."""
    flask = (sys.executable, "-m", "flask", "--app", "wsgi", *command)
    return subprocess.run(flask, cwd=project, capture_output=True, text=True, timeout=60, check=False)


def assert_all_gone(programs: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(programs, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed step uses curl")
def test_the_printed_steps_work_ctrl_c_stops_all_and_data_is_kept(start: Start) -> None:
    run = start()
    banner = run.wait_until_ready()
    assert_page_and_clerk(banner)
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


def test_a_new_checkout_without_node(new_checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what the page needs; other commands find the database and the Clerk keys of the run."""
    monkeypatch.setenv("PATH", str(new_checkout))
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)  # an empty one would hide what the run wrote down
    port, emulator_port = free_ports(2)
    run = MakeRun(new_checkout / ".local", port, emulator_port, new_checkout)
    try:
        banner = run.wait_until_ready()
        wait_for(lambda: "grace@example.com" in run_beside(new_checkout, "users", "list").stdout)
        examined = run_beside(new_checkout, "doctor")
    finally:
        run.process.send_signal(signal.SIGTERM)
        run.wait()
    assert banner.splitlines()[0] == (
        "The page is missing, all else works, and the next start tries again: "
        "Node.js 20.19, 22.12 or newer with npm is needed."
    )
    assert "in your browser" not in banner
    assert "curl" in banner
    assert {line[0] for line in examined.stdout.splitlines()} == {"✓"}, examined.stdout
    assert examined.returncode == 0
    assert run_beside(new_checkout, "users", "list").stderr.startswith("DATABASE_URL: not set, ")


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


def test_the_other_port_is_none_of_the_same_command(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output, _ = MakeRun(tmp_path, port, port + 1).process.communicate(timeout=60)
    assert output.endswith(f"make run PORT={port + 2}\n")


def test_make_help_lists_every_command() -> None:
    targets = re.findall(r"(?m)^([a-z]+):", (PROJECT / "Makefile").read_text())
    said = subprocess.check_output(("make", "help"), cwd=PROJECT, text=True)
    assert re.findall(r"(?m)^make ([a-z]+) ", said) == targets
    assert {"setup", "run", "test", "lint", "bench", "faults", "lock"} < set(targets)
