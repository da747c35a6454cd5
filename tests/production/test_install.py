"""The README's lines for production, where only Python is installed, and the files are those of the Dockerfile."""

import re
import secrets
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from _pytest.mark import ParameterSet

from tests.support.clerk import Instance
from tests.support.database import Sql, driver_url
from tests.support.ports import free_port
from tests.support.project import copy_project
from tests.support.server import PROJECT, clean_environment

SERVING = "0.0.0.0:8000"
START_SECONDS = 30

Run = Callable[[str], str]


def production_lines() -> tuple[str, str, str, str]:
    """Of the README: make the environment, fill it, migrate, serve."""
    section = (PROJECT / "README.md").read_text().partition("## In production")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    make, fill, migrate, serve = block[1].splitlines()
    return make, fill, migrate, serve


def image_files() -> list[str]:
    """What the last stage of the Dockerfile copies out of the project."""
    stage = (PROJECT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    return [name for line in re.findall(r"(?m)^COPY (?!--)(.+) \S+$", stage) for name in line.split()]


def pins(requirements: str) -> set[str]:
    return set(re.findall(r"(?m)^[a-z0-9-]+==\S+", (PROJECT / requirements).read_text()))


def pythons() -> Iterator[ParameterSet]:
    """The Python of these tests, and the others from 3.11 on that are here: of the system, and of pyenv."""
    yield pytest.param(sys.executable, id="{}.{}.{}".format(*sys.version_info))
    system = [Path(f"/usr/bin/python3.{minor}") for minor in range(11, 20)]
    for python in filter(Path.exists, [*system, *Path.home().glob(".pyenv/versions/3.1[1-9].*/bin/python3")]):
        named = python.name if python in system else python.parts[-3]
        if not python.samefile(sys.executable):
            yield pytest.param(str(python), id=named, marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=pythons())
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image has of the project, and `.venv` as the README makes it, with each Python."""
    project = tmp_path_factory.mktemp("production") / "counterfoil"
    copy_project(project, only=(*image_files(), "requirements.txt"))
    make, fill, _, _ = production_lines()
    assert make == "python3 -m venv .venv"
    assert fill.startswith(".venv/bin/pip ")
    # Its own pip would take as long to install as it takes to migrate and serve: this one's pip fills it.
    subprocess.run((request.param, "-m", "venv", "--without-pip", ".venv"), cwd=project, check=True)
    pip = (sys.executable, "-m", "pip", "--python", ".venv/bin/python", "--retries", "1", "--no-input")
    result = subprocess.run(
        (*pip, *shlex.split(fill)[1:]),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0 and "Retrying (" in result.stdout:
        pytest.skip("pip reaches no package index, so requirements.txt cannot be installed")
    assert result.returncode == 0, result.stdout[-2000:]
    return project


@pytest.fixture(scope="module")
def systemd() -> Iterator[socket.socket]:
    """Who is told when the service is ready."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"{folder}/notify")
        listening.settimeout(1)
        yield listening


@pytest.fixture(scope="module")
def environment(postgres_url: str, clerk: Instance, systemd: socket.socket) -> dict[str, str]:
    """The settings that production needs, with an empty database."""
    admin = Sql(postgres_url)
    admin.rows("DROP DATABASE IF EXISTS production WITH (FORCE)")
    admin.rows("CREATE DATABASE production")
    admin.close()
    return clean_environment(
        ENV="production",
        DATABASE_URL=driver_url(postgres_url, "production"),
        CLERK_JWT_KEY=clerk.pem,
        CLERK_ISSUER=clerk.issuer,
        CLERK_AUTHORIZED_PARTIES="https://app.example.com",
        CLERK_WEBHOOK_SECRET=clerk.webhook_secret,
        API_KEY_PEPPER=secrets.token_urlsafe(32),
        WEB_CONCURRENCY="1",
        NOTIFY_SOCKET=str(systemd.getsockname()),
    )


@pytest.fixture(scope="module")
def run(installed: Path, environment: dict[str, str]) -> Run:
    """A command in the project, as typed; what it prints."""

    def run(line: str) -> str:
        result = subprocess.run(
            shlex.split(line), cwd=installed, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture(scope="module")
def url(installed: Path, environment: dict[str, str], run: Run) -> Iterator[str]:
    """Migrated and served; the log is shown when it does not become ready."""
    _, _, migrate, serve = production_lines()
    run(migrate)
    assert SERVING in serve
    address = f"127.0.0.1:{free_port()}"
    log = installed / "gunicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            shlex.split(serve.replace(SERVING, address)),
            cwd=installed, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_until_ready(process, f"http://{address}/readyz", log)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"gunicorn did not serve:\n{log.read_text()}")


def test_it_serves_and_its_commands_work(url: str, run: Run, clerk: Instance) -> None:
    token = clerk.token(sub="user_production", azp="https://app.example.com")
    me = requests.get(f"{url}/auth/me", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert me.status_code == 200, me.text
    assert me.json()["user"]["clerk_user_id"] == "user_production"
    assert "user_production" in run(".venv/bin/flask --app wsgi users list")
    assert run(".venv/bin/flask --app wsgi purge --dry-run")


@pytest.mark.usefixtures("url")
def test_systemd_is_told(systemd: socket.socket) -> None:
    """`Type=notify` of deploy/gunicorn.service waits for that."""
    assert systemd.recv(1_000).startswith(b"READY=1")


def test_the_image_is_given_its_files() -> None:
    let_through = set(re.findall(r"(?m)^!(.+)$", (PROJECT / ".dockerignore").read_text()))
    assert {*image_files(), "requirements.txt", "frontend"} == let_through


def test_the_other_tests_run_on_what_production_installs() -> None:
    assert pins("requirements.txt") - pins("requirements-dev.txt") == set()
